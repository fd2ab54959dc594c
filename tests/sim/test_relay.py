"""Calls through a relay that is away, slow or forgetful, with owners that die: by the simulation's own oracle."""

import random
from dataclasses import replace

import pytest

from tandem.testing.flows import CALM, Play
from tandem.testing.sim.faults import Faults
from tandem.testing.sim.oracle import wrong
from tandem.testing.sim.phone import TCP, UDP
from tandem.testing.sim.relay import SimRelay
from tandem.testing.sim.scenario import FLOWS, play, seeded
from tandem.testing.sim.story import fingerprint

OVER = {"udp-udp": (UDP, UDP), "tcp-tcp": (TCP, TCP)}
SEEDS, NIGHTLY_SEEDS = 60, 3_000
AWAY = (1.0, 1.005, 3.0, 4.04, 4.06, 8.0)  # seconds at which the relay dies


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("flow", FLOWS)
def test_the_owner_of_a_relayed_call_may_die_at_any_point(flow: str, over: str) -> None:
    alice, bob = OVER[over]
    most = play(flow, Faults(), alice=alice, bob=bob, media="relay").points
    for at in range(1, most + 1):
        world = play(flow, Faults(kill_at=(at,)), alice=alice, bob=bob, media="relay")
        assert [] == wrong(world), f"killed at {at}"


@pytest.mark.parametrize("long", [0.05, 1.0, 5.0])
@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("flow", FLOWS)
def test_the_relay_may_die_at_any_moment(flow: str, forgets: bool, long: float) -> None:
    for moment in AWAY:
        faults = Faults(relay_gone=((moment, long),), relay_forgets=forgets, delay_most=0.005)
        assert [] == wrong(play(flow, faults, media="relay")), f"away from {moment} s on"


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("flow", FLOWS)
def test_the_relay_may_go_for_good_at_any_moment(flow: str, over: str) -> None:
    alice, bob = OVER[over]
    for moment in AWAY:
        for kills in ((), (moment + 0.001,), (moment + 0.02,)):
            faults = Faults(relay_left=moment, kills=kills, delay_most=0.005)
            world = play(flow, faults, alice=alice, bob=bob, media="relay")
            assert [] == wrong(world), f"gone at {moment} s, owner killed at {kills}"


@pytest.mark.parametrize("flow", FLOWS)
def test_a_relay_may_take_its_time(flow: str) -> None:
    for slow in (0.05, 0.3, 1.5):
        faults = Faults(relay_slow=slow, delay_most=0.005)
        assert [] == wrong(play(flow, faults, media="relay")), f"{slow} s an answer"


def relayed(seed: int) -> list[str]:
    """What a seed stands for, with a relay and its faults."""
    name, faults, alice, bob = seeded(seed)
    dice = random.Random(seed * 104_729 + 7)
    gone = tuple(
        (round(1 + dice.random() * 20, 3), dice.choice((0.05, 0.5, 1.5, 4.0)))
        for _ in range(dice.choice((0, 0, 1, 2)))
    )
    left = dice.choice((0.0, 0.0, round(1 + dice.random() * 20, 3)))
    faults = replace(
        faults, relay_left=left, relay_gone=() if left else gone, relay_forgets=dice.random() < 0.3, relay_slow=dice.choice((0.0, 0.0, 0.1, 0.6))
    )  # fmt: skip
    return wrong(play(name, faults, seed=seed, alice=alice, bob=bob, media="relay"))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_seed_with_a_relay_goes_well(seed: int) -> None:
    assert [] == relayed(seed)


@pytest.mark.nightly
@pytest.mark.parametrize("hundred", range(SEEDS, NIGHTLY_SEEDS, 100))
def test_a_hundred_more_seeds_with_a_relay_go_well(hundred: int) -> None:
    for seed in range(hundred, hundred + 100):
        assert [] == relayed(seed), seed


@pytest.mark.parametrize("flow", FLOWS)
def test_a_relayed_flow_has_no_save_more_than_a_direct_one(flow: str) -> None:
    direct, relayed = play(flow, Faults()), play(flow, Faults(), media="relay")
    assert direct.store.saves == relayed.store.saves


def test_a_call_that_no_relay_is_for_says_the_same_bytes() -> None:
    assert fingerprint(play("answered", Faults())) == fingerprint(
        play("answered", Faults(), media="direct")
    )


def test_a_relay_that_leaks_addresses_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.testing.sim.relay.readdressed", lambda sdp, *to: sdp)
    assert [] != wrong(play("answered", Faults(), media="relay"))


def test_a_call_that_the_relay_is_not_told_the_end_of_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decide = SimRelay.decide

    def deaf(relay: SimRelay, command: dict[str, object]) -> dict[str, object]:
        return {"result": "ok"} if command["command"] == "delete" else decide(relay, command)

    monkeypatch.setattr(SimRelay, "decide", deaf)
    assert [] != wrong(play("answered", Faults(), media="relay"))


def test_auto_asks_no_relay_where_none_is_needed() -> None:
    stage = Play(CALM, media="auto")
    alice, bob = stage.phone("alice"), stage.phone("bob")
    one, two = stage.talk(alice, bob)
    assert ([], bob.host, alice.host) == (stage.relay.asked, one.media, two.media)
    alice.hangs_up()
    stage.ends()
