"""Whose word decides by which way media goes: the trunk's, else the tenant's, else the node's; none without a relay."""

import pytest
from msgspec.structs import replace

from tandem.accounts.model.account import Tenant, User, check_tenant
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


def test_a_carriers_call_has_the_carriers_word_on_its_side() -> None:
    found = words(asked(tables(), "trunk:carrier", "+49305550100"))
    assert (("relay", "off"), ("relay", "preferred")) == found


def test_a_call_for_help_has_its_tenants_word_too() -> None:
    found = words(asked(tables(), "user:alice@demo.example", "112"))
    assert (("relay", "preferred"), ("relay", "off")) == found


def test_a_node_without_a_relay_says_nothing() -> None:
    found = words(asked(tables(media=""), "user:alice@demo.example", "bob"))
    assert (("", ""), ("", "")) == found


@pytest.mark.parametrize("field", ["media", "srtp"])
def test_an_unknown_word_is_refused_with_those_that_are_known(field: str) -> None:
    for check, value in ((check_tenant, DEMO), (check_trunk, CARRIER)):
        with pytest.raises(BadField, match=f"{field}: one of .*, not 'sometimes'"):
            check(replace(value, **{field: "sometimes"}))  # type: ignore[operator]
        assert "" == getattr(check(replace(value, **{field: " "})), field)  # type: ignore[operator]
