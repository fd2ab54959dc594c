"""An edge that dies in the very moment in which an INVITE is decided, or its answer leaves: the caller does not hear it."""

from dataclasses import replace

import pytest
from msgspec import msgpack

from tandem.calls.model.call import Row
from tandem.records.model import CDR_STREAM, CallEvent, read_cdr
from tandem.testing.sim.faults import Faults
from tandem.testing.sim.oracle import wrong
from tandem.testing.sim.phone import TCP, UDP
from tandem.testing.sim.scenario import FLOWS, play
from tandem.testing.sim.world import World


@pytest.mark.parametrize("callee", [UDP, TCP])
def test_a_caller_lost_while_its_invite_is_saved_leaves_nobody_ringing(callee: int) -> None:
    for step in range(60):
        second = 1.0 + step * 0.0001
        world = play("no answer", Faults(edge_kills=(second,)), alice=TCP, bob=callee)
        assert [] == wrong(world), second


@pytest.mark.parametrize("callee", [UDP, TCP])
def test_an_answer_lost_with_the_callers_connection_leaves_nobody_talking(callee: int) -> None:
    for step in range(60):
        second = 4.015 + step * 0.0005
        world = play("answered", Faults(edge_kills=(second,)), alice=TCP, bob=callee)
        assert [] == wrong(world), second


@pytest.mark.parametrize("callee", [UDP, TCP])
def test_an_answer_lost_with_the_callers_connection_is_said_again_unasked(
    callee: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = FLOWS["answered"]
    patient = replace(flow, alice=replace(flow.alice, waits_on=True))
    monkeypatch.setitem(FLOWS, "answered", patient)
    heard = 0
    for step in range(90):
        second = 4.0 + step * 0.0005
        world = play("answered", Faults(edge_kills=(second,)), alice=TCP, bob=callee)
        story = [e.text for key in world.store.rows for e in story_of(world, key)]
        if any("is told the answer over its new connection" in text for text in story):
            (talk,) = world.phones["alice"].talks.values()
            (cdr,) = [read_cdr(record) for record in world.store.stream(CDR_STREAM)]
            assert ([], [200]) == (wrong(world), talk.finals), second
            assert 20 == pytest.approx(cdr.seconds, abs=2)
            heard += 1
    assert heard > 2


def story_of(world: World, key: str) -> tuple[CallEvent, ...]:
    found = world.store.load(key)
    assert found is not None
    return msgpack.decode(found[2], type=Row).call.story
