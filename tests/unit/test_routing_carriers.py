"""Calls to and from carriers: numbers, prefixes, weights, hours, lists, inbound numbers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.accounts.model.account import Tenant, User
from tandem.accounts.model.fields import BadField
from tandem.adapters.sqlite_routing import shipped_countries
from tandem.boundary import TLS
from tandem.routing.model.carriers import weighted
from tandem.routing.model.check import check_list_entry, check_route, check_trunk
from tandem.routing.model.numbers import format_number, normalise
from tandem.routing.model.plan import Asked, HeaderRule, Limit, Plan, Refusal
from tandem.routing.model.policy import policy
from tandem.routing.model.route import route
from tandem.routing.model.rows import Emergency, ListEntry, Route, Trunk
from tandem.routing.model.schedule import is_open, minute_of_week, parse_schedule
from tandem.routing.model.tables import Tables, Way, country_of, matching, tables_from
from tandem.routing.model.uri import split_name_addr, split_uri

DEMO = Tenant("demo", "demo.example", country_code="49", area_code="30")
US = Tenant("us", "us.example", country_code="1", national_prefix="1", international_prefix="011")
ALICE = User("demo", "alice", number="+49305550100")
ONE, TWO, THREE = (Trunk(name, f"192.0.2.{n}") for n, name in enumerate(("one", "two", "three")))


def tables(*routes: Route, **more: object) -> Tables:
    rows = {"trunks": [ONE, TWO, THREE], "countries": shipped_countries(), **more}
    users = rows.pop("users", [ALICE])
    return tables_from([DEMO, US], users, routes=routes, **rows)  # type: ignore[arg-type]


def call(known: Tables, number: str, hash: int = 0, now: int = 0) -> Plan | Refusal:
    return route(
        known, Asked("user:alice@demo.example", f"sip:{number}@demo.example", "", ""), hash, now
    )


def trunks(plan: Plan | Refusal) -> list[str]:
    assert isinstance(plan, Plan), plan
    return [stage[0].trunk for stage in plan.stages]


@pytest.mark.parametrize(
    ("dialled", "tenant", "number"),
    [
        ("+49 (30) 555-01", DEMO, "+493055501"),
        ("004930555012", DEMO, "+4930555012"),
        ("030555012", DEMO, "+4930555012"),
        ("5550123", DEMO, "+49305550123"),
        ("115", DEMO, "115"),
        ("116117", DEMO, "116117"),
        ("*97", DEMO, "*97"),
        ("2125550123", US, "+12125550123"),
        ("12125550123", US, "+12125550123"),
        ("0114930555012", US, "+4930555012"),
        ("5550123", Tenant("x", "x.example"), "5550123"),
        ("bob", DEMO, ""),
        ("+", DEMO, ""),
        ("", DEMO, ""),
        ("+12a4", DEMO, ""),
        ("00" + "1" * 16, DEMO, ""),
        ("+" + "1" * 16, DEMO, ""),
        ("\u0661\u0662", DEMO, ""),  # Arabic digits: str.isdigit says yes
    ],
)
def test_a_number_is_read_as_the_tenants_country_dials(
    dialled: str, tenant: Tenant, number: str
) -> None:
    assert number == normalise(dialled, tenant)


@pytest.mark.parametrize(
    ("trunk", "dialled", "sent"),
    [
        (Trunk("t", "192.0.2.1"), "+4930555012", "+4930555012"),
        (Trunk("t", "192.0.2.1", format="digits"), "+4930555012", "4930555012"),
        (Trunk("t", "192.0.2.1", format="national"), "+4930555012", "030555012"),
        (Trunk("t", "192.0.2.1", format="national"), "+4420555012", "004420555012"),
        (Trunk("t", "192.0.2.1", format="national"), "116117", "116117"),
        (
            Trunk("t", "192.0.2.1", format="digits", strip=2, prefix="99"),
            "+4930555012",
            "9930555012",
        ),
    ],
)
def test_a_carrier_gets_numbers_in_its_own_format(trunk: Trunk, dialled: str, sent: str) -> None:
    known = tables(Route("r", "t"), Route("s", "t", prefix="116117"), trunks=[trunk])

    plan = call(known, dialled)

    assert isinstance(plan, Plan)
    assert f"sip:{sent}@192.0.2.1;user=phone" == plan.stages[0][0].uri
    assert sent == format_number(dialled, DEMO, trunk.format, trunk.strip, trunk.prefix)


def test_the_target_carries_all_that_the_carrier_insists_on() -> None:
    rule = HeaderRule("set", "X-Account", "77")
    trunk = Trunk(
        "t", "2001:db8::1", port=5070, transport=TLS, username="u", password="p", contact="+4930",
        headers_out=(rule,), max_calls=3, trusted=True, from_user="main", from_host="c.example",
        diversion="both", ring_seconds=90,
    )  # fmt: skip
    plan = call(tables(Route("r", "t", prefix="+49"), trunks=[trunk]), "030555012")
    assert isinstance(plan, Plan)
    ((target,),) = plan.stages

    assert "sip:+4930555012@[2001:db8::1]:5070;user=phone" == target.uri
    assert ("2001:db8::1", 5070, TLS, "u", "p", "+4930") == (
        target.host, target.port, target.transport, target.username, target.password, target.contact,
    )  # fmt: skip
    assert ((rule,), True, "main", "c.example", "both", 90, "+49", "r") == (
        target.headers, target.asserted, target.from_user, target.from_host, target.diversion,
        target.ring_seconds, target.prefix, target.route,
    )  # fmt: skip
    assert (Limit("trunk:t", 3),) == target.limits


def test_the_longest_prefix_decides_alone() -> None:
    known = tables(
        Route("a", "one"), Route("b", "two", prefix="+49"), Route("c", "three", prefix="+4930")
    )

    assert ["three"] == trunks(call(known, "030555012"))
    assert ["two"] == trunks(call(known, "040555012"))
    assert ["one"] == trunks(call(known, "0044201234"))
    assert 404 == call(known, "116117").status  # type: ignore[union-attr]


@given(
    st.lists(st.text("0123", min_size=1, max_size=5), max_size=30, unique=True),
    st.text("0123", min_size=1, max_size=8),
)
def test_the_prefix_index_agrees_with_trying_every_prefix(prefixes: list[str], digits: str) -> None:
    routes = [Route(f"r{n}", "one", prefix="+" + prefix) for n, prefix in enumerate(prefixes)]
    naive = sorted((r.prefix for r in routes if ("+" + digits).startswith(r.prefix)), key=len)

    found = [ways[0].route.prefix for ways in matching(tables(*routes).shared, "+" + digits)]

    assert naive[::-1] == found


def test_carriers_follow_by_priority_and_each_hangs_on_the_one_before() -> None:
    known = tables(
        Route("c", "three", priority=30),
        Route("a", "one", priority=10),
        Route("b", "two", priority=20),
    )
    plan = call(known, "030555012")

    assert ["one", "two", "three"] == trunks(plan)
    assert [-1, 0, 1] == [stage[0].after for stage in plan.stages]  # type: ignore[union-attr]
    assert ["failed"] * 3 == [stage[0].on for stage in plan.stages]  # type: ignore[union-attr]


def ways(*weights: int) -> list[Way]:
    return [Way(Route(f"r{n}", "one", weight=w), ONE, ()) for n, w in enumerate(weights)]


def test_weights_are_kept_within_two_percent_and_the_same_hash_chooses_the_same() -> None:
    some = ways(70, 20, 10)
    calls = 20_000
    step = 0x9E3779B97F4A7C15  # as evenly spread as a keyed hash, and the same in every run
    firsts = [weighted(some, n * step % 2**64)[0].route.id for n in range(calls)]

    for id, share in (("r0", 0.7), ("r1", 0.2), ("r2", 0.1)):
        assert abs(firsts.count(id) / calls - share) < 0.02
    assert weighted(some, 12345) == weighted(some, 12345)


def test_the_second_choice_is_drawn_by_weight_too() -> None:
    some = ways(50, 40, 10)
    step = 0x9E3779B97F4A7C15
    orders = [[w.route.id for w in weighted(some, n * step % 2**64)] for n in range(20_000)]
    seconds = [order[1] for order in orders if order[0] == "r0"]

    assert abs(seconds.count("r1") / len(seconds) - 0.8) < 0.03


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(0, 2**64 - 1))
def test_every_carrier_is_in_the_order_once(weights: list[int], hash: int) -> None:
    some = ways(*weights)
    order = weighted(some, hash)

    assert sorted(w.route.id for w in some) == sorted(w.route.id for w in order)
    if any(weights):
        assert order[0].route.weight > 0


def test_a_tenants_own_route_comes_before_a_shared_one() -> None:
    known = tables(Route("own", "one", "demo"), Route("all", "two", prefix="+49"))

    assert ["one"] == trunks(call(known, "030555012"))


def test_a_route_to_another_tenants_trunk_is_not_used() -> None:
    foreign = Trunk("foreign", "192.0.2.9", tenant="us")

    assert 404 == call(tables(Route("r", "foreign", "demo"), trunks=[foreign]), "030555012").status  # type: ignore[union-attr]
    assert 404 == call(tables(Route("r", "foreign"), trunks=[foreign]), "030555012").status  # type: ignore[union-attr]


@pytest.mark.parametrize("off", [Route("r", "one", enabled=False), Route("r", "gone")])
def test_what_is_switched_off_or_gone_is_not_used(off: Route) -> None:
    assert 404 == call(tables(off), "030555012").status  # type: ignore[union-attr]
    dark = Trunk("one", "192.0.2.1", enabled=False)
    assert 404 == call(tables(Route("r", "one"), trunks=[dark]), "030555012").status  # type: ignore[union-attr]


def at(day: int, hour: int, minute: int = 0) -> int:
    return (
        int(datetime(2026, 11, day, hour, minute, tzinfo=UTC).timestamp()) * 1_000_000
    )  # 16 is Monday


def test_a_route_outside_its_hours_leaves_the_call_to_a_shorter_prefix() -> None:
    known = tables(
        Route("day", "one", prefix="+49", schedule="mo-fr 08:00-18:00"), Route("else", "two")
    )

    assert ["one"] == trunks(call(known, "030555012", now=at(16, 8)))
    assert ["two"] == trunks(call(known, "030555012", now=at(16, 18)))
    assert ["two"] == trunks(call(known, "030555012", now=at(21, 12)))


def test_hours_are_those_of_the_tenants_time_zone() -> None:
    tokyo = Tenant("demo", "demo.example", country_code="49", time_zone="Asia/Tokyo")
    known = tables_from([tokyo], [ALICE], [ONE], [Route("r", "one", schedule="mo 00:00-01:00")])

    assert ["one"] == trunks(call(known, "030555012", now=at(15, 15, 30)))
    assert 404 == call(known, "030555012", now=at(16, 0, 30)).status  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "when", "open_"),
    [
        ("", at(16, 3), True),
        ("fr-mo 10:00-12:00", at(22, 11), True),  # Sunday
        ("fr-mo 10:00-12:00", at(17, 11), False),
        ("su 22:00-06:00", at(16, 5, 59), True),  # the night to Monday
        ("su 22:00-06:00", at(16, 6), False),
        ("sa, su", at(21, 0), True),
    ],
)
def test_hours_may_pass_midnight_and_the_weeks_end(text: str, when: int, open_: bool) -> None:
    assert open_ == is_open(parse_schedule(text), minute_of_week(when, UTC))


@pytest.mark.parametrize(
    "text", ["xx", "mo 25:00-26:00", "mo 08:61-09:00", "mo-xx 08:00-09:00", "08:00"]
)
def test_hours_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(BadField, match="schedule"):
        check_route(Route("r", "one", schedule=text))


def lists(
    *entries: tuple[str, str, str], owner: str = "", direction: str = "out"
) -> list[ListEntry]:
    return [ListEntry("demo", do, kind, value, owner, direction) for do, kind, value in entries]


@pytest.mark.parametrize(
    ("entries", "number", "allowed"),
    [
        ([("deny", "country", "RU")], "+7495555012", False),
        ([("deny", "country", "RU")], "+7701555012", True),  # Kazakhstan
        ([("deny", "country", "US")], "+1212555012", False),
        ([("deny", "country", "US")], "+1416555012", True),  # Canada
        ([("deny", "country", "RU"), ("allow", "prefix", "+7495")], "+7495555012", True),
        ([("deny", "prefix", "+49900"), ("allow", "number", "+49900555")], "+49900555", True),
        ([("deny", "prefix", "+49900"), ("allow", "number", "+49900555")], "+49900556", False),
        ([("deny", "prefix", ""), ("allow", "country", "DE")], "+4930555012", True),
        ([("deny", "prefix", ""), ("allow", "country", "DE")], "+4420555012", False),
        ([("deny", "prefix", ""), ("allow", "country", "DE"), ("deny", "prefix", "+49900")], "+49900555", False),
        ([("allow", "prefix", "+49")], "+4420555012", True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("owner", ["", "alice"])
def test_the_most_specific_line_of_a_list_decides(
    entries: list[tuple[str, str, str]], number: str, allowed: bool, owner: str
) -> None:
    known = tables(Route("r", "one"), lists=lists(*entries, owner=owner))

    assert (200 if allowed else 403) == getattr(call(known, number), "status", 200)


def test_what_the_tenant_denies_a_user_cannot_allow() -> None:
    both = lists(("deny", "prefix", "+49900")) + lists(
        ("allow", "number", "+49900555"), owner="alice"
    )

    assert 403 == call(tables(Route("r", "one"), lists=both), "+49900555").status  # type: ignore[union-attr]


def test_every_shipped_prefix_names_its_country() -> None:
    known = tables()

    assert len(known.countries) > 300
    for number, code in (
        ("+4930", "DE"), ("+442071", "GB"), ("+441534123", "JE"), ("+12425", "BS"), ("+12125", "US"),
        ("+14165", "CA"), ("+77011", "KZ"), ("+7495", "RU"), ("+39065551", "IT"), ("+3906698123", "VA"),
        ("+8835100", "001"), ("+999", ""), ("115", ""),
    ):  # fmt: skip
        assert code == country_of(known, number)[0], number


def inbound(
    known: Tables, to: str, from_: str = "<sip:+4420555@c.example>", **more: str
) -> Plan | Refusal:
    return route(
        known,
        Asked("trunk:one", f"sip:{to}@192.0.2.99:5060;user=phone", from_, f"<sip:{to}@x>", **more),
    )


BOB = User("demo", "bob", number="+49305550101", aliases=("101",))


@pytest.mark.parametrize("to", ["+49305550101", "0305550101", "0049305550101", "101"])
def test_a_carriers_call_reaches_the_user_who_has_the_number(to: str) -> None:
    trunk = Trunk("one", "192.0.2.1", "demo", max_calls=5, headers_in=(HeaderRule("drop", "X-A"),))
    plan = inbound(tables(trunks=[trunk], users=[BOB]), to)
    assert isinstance(plan, Plan)

    assert "bob@demo.example" == plan.stages[0][0].aor
    assert ("trunk:one", "+4420555") == (plan.caller, plan.caller_number)
    assert (Limit("trunk:one", 5),) == plan.limits
    assert trunk.headers_in == plan.inbound_headers


def test_a_shared_trunk_finds_the_tenant_by_the_number() -> None:
    plan = inbound(tables(users=[BOB]), "+49305550101")

    assert isinstance(plan, Plan)
    assert "demo" == plan.tenant


def test_a_carrier_that_sends_digits_is_understood() -> None:
    trunk = Trunk("one", "192.0.2.1", format="digits")
    plan = inbound(tables(trunks=[trunk], users=[BOB]), "49305550101", "<sip:4420555012@c.example>")

    assert isinstance(plan, Plan)
    assert ("bob@demo.example", "+4420555012") == (plan.callee, plan.caller_number)


def test_a_number_that_nobody_has_goes_to_the_default_or_is_404() -> None:
    plain, kind = (
        Trunk("one", "192.0.2.1", "demo"),
        Trunk("one", "192.0.2.1", "demo", default_to="bob"),
    )

    assert 404 == inbound(tables(trunks=[plain], users=[BOB]), "+49999").status  # type: ignore[union-attr]
    plan = inbound(tables(trunks=[kind], users=[BOB]), "+49999")
    assert isinstance(plan, Plan)
    assert "bob@demo.example" == plan.stages[0][0].aor


def test_the_default_of_a_shared_trunk_names_its_domain() -> None:
    shared = Trunk("one", "192.0.2.1", default_to="bob@demo.example")

    plan = inbound(tables(trunks=[shared], users=[BOB]), "+49999")

    assert isinstance(plan, Plan)
    assert ("demo", "bob@demo.example") == (plan.tenant, plan.stages[0][0].aor)


def test_a_carriers_call_never_leaves_by_a_carrier_at_the_callers_wish() -> None:
    known = tables(Route("r", "one"), trunks=[Trunk("one", "192.0.2.1", "demo")], users=[BOB])

    assert 404 == inbound(known, "+4420555012").status  # type: ignore[union-attr]


def test_only_a_trusted_carrier_asserts_who_calls() -> None:
    for trusted, number in ((True, "+4420777"), (False, "+4420555")):
        known = tables(trunks=[Trunk("one", "192.0.2.1", trusted=trusted)], users=[BOB])
        plan = inbound(known, "+49305550101", asserted='"Real" <sip:+4420777@c.example>')
        assert isinstance(plan, Plan)
        assert (number, trusted) == (plan.caller_number, plan.caller_trusted)


def test_an_anonymous_caller_stays_anonymous() -> None:
    plan = inbound(
        tables(users=[BOB]), "+49305550101", '"Anonymous" <sip:anonymous@anonymous.invalid>'
    )

    assert isinstance(plan, Plan)
    assert ("", "") == (plan.caller_number, plan.caller_name)


def test_a_user_may_keep_a_country_from_calling() -> None:
    closed = lists(("deny", "country", "GB"), owner="bob", direction="in")
    known = tables(lists=closed, users=[BOB])

    assert 403 == inbound(known, "+49305550101").status  # type: ignore[union-attr]
    assert isinstance(inbound(known, "+49305550101", "<sip:+3310@c.example>"), Plan)


def test_the_policy_names_domains_and_trunks_as_the_boundary_says() -> None:
    known = tables(
        trunks=[
            Trunk("one", "c.example", cidrs=("192.0.2.0/24",)),
            Trunk("off", "x", enabled=False),
        ]
    )

    told = policy(
        known,
        7,
        {"default_domain": "us.example", "limits": {"source_rate": 5}, "deny": ["10.0.0.0/8"]},
        addresses=lambda peer: ("192.0.2.9",) if peer.host == "c.example" else (),
    )

    assert {"demo.example": "demo", "us.example": "us"} == told["domains"]
    one = {"id": "one", "tenant": "", "cidrs": ["192.0.2.0/24"], "tls_names": []}
    one |= {"addresses": ["192.0.2.9"], "server_names": ["c.example"]}
    assert [one] == told["trunks"]
    assert told["draining"] is False
    assert (7, "us.example", 5, 400, ["10.0.0.0/8"]) == (
        told["version"], told["default_domain"], told["limits"]["source_rate"],
        told["limits"]["source_burst"], told["deny"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (Trunk("t", "not a host"), "host"),
        (Trunk("t", "192.0.2.1", cidrs=("192.0.2.0/33",)), "cidrs"),
        (Trunk("t", "192.0.2.1", transport=4), "transport"),
        (Trunk("t", "192.0.2.1", format="weird"), "format"),
        (Trunk("t", "192.0.2.1", register=True), "register"),
        (Trunk("t", "192.0.2.1", from_user='a" <sip:x>'), "from_user"),
        (Trunk("t", "192.0.2.1", headers_out=(HeaderRule("set", "Via", "x"),)), "headers_out"),
        (
            Trunk("t", "192.0.2.1", headers_out=(HeaderRule("set", "X-A", "a\r\nX-B: b"),)),
            "headers_out",
        ),
        (Trunk("t", "192.0.2.1", port=70_000), "port"),
    ],
)
def test_every_field_of_a_trunk_is_checked(bad: Trunk, field: str) -> None:
    with pytest.raises(BadField) as refused:
        check_trunk(bad)
    assert field == refused.value.field


def test_a_list_entry_takes_countries_prefixes_and_addresses_only() -> None:
    assert "RU" == check_list_entry(ListEntry("demo", "deny", "country", "ru")).value
    assert "" == check_list_entry(ListEntry("demo", "deny", "prefix", "")).value
    for do, kind, value in (
        ("block", "number", "1"),
        ("deny", "country", "Russia"),
        ("deny", "number", ""),
    ):
        with pytest.raises(BadField):
            check_list_entry(ListEntry("demo", do, kind, value))


@settings(max_examples=300)
@given(
    st.one_of(st.text(max_size=60), st.text('sip:tel+@<>;=[]%"\\ 0145a.', max_size=60)),
    st.text('sip:alicebo@<>;=[]%"\\.', max_size=60),
    st.sampled_from(
        [
            "user:alice@demo.example",
            "trunk:one",
            "user:",
            "trunk:x",
            "stranger:demo.example",
            "stranger:",
            "",
            "x",
        ]
    ),
)
def test_nothing_that_a_peer_writes_breaks_routing(uri: str, from_: str, trust: str) -> None:
    known = tables(Route("r", "one"), lists=lists(("deny", "country", "RU")))

    assert isinstance(route(known, Asked(trust, uri, from_, from_, from_)), Plan | Refusal)
    split_uri(from_)
    split_name_addr(uri)


def test_the_policy_names_each_tenants_emergency_numbers_and_who_needs_no_proof() -> None:
    known = tables(trunks=[Trunk("on", "192.0.2.1")], emergency=[Emergency("demo", "110", "on")])

    told = policy(known, settings={"emergency": {"": "registered", "demo": "anybody"}})

    assert {
        "demo": {"numbers": ["110", "sos"], "unproven": "anybody"},
        "": {"numbers": ["112", "911", "sos"], "unproven": "never"},
    } == told["emergency"]
    assert "registered" == policy(known)["emergency"]["demo"]["unproven"]


def test_where_we_register_the_registrar_may_call_us() -> None:
    known = tables(trunks=[Trunk("one", "c.example", username="me", register=True)])
    told = policy(known, addresses=lambda peer: ("192.0.2.9", "2001:db8::9"))
    assert ["192.0.2.9", "2001:db8::9"] == told["trunks"][0]["cidrs"]


def test_a_call_to_our_registered_contact_goes_to_the_number_in_to_or_to_the_default() -> None:
    account = Trunk("one", "192.0.2.1", "demo", username="me", register=True, default_to="bob")
    second = Trunk("two", "192.0.2.1", "demo", username="you", register=True, default_to="alice")
    bob = User("demo", "bob")
    known = tables(trunks=[account, second], users=[ALICE, bob])

    def called(uri: str, to: str) -> str:
        asked = Asked("trunk:one", uri, "<sip:+4912@c>", to)
        plan = route(known, asked, 0, 0)
        assert isinstance(plan, Plan), plan
        return f"{plan.caller} {plan.callee}"

    mine = "sip:me@10.0.0.1;tandem=abc"
    assert "trunk:one alice@demo.example" == called(mine, "<sip:+49305550100@c>")
    assert "trunk:one bob@demo.example" == called(mine, "<sip:me@c>")
    assert "trunk:one bob@demo.example" == called(mine, "<sip:+4930999@c>")
    assert "trunk:one alice@demo.example" == called("sip:+49305550100@10.0.0.1", "<sip:x@c>")
    assert "trunk:two alice@demo.example" == called("sip:you@10.0.0.1", "<sip:you@c>")
