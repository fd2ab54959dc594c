"""An edge that dies in the very moment in which an INVITE is decided, or its answer leaves: the caller does not hear it."""

import pytest

from tandem.testing.sim.faults import Faults
from tandem.testing.sim.oracle import wrong
from tandem.testing.sim.phone import TCP, UDP
from tandem.testing.sim.scenario import play


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
