"""Calls between users of one tenant: who is found, who is shown, what forwards do."""

import pytest
from msgspec.structs import replace

from tandem.accounts.model.account import Tenant, User
from tandem.routing.model.plan import Asked, Limit, Plan, Refusal
from tandem.routing.model.route import FORWARDS_MOST, STAGES_MOST, route
from tandem.routing.model.rows import Emergency, ListEntry, Route, Trunk
from tandem.routing.model.stages import next_stage, outcome
from tandem.routing.model.tables import Tables, tables_from

DEMO = Tenant("demo", "demo.example", country_code="49", area_code="30")
ALICE = User(
    "demo", "alice", display_name="Alice", number="+4930100", aliases=("100", "+49305550109")
)


def tables(*users: User, tenant: Tenant = DEMO, **more: object) -> Tables:
    return tables_from([tenant, Tenant("other", "other.example")], [ALICE, *users], **more)  # type: ignore[arg-type]


def ask(
    to: str, *, by: str = "alice@demo.example", from_: str = "<sip:alice@demo.example>"
) -> Asked:
    uri = to if ":" in to else f"sip:{to}" if "@" in to else f"sip:{to}@demo.example"
    return Asked(f"user:{by}", uri, from_, f"<{uri}>")


def planned(result: Plan | Refusal) -> Plan:
    assert isinstance(result, Plan), result
    return result


def refused(result: Plan | Refusal) -> Refusal:
    assert isinstance(result, Refusal), result
    return result


def rung(plan: Plan) -> list[str]:
    return [target.aor or target.uri for stage in plan.stages for target in stage]


BOB = User("demo", "bob", number="0305550101", aliases=("101", "robert"))


@pytest.mark.parametrize(
    "dialled",
    [
        "bob",
        "Bob",
        "101",
        "robert",
        "0305550101",
        "5550101",
        "0049305550101",
        "+49305550101",
        "+49-30-555-0101",
        "%62ob",
    ],
)
def test_a_user_is_reached_by_name_alias_and_number(dialled: str) -> None:
    plan = planned(route(tables(BOB), ask(dialled)))

    assert ["bob@demo.example"] == rung(plan)
    assert "bob@demo.example" == plan.callee
    assert "sip:bob@demo.example" == plan.stages[0][0].uri


@pytest.mark.parametrize(
    "uri",
    [
        "sips:bob@demo.example",
        "SIP:bob@DEMO.example:5061;transport=tls",
        "sip:bob@192.0.2.1:5060",
        "sip:bob@[2001:db8::1]:5060",
        "sip:bob;phone-context=x:secret@demo.example?subject=hi",
        "tel:+49-30-555-0101;phone-context=demo.example",
    ],
)
def test_every_form_of_uri_finds_the_same_user(uri: str) -> None:
    assert ["bob@demo.example"] == rung(planned(route(tables(BOB), ask(uri))))


def test_the_caller_is_shown_as_his_account_says_and_not_as_from_claims() -> None:
    plan = planned(route(tables(BOB), ask("bob", from_='"The Boss" <sip:+4930999@demo.example>')))

    assert ("+4930100", "Alice") == (plan.caller_number, plan.caller_name)


def test_an_alias_of_the_caller_may_be_shown() -> None:
    plan = planned(route(tables(BOB), ask("bob", from_="<sip:0305550109@demo.example>;tag=1")))

    assert "+49305550109" == plan.caller_number


def test_another_users_alias_may_not_be_shown() -> None:
    plan = planned(route(tables(BOB), ask("bob", from_="<sip:101@demo.example>;tag=1")))

    assert "+4930100" == plan.caller_number


def test_a_name_outside_latin_1_is_written_one_character_per_byte() -> None:
    lukasz = User("demo", "lukasz", display_name="Łukasz")
    plan = planned(route(tables(lukasz), ask("alice", by="lukasz@demo.example")))

    assert "Łukasz" == plan.caller_name.encode("latin-1").decode()
    assert "lukasz" == plan.caller_number


def test_nobody_is_404_and_a_stranger_403() -> None:
    assert 404 == refused(route(tables(), ask("nobody"))).status
    assert 403 == refused(route(tables(), ask("bob", by="eve@demo.example"))).status
    assert 403 == refused(route(tables(), ask("bob", by="eve@nowhere.example"))).status
    assert 403 == refused(route(tables(), Asked("", "sip:alice@demo.example", "", ""))).status


def test_tenants_do_not_reach_each_other() -> None:
    carol = User("other", "carol", number="+4940200")

    for dialled in ("carol", "carol@other.example", "+4940200"):
        assert 404 == refused(route(tables(carol), ask(dialled))).status


def test_a_domain_that_is_not_ours_is_never_called() -> None:
    assert 404 == refused(route(tables(BOB), ask("bob@elsewhere.example"))).status


def test_a_user_who_is_switched_off_neither_calls_nor_is_called() -> None:
    off = User("demo", "bob", enabled=False)

    assert 480 == refused(route(tables(off), ask("bob"))).status
    assert 403 == refused(route(tables(off), ask("alice", by="bob@demo.example"))).status


def test_the_limits_of_caller_and_tenant_are_in_the_plan_and_the_callees_at_his_target() -> None:
    tenant = Tenant("demo", "demo.example", max_calls=50, max_user_calls=2, max_call_seconds=600)
    bob = User("demo", "bob", max_calls=1, max_call_seconds=60)

    plan = planned(route(tables(bob, tenant=tenant), ask("bob")))

    assert (Limit("user:alice@demo.example", 2), Limit("tenant:demo", 50)) == plan.limits
    assert (Limit("user:bob@demo.example", 1),) == plan.stages[0][0].limits
    assert 600 == plan.max_seconds
    back = planned(route(tables(bob, tenant=tenant), ask("alice", by="bob@demo.example")))
    assert 60 == back.max_seconds


def test_an_unconditional_forward_replaces_the_user_and_tells_who_forwarded() -> None:
    bob = User("demo", "bob", number="+4930101", forward_always="carol")
    plan = planned(route(tables(bob, User("demo", "carol")), ask("bob")))

    assert ["carol@demo.example"] == rung(plan)
    (moved,) = plan.stages[0][0].diverted
    assert ("bob@demo.example", "+4930101", "unconditional") == (
        moved.by,
        moved.number,
        moved.reason,
    )
    assert "bob@demo.example" == plan.callee


def test_busy_and_no_answer_lead_to_different_stages() -> None:
    bob = User("demo", "bob", forward_busy="carol", forward_no_answer="dave")
    plan = planned(route(tables(bob, User("demo", "carol"), User("demo", "dave")), ask("bob")))

    assert ["bob@demo.example", "carol@demo.example", "dave@demo.example"] == rung(plan)
    assert 1 == next_stage(plan.stages, 0, outcome("user", 486, rang=True))
    assert 2 == next_stage(plan.stages, 0, outcome("user", 0, rang=True))
    assert 2 == next_stage(plan.stages, 0, outcome("user", 480, rang=False))
    assert "" == outcome("user", 603, rang=True)
    assert -1 == next_stage(plan.stages, 1, "busy")
    assert "user-busy" == plan.stages[1][0].diverted[0].reason


def test_forwarding_in_a_circle_is_482() -> None:
    users = [
        User("demo", "bob", forward_always="carol"),
        User("demo", "carol", forward_always="bob"),
    ]

    assert 482 == refused(route(tables(*users), ask("bob"))).status


def test_a_conditional_forward_in_a_circle_ends_before_it_closes() -> None:
    users = [User("demo", "bob", forward_busy="carol"), User("demo", "carol", forward_busy="bob")]

    plan = planned(route(tables(*users), ask("bob")))

    assert ["bob@demo.example", "carol@demo.example"] == rung(plan)


@pytest.mark.parametrize(("hops", "status"), [(FORWARDS_MOST, 0), (FORWARDS_MOST + 1, 480)])
def test_forwarding_goes_five_deep_and_no_deeper(hops: int, status: int) -> None:
    chain = [User("demo", f"u{n}", forward_always=f"u{n + 1}") for n in range(hops)]

    result = route(tables(*chain, User("demo", f"u{hops}")), ask("u0"))

    assert status == (result.status if isinstance(result, Refusal) else 0)


def test_a_plan_has_a_bounded_number_of_stages() -> None:
    web = [
        User("demo", f"u{n}", forward_busy=f"u{n + 1}", forward_no_answer=f"u{n + 2}")
        for n in range(20)
    ]

    plan = planned(route(tables(*web), ask("u0")))

    assert 10 < len(plan.stages) <= STAGES_MOST


def test_a_forward_to_a_carrier_continues_with_the_next_carrier_only_when_that_failed() -> None:
    bob = User("demo", "bob", number="+4930101", forward_busy="+44201", forward_no_answer="alice")
    plan = planned(
        route(
            tables(
                bob,
                User("demo", "eve"),
                trunks=[Trunk("one", "192.0.2.1"), Trunk("two", "192.0.2.2")],
                routes=[Route("a", "one", "demo"), Route("b", "two", "demo", priority=20)],
            ),
            ask("bob", by="eve@demo.example"),
        )
    )

    assert ["bob@demo.example", "one", "two", "alice@demo.example"] == [
        stage[0].trunk or stage[0].aor for stage in plan.stages
    ]
    assert 1 == next_stage(plan.stages, 0, "busy")
    assert 3 == next_stage(plan.stages, 0, "no-answer")
    assert 2 == next_stage(plan.stages, 1, outcome("trunk", 503, rang=False))
    assert -1 == next_stage(plan.stages, 1, outcome("trunk", 503, rang=True))
    assert -1 == next_stage(plan.stages, 1, outcome("trunk", 486, rang=False))
    assert "user-busy" == plan.stages[2][0].diverted[0].reason


def test_a_forward_is_allowed_by_what_the_forwarding_user_may_call() -> None:
    bob = User("demo", "bob", forward_always="+7495")
    lists = [ListEntry("demo", "deny", "prefix", "+7", owner="bob")]
    known = tables(
        bob, trunks=[Trunk("t", "192.0.2.1")], routes=[Route("r", "t", "demo")], lists=lists
    )

    assert 403 == refused(route(known, ask("bob"))).status
    assert isinstance(route(known, ask("+7495")), Plan)


def test_a_user_may_refuse_another_users_calls() -> None:
    lists = [ListEntry("demo", "deny", "number", "alice@demo.example", owner="bob", direction="in")]

    assert 403 == refused(route(tables(BOB, lists=lists), ask("bob"))).status


@pytest.mark.parametrize("dialled", ["112", "+112", "urn:service:sos", "urn:service:sos.fire"])
def test_an_emergency_call_passes_every_limit_and_list(dialled: str) -> None:
    tenant = Tenant("demo", "demo.example", max_calls=1, max_user_calls=1, max_call_seconds=5)
    known = tables_from(
        [tenant],
        [
            User("demo", "alice", enabled=False, aliases=("999",)),
            User("demo", "bob", aliases=("112",)),
        ],
        trunks=[Trunk("off", "192.0.2.8", enabled=False), Trunk("on", "192.0.2.9", max_calls=1)],
        emergency=[Emergency("demo", "112", "off", 1), Emergency("demo", "112", "on", 2)],
        lists=[ListEntry("demo", "deny", "prefix", "")],
    )

    plan = planned(route(known, ask(dialled)))

    assert plan.emergency
    assert () == plan.limits == plan.stages[0][0].limits
    assert 0 == plan.max_seconds
    assert ["on", "off"] == [stage[0].trunk for stage in plan.stages]
    assert "sip:112@192.0.2.9;user=phone" == plan.stages[0][0].uri


@pytest.mark.parametrize("dialled", ["112", "urn:service:sos"])
def test_a_stranger_reaches_an_emergency_number_as_nobody(dialled: str) -> None:
    plan = planned(route(rescued(), strange(dialled, "demo.example")))

    assert plan.emergency
    assert ("stranger:demo.example", "", "") == (plan.caller, plan.caller_number, plan.caller_name)
    assert ["on"] == [stage[0].trunk for stage in plan.stages]


@pytest.mark.parametrize("dialled", ["bob", "nobody", "+49301", "113", "0112"])
@pytest.mark.parametrize("domain", ["demo.example", "other.example", ""])
def test_a_stranger_reaches_nothing_else_and_hears_the_same(dialled: str, domain: str) -> None:
    assert 403 == refused(route(rescued(), strange(dialled, domain))).status


def strange(dialled: str, domain: str) -> Asked:
    return replace(ask(dialled), trust=f"stranger:{domain}")


def rescued() -> Tables:
    return tables_from(
        [Tenant("demo", "demo.example")],
        [User("demo", "alice"), User("demo", "bob")],
        trunks=[Trunk("on", "192.0.2.9")],
        routes=[Route("all", "on", "demo", "")],
        emergency=[Emergency("demo", "112", "on")],
    )


def test_who_may_call_nobody_outside_may_call_the_next_room() -> None:
    lists = [
        ListEntry("demo", "deny", "prefix", "", owner=owner, direction=direction)
        for owner in ("", "alice", "bob")
        for direction in ("in", "out")
    ]

    assert isinstance(route(tables(BOB, lists=lists), ask("bob")), Plan)


@pytest.mark.parametrize("value", ["alice@demo.example", "+4930100", "bob@demo.example"])
def test_a_forwarded_call_is_refused_by_who_refuses_the_caller_or_the_forwarder(value: str) -> None:
    bob = User("demo", "bob", forward_always="carol")
    lists = [ListEntry("demo", "deny", "number", value, owner="carol", direction="in")]

    assert 403 == refused(route(tables(bob, User("demo", "carol"), lists=lists), ask("bob"))).status


def test_a_forwarded_call_from_a_carrier_is_refused_by_who_refuses_the_number() -> None:
    bob = User("demo", "bob", number="+49305550101", forward_always="carol")
    lists = [ListEntry("demo", "deny", "prefix", "+44", owner="carol", direction="in")]
    known = tables(bob, User("demo", "carol"), trunks=[Trunk("t", "192.0.2.1")], lists=lists)
    asked = Asked("trunk:t", "sip:+49305550101@192.0.2.9", "<sip:+4420555@c.example>", "")

    assert 403 == refused(route(known, asked)).status
