"""A node that is told of changes has the tables that it would have built from nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.accounts.model.account import Tenant, User
from tandem.accounts.model.credentials import make_credentials
from tandem.accounts.model.fields import Taken
from tandem.adapters import sqlite_accounts as accounts
from tandem.adapters import sqlite_routing as routing
from tandem.adapters.sqlite import open_database
from tandem.adapters.sqlite_refresh import load, refresh
from tandem.routing.model.plan import Asked, Plan
from tandem.routing.model.route import route
from tandem.routing.model.rows import Trunk

SECRET = make_credentials("x", "demo.example", "Correct4horse9")
NAMES = st.sampled_from(["a", "b", "c"])
NUMBERS = st.sampled_from(["", "100", "030555010", "+4930555010", "004930555010", "+1212", "x1"])
TENANTS = st.sampled_from(["demo", "other"])
STEPS = st.lists(
    st.tuples(TENANTS, NAMES, st.booleans(), st.lists(NUMBERS.filter(bool), max_size=3), NUMBERS),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=4))
def test_patched_tables_are_the_tables_built_from_nothing(rounds: list[list[tuple]]) -> None:  # type: ignore[type-arg]
    db = open_database(":memory:")
    for id in ("demo", "other"):
        accounts.put_tenant(db, Tenant(id, f"{id}.example", country_code="49"))
    known = load(db)
    for steps in rounds:
        for tenant, name, keep, aliases, number in steps:
            if keep:
                number = "" if number == "x1" else number
                try:
                    user = User(tenant, name, number=number, aliases=tuple(aliases))
                    accounts.put_user(db, user, SECRET)
                except Taken:
                    continue
            else:
                accounts.delete_user(db, tenant, name)
        known = refresh(db, known.tables, known.seen) or known
        fresh = load(db)
        assert fresh.tables == known.tables
        assert fresh.seen == known.seen
    db.close()


def test_a_refresh_does_no_more_than_is_needed() -> None:
    db = open_database(":memory:")
    accounts.put_tenant(db, Tenant("demo", "demo.example"))
    accounts.put_user(db, User("demo", "alice"), SECRET)
    known = load(db, hosts=["sip.example"])
    assert ([("alice@demo.example", SECRET)], True, True) == (
        known.credentials,
        known.whole,
        known.policy,
    )
    assert refresh(db, known.tables, known.seen) is None

    accounts.put_user(db, User("demo", "bob"), SECRET)
    one = refresh(db, known.tables, known.seen)
    assert one is not None
    assert ([("bob@demo.example", SECRET)], False, False) == (
        one.credentials,
        one.whole,
        one.policy,
    )
    assert "bob" not in known.tables.tenants["demo"].users

    routing.put_trunk(db, Trunk("t", "192.0.2.1"))
    two = refresh(db, one.tables, one.seen)
    assert two is not None
    assert ([], False, True, {"t"}) == (
        two.credentials,
        two.whole,
        two.policy,
        set(two.tables.trunks),
    )
    assert {"sip.example"} == two.tables.hosts

    accounts.put_tenant(db, Tenant("demo", "demo.example", enabled=False))
    three = refresh(db, two.tables, two.seen)
    assert three is not None
    assert ([], True, True, {}) == (
        three.credentials,
        three.whole,
        three.policy,
        three.tables.domains,
    )


def test_a_number_that_moved_to_another_user_reaches_only_him() -> None:
    db = open_database(":memory:")
    accounts.put_tenant(db, Tenant("demo", "demo.example", country_code="49"))
    accounts.put_user(db, User("demo", "alice", aliases=("0305550100",)), SECRET)
    accounts.put_user(db, User("demo", "bob"), SECRET)
    known = load(db)
    accounts.put_user(db, User("demo", "alice"))
    accounts.put_user(db, User("demo", "bob", aliases=("+49305550100",)))
    new = refresh(db, known.tables, known.seen)
    assert new is not None

    asked = Asked("user:alice@demo.example", "sip:0305550100@demo.example", "", "")
    for tables, aor in ((known.tables, "alice@demo.example"), (new.tables, "bob@demo.example")):
        plan = route(tables, asked)
        assert isinstance(plan, Plan)
        assert aor == plan.callee
