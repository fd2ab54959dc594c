"""Which relay a call takes: region by network or country, distances said and measured, load; and what tandem.toml may say."""

from pathlib import Path

import pytest

from tandem.config import BadConfig, parse
from tandem.media.model.members import Member
from tandem.media.model.regions import (
    FAR_MILLISECONDS,
    NEAR_MILLISECONDS,
    SAMPLES_LEAST,
    RegionRow,
    Regions,
)

EU = RegionRow("eu", ("10.1.0.0/16", "2001:db8:1::/48"), ("DE", "FR"), {"us": 90})
US = RegionRow("us", ("10.2.0.0/16", "10.1.9.0/24"), ("US",))
ASIA = RegionRow("asia", ("10.3.0.0/16",), ("SG",), {"eu": 170, "us": 200})
ROWS = (EU, US, ASIA)
EAST, WEST, FAR = (
    Member(name, Path("/x"), region)
    for name, region in (("east", "eu"), ("west", "us"), ("far", "asia"))
)
ALL = (EAST, WEST, FAR)


def country(address: str) -> str:
    return {"192.0.2.1": "DE", "198.51.100.1": "SG"}.get(address, "")


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("10.1.2.3", "eu"),
        ("10.1.9.3", "us"),  # the longer network
        ("::ffff:10.1.2.3", "eu"),
        ("2001:db8:1::5", "eu"),
        ("192.0.2.1", "eu"),  # its country
        ("::ffff:192.0.2.1", "eu"),
        ("198.51.100.1", "asia"),
        ("203.0.113.9", ""),
        ("phone.example", ""),
        ("0.0.0.0", ""),
        ("", ""),
    ],
)
def test_the_region_of_an_address(host: str, region: str) -> None:
    assert region == Regions(ROWS, country).of(host)


def test_the_relay_nearest_to_all_ends_is_taken() -> None:
    regions = Regions(ROWS)
    assert EAST == regions.nearest(["10.1.0.1", "10.1.0.2"], ALL, {})
    assert WEST == regions.nearest(["10.2.0.1", "10.2.0.2", "10.1.0.1"], ALL, {})
    assert FAR == regions.nearest(["10.3.0.1"], ALL, {"far": 900})
    # between eu and asia: both ways 170; the middle is no nearer
    assert regions.nearest(["10.1.0.1", "10.3.0.1"], ALL, {"east": 3}).name == "far"


def test_a_region_whose_relays_are_down_spills_to_the_next() -> None:
    assert WEST == Regions(ROWS).nearest(["10.1.0.1"], (WEST, FAR), {"west": 500})


def test_among_equals_the_least_loaded_by_weight() -> None:
    big, small = Member("big", Path("/b"), weight=3), Member("small", Path("/s"))
    calls = {"big": 0, "small": 0}
    for _ in range(400):
        calls[Regions().nearest(["10.0.0.1"], (big, small), calls).name] += 1
    assert calls == {"big": 300, "small": 100}


def test_what_is_measured_comes_before_what_is_said() -> None:
    regions = Regions(ROWS)
    assert 90 == regions.distance("us", EAST)
    for _ in range(SAMPLES_LEAST - 1):
        regions.heard("us", "east", 20.0)
    assert 90 == regions.distance("us", EAST)
    regions.heard("us", "east", 20.0)
    assert 20 == round(regions.distance("us", EAST))


def test_nothing_is_learned_from_who_is_in_no_region() -> None:
    regions = Regions(ROWS)
    for _ in range(SAMPLES_LEAST):
        regions.heard("", "east", 400.0)
    assert 0 == regions.distance("", EAST)


def test_a_few_milliseconds_are_no_reason_to_prefer_the_one_with_more_calls() -> None:
    regions = Regions(ROWS)
    near, other = Member("near", Path("/n"), "eu"), Member("other", Path("/o"), "eu")
    for _ in range(SAMPLES_LEAST):
        regions.heard("eu", "near", 10.0)
        regions.heard("eu", "other", 10.0 + NEAR_MILLISECONDS - 1)
    assert other == regions.nearest(["10.1.0.1"], (near, other), {"near": 2, "other": 1})
    for _ in range(200):
        regions.heard("eu", "other", 10.0 + NEAR_MILLISECONDS + 1)
    assert near == regions.nearest(["10.1.0.1"], (near, other), {"near": 2, "other": 1})


def test_regions_of_which_nothing_is_said_are_far() -> None:
    rows = (RegionRow("a", ("10.1.0.0/16",)), RegionRow("b"))
    assert FAR_MILLISECONDS == Regions(rows).distance("a", Member("m", Path("/x"), "b"))


BAD = [
    ({"relays": [{"name": "own", "place": "udp:127.0.0.1:1"}]}, "the name 'own'"),
    ({"relays": [{"name": "x", "place": "tcp:127.0.0.1:1"}]}, "write udp:address:port or unix:"),
    ({"relays": [{"name": "x", "place": "udp:host:1"}]}, "write udp:address:port"),
    ({"relays": [{"name": "X!", "place": "unix:/a"}]}, "media.relays[0].name"),
    ({"relays": [{"name": "x", "place": "unix:/a", "weight": 0}]}, "weight"),
    ({"relays": [{"name": "x", "place": "unix:/a"}] * 2}, "stands there twice"),
    ({"relays": [{"name": n, "place": "unix:/a"} for n in "xy"]}, "'unix:/a' stands there twice"),
    ({"regions": [{"name": "eu", "networks": ["10.1.0.1/16"]}]}, "has host bits set"),
    ({"regions": [{"name": "eu", "countries": ["de"]}]}, "write two letters"),
    ({"regions": [{"name": "eu", "milliseconds": {"us": 5}}]}, "no region 'us'"),
    (
        {"relays": [{"name": "x", "place": "unix:/a", "region": "us"}], "regions": [{"name": "eu"}]},
        "no region 'us' in media.regions",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("media", "why"), BAD)
def test_bad_words_are_refused_with_their_field(media: dict[str, object], why: str) -> None:
    with pytest.raises(BadConfig) as refused:
        parse({"media": media}, {}, base=Path("/t"), name="tandem.toml")
    assert why in str(refused.value)


def test_our_own_relay_is_in_a_region_that_is_known() -> None:
    raw = {"media": {"regions": [{"name": "eu"}]}, "relay": {"region": "us"}}
    with pytest.raises(BadConfig, match=r"relay\.region: no region 'us' in media.regions"):
        parse(raw, {}, base=Path("/t"), name="tandem.toml")


def test_our_own_relay_is_the_first_of_all() -> None:
    media = {"relays": [{"name": "two", "place": "udp:[::1]:2223", "region": "us", "weight": 2}]}
    raw = {"media": media, "relay": {"region": "eu", "weight": 5}}
    own, two = parse(raw, {}, base=Path("/t"), name="tandem.toml").asked_relays
    assert ("own", "eu", 5) == (own.name, own.region, own.weight)
    assert ("two", ("::1", 2223), "us", 2) == (two.name, two.place, two.region, two.weight)
    assert "udp:[::1]:2223" == two.shown
    alone = parse({"relay": {"enabled": False}}, {}, base=Path("/t"), name="tandem.toml")
    assert () == alone.asked_relays
