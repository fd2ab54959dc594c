"""edge.toml: what is refused and how, what workers are told of it, and what live changes make of it."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tandem.config import BadConfig
from tandem.edge.config import EdgeConfig, changed, parse
from tandem.edge.first import TOML, write_toml
from tandem.edge.model.changes import composed, lists_of, merged, returned
from tandem.edge.model.front import front, policy
from tandem.edge.model.words import told

FILE = Path("edge.toml")
FARM: dict[str, Any] = {
    "pool": [
        {
            "name": "farm",
            "members": [
                "10.0.0.11",
                {"name": "fs2", "address": "10.0.0.12:5070", "weight": 50, "capacity": 5},
            ],
        }
    ]
}


def pool(**more: Any) -> dict[str, Any]:
    return {"pool": [{"name": "farm", **more}]}


def member(**more: Any) -> dict[str, Any]:
    return pool(members=[{"address": "10.0.0.1", **more}])


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"edge": {"id": 70_000}}, "edge.id: 70000: at most 1023"),
    ({"edge": {"id": 1_020, "workers": 9}}, "edge.id: 1020: with 9 workers the last one has number 1028, the limit is 1023"),
    ({"edge": {"workers": 0}}, "edge.workers: 0: at least 1"),
    ({"edge": {"listen": []}}, "edge.listen: at least 1 entries"),
    ({"edge": {"listen": ["sctp:1.1.1.1:1"]}}, "edge.listen[0]: 'sctp:1.1.1.1:1': the transport must be one of udp, tcp, tls, ws, wss"),
    ({"edge": {"listen": ["udp:1.1.1.1"]}}, "edge.listen[0]: 'udp:1.1.1.1': the port is missing"),
    ({"edge": {"listen": ["udp:::1:5060"]}}, "edge.listen[0]: 'udp:::1:5060': write an IPv6 address in brackets"),
    ({"edge": {"listen": ["udp:host:5060"]}}, "'host' is not an IP address"),
    ({"edge": {"listen": ["udp:1.1.1.1:5060", "udp:1.1.1.1:5060"]}}, "edge.listen[1]: 'udp:1.1.1.1:5060': it stands there twice"),
    ({"ede": {}}, "ede: there is no such section; did you mean `edge`?"),
    ({"pool": {"name": "a"}}, "pool: it must be a list, not a table"),
    ({"pool": [{"members": []}]}, "pool[0].name: it is missing"),
    ({"pool": [{"name": "a b"}]}, "pool[0].name: 'a b': letters, digits and . _ - : [ ] only"),
    ({"pool": [{"name": "a"}, {"name": "a"}]}, "pool[1].name: 'a': it stands there twice"),
    (pool(algorithm="best"), "pool[0].algorithm: 'best': one of hash, least_calls, least_response_time, round_robin, weighted"),
    (pool(hash_on="from"), 'pool[0].hash_on: \'from\': it needs algorithm = "hash"'),
    (pool(algorithm="hash", hash_on="colour"), "pool[0].hash_on: 'colour': one of call_id, from,"),
    (pool(health={"interval_ms": -1}), "pool[0].health.interval_ms: -1: at least 0"),
    (pool(health={"good": ["2xx"]}), "pool[0].health.good[0]: '2xx': a status from 200 to 699"),
    (pool(retry=[200]), "pool[0].retry[0]: 200: at least 300"),
    (pool(members=[5]), "pool[0].members[0]: 5: it must be a text or a table, not a number"),
    (pool(members=["10.0.0.1", "10.0.0.1"]), "pool[0].members[1].name: '10.0.0.1': it stands there twice"),
    (pool(costs=[{"take": {"call": 1}, "methods": ["invite"]}]), "pool[0].costs[0].methods[0]: 'invite': a method is written in capitals"),
    (member(wieght=5), "pool[0].members[0].wieght: there is no such setting; did you mean `weight`?"),
    (member(weight=20_000), "pool[0].members[0].weight: 20000: at most"),
    (member(address="10.0.0"), "pool[0].members[0].address: '10.0.0': write an address or a name, like 10.0.0.11:5060"),
    (member(address="fs 1"), "pool[0].members[0].address: 'fs 1': write an address or a name"),
    (member(address="10.0.0.1:x"), "the port must be a number from 0 to 65535"),
    (member(transport="sctp"), "pool[0].members[0].transport: 'sctp': one of"),
    (member(state="down"), "pool[0].members[0].state: 'down': one of draining, off, on"),
    ({"limits": {"source_rate": "many"}}, "limits.source_rate: 'many': it must be a number, not a text"),
    ({"lists": {"deny": ["10.0.0.0/99"]}}, "lists.deny[0]: '10.0.0.0/99': write a network"),
    ({"route": [{"pool": "farm"}]}, "route[0].pool: 'farm': there is no such pool; there are: none"),
    ({**FARM, "route": [{"pool": "farm", "refuse": 403}]}, "route[0]: 'farm': a route has either `pool` or `refuse`"),
    ({"route": [{"refuse": 200}]}, "route[0].refuse: 200: at least 300"),
    ({**FARM, "route": [{"pool": "farm", "listen": "udp:9.9.9.9:1"}]}, "route[0].listen: 'udp:9.9.9.9:1': it is not one of edge.listen"),
    ({**FARM, "route": [{"pool": "farm", "from": ["nowhere"]}]}, "route[0].from[0]: 'nowhere': write a network"),
    ({"http": {"listen": "8080"}}, "http.listen: '8080'"),
    ({"policy": {"file": "p.py", "otherwise": "fram"}}, "policy.otherwise: 'fram': the name of a pool, or a status"),
]  # fmt: skip


@pytest.mark.parametrize(("plain", "text"), REFUSED, ids=[text[:40] for _, text in REFUSED])
def test_a_refusal_names_field_value_and_limit(plain: dict[str, Any], text: str) -> None:
    with pytest.raises(BadConfig) as refused:
        parse(plain, FILE)
    assert str(refused.value).startswith("edge.toml: ")
    assert text in str(refused.value)


def test_a_file_that_is_no_toml_or_is_not_there_is_told(tmp_path: Path) -> None:
    from tandem.edge.config import load

    with pytest.raises(BadConfig, match=r"`tandem edge init nothing\.toml` writes a first one"):
        load(tmp_path / "nothing.toml")
    (tmp_path / "bad.toml").write_text("[edge\n")
    with pytest.raises(BadConfig, match=r"bad\.toml: .*line 1"):
        load(tmp_path / "bad.toml")


def test_the_first_file_is_accepted_and_never_replaces_one(tmp_path: Path) -> None:
    import tomllib

    config = parse(tomllib.loads(TOML), FILE)
    assert ["fs1", "fs2"] == [one["name"] for one in front(config.tree)["pools"][0]["members"]]
    write_toml(tmp_path / "edge.toml")
    with pytest.raises(BadConfig, match="nothing was written"):
        write_toml(tmp_path / "edge.toml")


def test_a_worker_is_told_whole_members_and_the_one_pool_is_the_route() -> None:
    told = front(parse(FARM, FILE).tree)
    first, second = told["pools"][0]["members"]
    assert ("10.0.0.11", "10.0.0.11:5060") == (first["name"], first["address"])
    assert {"call": 5} == second["capacity"]
    assert [{"methods": ["INVITE"], "take": {"call": 1}}] == told["pools"][0]["costs"]
    assert [{"pool": "farm"}] == told["routes"]


def test_a_member_with_a_name_is_told_as_a_name() -> None:
    tls = {"name": "fs3", "address": "sip.example:5071", "transport": "tls", "tls_name": "x"}
    tree = parse(pool(members=["fs1.example", "10.0.0.2", tls]), FILE).tree
    one, two, three = front(tree)["pools"][0]["members"]
    assert ("fs1.example", "fs1.example", None) == (one["name"], one["host"], one.get("address"))
    assert ("10.0.0.2:5060", "udp") == (two["address"], two["transport"])
    assert ("sip.example:5071;transport=tls", "x") == (three["host"], three["tls_name"])
    assert "transport" not in one and "transport" not in three


def test_name_servers_are_checked_and_told() -> None:
    with pytest.raises(BadConfig, match=r"dns\.servers.*write address or address:port"):
        parse({**FARM, "dns": {"servers": ["dns.example"]}}, FILE)
    tree = parse({**FARM, "dns": {"servers": ["[::1]:5353"], "stale": 60}}, FILE).tree
    assert (("[::1]:5353",), 60) == (tree.dns.told["servers"], tree.dns.told["stale_seconds"])


def test_a_route_names_its_address_by_number() -> None:
    listen = ["udp:127.0.0.1:5060", "udp:10.0.0.1:5060 advertise 203.0.113.7"]
    route = {
        "pool": "farm",
        "listen": "udp:10.0.0.1:5060",
        "from": ["192.0.2.7"],
        "user_prefix": "+49",
    }
    config = parse({**FARM, "edge": {"listen": listen}, "route": [route]}, FILE)
    assert ["", "203.0.113.7:5060"] == [at.advertised for at in config.listens]
    assert [{"pool": "farm", "listen": 1, "from": ["192.0.2.7/32"], "user_prefix": "+49"}] == front(config.tree)["routes"]  # fmt: skip


def test_lists_and_limits_are_told_as_a_policy() -> None:
    rules = policy(
        parse({"limits": {"source_rate": 9}, "lists": {"deny": ["192.0.2.1"]}}, FILE).tree
    )
    assert (9, ["192.0.2.1/32"], []) == (
        rules["limits"]["source_rate"],
        rules["deny"],
        rules["allow"],
    )


def test_check_says_in_words_what_will_happen() -> None:
    said = "\n".join(told(parse({**FARM, "lists": {"deny": ["192.0.2.0/24"]}}, FILE).tree))
    for words in (
        "listens on udp:0.0.0.0:5060",
        "udp:10.0.0.11, 66.7 % of the calls",
        "fs2 udp:10.0.0.12:5070, 33.3 % of the calls, at most 5 call",
        "1. everything else: to pool farm",
        "never heard: 192.0.2.0/24",
    ):
        assert words in said
    assert "refused with 404" in "\n".join(told(parse({}, FILE).tree))


# --- live changes ----------------------------------------------------------------------------------------------------


def live(patch: dict[str, Any], lists: dict[str, Any] | None = None) -> Any:
    config: EdgeConfig = parse(FARM, FILE)
    tree = changed(config, lists or {}, patch, "the change")
    return {p.name: {m.name: m for m in p.members if not isinstance(m, str)} for p in tree.pool}


def of_farm(**members: Any) -> dict[str, Any]:
    return {"pool": {"farm": {"members": members}}}


def test_a_change_of_a_member_leaves_the_rest_of_it() -> None:
    farm = live(of_farm(fs2={"weight": 7}))["farm"]
    assert (7, {"call": 5}, "10.0.0.12:5070") == (
        farm["fs2"].weight,
        farm["fs2"].capacity,
        farm["fs2"].address,
    )
    assert {"10.0.0.11", "fs2"} == set(farm)


def test_members_come_and_go() -> None:
    patch = of_farm(**{"10.0.0.11": None, "fs3": {"address": "10.0.0.13"}})
    assert {"fs2", "fs3"} == set(live(patch)["farm"])


def test_two_changes_are_one_patch() -> None:
    first = of_farm(fs2={"weight": 7, "state": "off"})
    both = composed(first, of_farm(fs2={"state": None}))
    assert of_farm(fs2={"weight": 7, "state": None}) == both
    assert (7, "on") == (live(both)["farm"]["fs2"].weight, live(both)["farm"]["fs2"].state)


def test_a_change_to_what_is_gone_rests_until_it_is_back() -> None:
    patch = {
        "pool": {
            "farm": {"members": {"late": {"weight": 7}}},
            "gone": {"members": {"a": {"weight": 1}}},
        }
    }
    assert {"farm"} == set(live(patch))
    assert "late" not in live(patch)["farm"]
    assert (
        7 == live(patch, {"farm": [{"name": "late", "address": "10.0.0.9"}]})["farm"]["late"].weight
    )


def test_a_list_is_the_pools_even_when_the_pool_is_changed() -> None:
    plain = {"pool": [{"name": "farm", "dispatcher_list": "d.list", "set": 2}]}
    assert {"farm": ("d.list", 2)} == lists_of(plain, {})
    assert {"farm": ("d.list", 3)} == lists_of(plain, {"pool": {"farm": {"set": 3}}})
    assert {} == lists_of(plain, {"pool": {"farm": {"dispatcher_list": None}}})


def test_a_bad_change_is_refused_with_names_not_numbers() -> None:
    with pytest.raises(
        BadConfig, match=r"^the change: pool farm, member fs2.weight: 70000: at most"
    ):
        live(of_farm(fs2={"weight": 70_000}))


def test_a_merge_patch_does_what_rfc_7396_says() -> None:
    for base, patch, result in [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a"], {"a": "c"}, {"a": "c"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ]:
        assert result == merged(base, patch)


def test_copies_for_homer_are_checked_and_told() -> None:
    for bad, why in [
        ({"to": "homer.example:9060"}, "write udp:host:port or tcp:host:port"),
        ({"to": "udp:homer.example:99999"}, "write udp:host:port or tcp:host:port"),
        ({"to": "udp:homer:9060", "sample_percent": 101}, r"hep\.sample_percent: 101: at most 100"),
        ({"methods": ["invite"]}, r"hep\.methods\[0\]: 'invite': a method is written in capitals"),
        ({"errors_except": [200]}, r"hep\.errors_except\[0\]: 200: at least 400"),
        ({"per_second": 0}, r"hep\.per_second: 0: at least 1"),
    ]:
        with pytest.raises(BadConfig, match=why):
            parse({"hep": bad}, FILE)
    assert None is parse({}, FILE).tree.hep.told
    hep = parse({"hep": {"to": "udp:[::1]:9060", "sample_percent": 10}}, FILE).tree.hep.told
    assert hep is not None
    assert ("udp:[::1]:9060", 10.0, 2001) == (hep["to"], hep["sample_percent"], hep["id"])
    with pytest.raises(BadConfig, match=r"nft\.mode: 'maybe': one of"):
        parse({"nft": {"mode": "maybe"}}, FILE)


def test_every_line_that_the_first_file_leaves_out_is_a_setting(tmp_path: Path) -> None:
    """What stands behind `# ` is TOML that may be taken in: but [[route]] and dispatcher_list, which need more than themselves."""
    lines = [
        line.removeprefix("# ")
        for line in TOML.splitlines()
        if line.startswith("# ") and ("=" in line or line.startswith("# ["))
    ]
    text = "\n".join(lines).partition("[[route]]")
    rest = text[2].partition("[limits]")
    taken = tomllib.loads("[limits]" + rest[2])
    assert {"limits", "lists", "nft", "hep", "policy"} == set(taken)
    tree = parse({**FARM, **taken}, FILE).tree
    assert ("auto", "udp:homer.example:9060") == (tree.nft.mode, tree.hep.to)


def test_a_limit_that_is_given_back_is_the_files_own_again() -> None:
    patch = {"limits": {"source_rate": 5, "ban_seconds": 9}, "lists": {"deny": []}}
    given = {"limits": {"source_rate": None, "ban_seconds": 10}, "lists": {"deny": None}}
    assert {"limits": {"ban_seconds": 9}} == returned(patch, given)
    assert {} == returned({}, given)
