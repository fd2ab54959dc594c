"""What an edge takes along when it dies is its connections: phones on streams come back, and their calls with them."""

import pytest

from tandem.records.model import CDR_STREAM, read_cdr
from tandem.testing.sim.faults import Faults
from tandem.testing.sim.oracle import wrong
from tandem.testing.sim.phone import TCP, UDP
from tandem.testing.sim.scenario import FLOWS, play

STREAMS = {"udp-tcp": (UDP, TCP), "tcp-udp": (TCP, UDP), "tcp-tcp": (TCP, TCP)}
MOMENTS = (1.0005, 1.03, 1.5, 3.9, 4.04, 4.06, 6.0, 10.0, 16.0, 20.0)  # seconds


@pytest.mark.parametrize("rings_on", [True, False])
@pytest.mark.parametrize("over", STREAMS)
@pytest.mark.parametrize("flow", FLOWS)
def test_the_edge_may_die_at_any_moment(flow: str, over: str, rings_on: bool) -> None:
    alice, bob = STREAMS[over]
    for moment in MOMENTS:
        faults = Faults(edge_kills=(moment,), rings_on=rings_on, delay_most=0.005)
        assert [] == wrong(play(flow, faults, alice=alice, bob=bob)), f"the edge dies at {moment} s"


def test_a_callee_that_rings_on_answers_over_its_next_connection() -> None:
    world = play("answered", Faults(edge_kills=(2.0,)), alice=UDP, bob=TCP)
    (talk,) = world.phones["alice"].talks.values()
    assert [200] == talk.finals
    (cdr,) = [read_cdr(record) for record in world.store.stream(CDR_STREAM)]
    assert 20 == pytest.approx(cdr.seconds, abs=1)


def test_a_cancel_reaches_a_callee_over_its_next_connection() -> None:
    world = play("cancel", Faults(edge_kills=(5.98,)), alice=UDP, bob=TCP)
    (talk,) = world.phones["bob"].talks.values()
    assert "ended" == talk.state
    assert [487] == next(iter(world.phones["alice"].talks.values())).finals


def test_a_callee_is_told_that_its_callers_connection_died() -> None:
    world = play("no answer", Faults(edge_kills=(2.0,)), alice=TCP, bob=TCP)
    (talk,) = world.phones["bob"].talks.values()
    rang = (talk.ended_at - next(iter(world.phones["alice"].talks.values())).ended_at) / 1e6
    assert rang < 3  # it connects and registers within 2 s
