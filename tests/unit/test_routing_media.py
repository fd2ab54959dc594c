"""Whose word decides by which way media goes: the trunk's, else the tenant's, else the node's; none without a relay."""

import pytest
from msgspec.structs import replace

from tandem.accounts.model.account import Tenant, User, check_tenant, check_user
from tandem.accounts.model.fields import BadField
from tandem.routing.model.check import check_trunk
from tandem.routing.model.plan import Asked, Plan
from tandem.routing.model.route import route
from tandem.routing.model.rows import Emergency, Route, Trunk
from tandem.routing.model.tables import Tables, tables_from

DEMO = Tenant("demo", "demo.example", country_code="49", media="relay")
ALICE, BOB = User("demo", "alice"), User("demo", "bob", number="+49305550100")
CARRIER = Trunk("carrier", "192.0.2.7", srtp="off")


def tables(tenant: Tenant = DEMO, trunk: Trunk = CARRIER, media: str = "auto") -> Tables:
    made = tables_from(
        [tenant], [ALICE, BOB], trunks=[trunk], routes=[Route("r", "carrier")],
        emergency=[Emergency("demo", "112", "carrier")],
    )  # fmt: skip
    return replace(made, media=media, srtp="preferred" if media else "")


def asked(known: Tables, trust: str, number: str) -> Plan:
    found = route(known, Asked(trust, f"sip:{number}@demo.example", "", ""))
    assert isinstance(found, Plan)
    return found


def words(plan: Plan) -> tuple[tuple[str, str], tuple[str, str]]:
    """(media, srtp) of the caller's side, and of the first target."""
    target = plan.stages[0][0]
    return (plan.media, plan.srtp), (target.media, target.srtp)


def test_a_tenants_word_comes_before_the_nodes_and_a_trunks_before_both() -> None:
    user = "user:alice@demo.example"
    assert (("relay", "preferred"),) * 2 == words(asked(tables(), user, "bob"))
    assert (("relay", "preferred"), ("relay", "off")) == words(asked(tables(), user, "+4940123"))
    own = tables(trunk=replace(CARRIER, media="direct"))
    assert (("relay", "preferred"), ("direct", "off")) == words(asked(own, user, "+4940123"))
    plain = tables(replace(DEMO, media="", srtp="required"))
    assert (("auto", "required"),) * 2 == words(asked(plain, user, "bob"))


def test_a_users_word_comes_before_his_tenants() -> None:
    phones = [ALICE, replace(BOB, srtp="required", media="direct")]
    made = tables_from([DEMO], phones)
    known = replace(made, media="auto", srtp="preferred")
    plan = asked(known, "user:alice@demo.example", "bob")
    assert (("relay", "preferred"), ("direct", "required")) == words(plan)
    plan = asked(known, "user:bob@demo.example", "alice")
    assert (("direct", "required"), ("relay", "preferred")) == words(plan)


def test_a_recorded_tenants_calls_pass_the_relay() -> None:
    kept = replace(DEMO, media="auto", record=True, music="hold.ogg")
    plan = asked(tables(kept), "user:alice@demo.example", "bob")
    assert ("relay", True, "hold.ogg") == (plan.media, plan.record, plan.music)


def test_who_asks_for_it_is_cleaned_by_the_relay_unless_it_may_not_be_there() -> None:
    phones = [replace(ALICE, clean="noise"), BOB]
    trunk = replace(CARRIER, clean="echo")
    known = replace(
        tables_from([replace(DEMO, media="auto")], phones, trunks=[trunk], routes=[Route("r", "carrier")]),
        media="auto", srtp="preferred",
    )  # fmt: skip
    plan = asked(known, "user:alice@demo.example", "+4940123")
    target = plan.stages[0][0]
    assert (("relay", "noise"), ("relay", "echo")) == (
        (plan.media, plan.clean),
        (target.media, target.clean),
    )
    plan = asked(known, "user:bob@demo.example", "alice")
    target = plan.stages[0][0]
    assert (("auto", ""), ("relay", "noise")) == (
        (plan.media, plan.clean),
        (target.media, target.clean),
    )
    direct = replace(known.tenants["demo"].tenant, media="direct")
    plan = asked(
        replace(tables_from([direct], phones), media="auto"), "user:alice@demo.example", "bob"
    )
    assert ("direct", "noise") == (plan.media, plan.clean)


def test_a_carriers_call_has_the_carriers_word_on_its_side() -> None:
    found = words(asked(tables(), "trunk:carrier", "+49305550100"))
    assert (("relay", "off"), ("relay", "preferred")) == found


def test_a_call_for_help_has_its_tenants_word_too() -> None:
    found = words(asked(tables(), "user:alice@demo.example", "112"))
    assert (("relay", "preferred"), ("relay", "off")) == found


def test_a_node_without_a_relay_says_nothing() -> None:
    found = words(asked(tables(media=""), "user:alice@demo.example", "bob"))
    assert (("", ""), ("", "")) == found


@pytest.mark.parametrize("field", ["media", "srtp", "clean"])
def test_an_unknown_word_is_refused_with_those_that_are_known(field: str) -> None:
    for check, value in ((check_tenant, DEMO), (check_trunk, CARRIER), (check_user, BOB)):
        if not hasattr(value, field):
            continue
        with pytest.raises(BadField, match=f"{field}: one of .*, not 'sometimes'"):
            check(replace(value, **{field: "sometimes"}))  # type: ignore[operator]
        assert "" == getattr(check(replace(value, **{field: " "})), field)  # type: ignore[operator]
