"""A process that hangs, and does not die: it is noticed and replaced, and its calls go on. Real processes."""

import shutil
import signal
from pathlib import Path

import pytest

from tandem.testing.machine import Machine
from tandem.testing.pair import offer_md5, phone
from tandem.testing.sipp import Phone, answering, calling, ended

pytestmark = pytest.mark.slow
NOTICED_SECONDS = 20.0


@pytest.mark.skipif(not shutil.which("sipp"), reason="no sipp")
def test_a_node_that_hangs_is_replaced_and_its_call_hangs_up(tmp_path: Path) -> None:
    with Machine(tmp_path, {"sip": {"listen": '["udp:127.0.0.1:0"]'}}) as machine:
        machine.up()
        offer_md5(machine)
        phones: list[Phone] = []
        try:
            alice = phone(phones, machine, "alice", "127.44.79.1")
            bob = phone(phones, machine, "bob", "127.44.79.2")
            bob.register()
            rung = bob.start(answering(), seconds=60)
            call = alice.start(calling(4.0), "bob", seconds=60)
            machine.until(lambda: ["talking"] == states(machine), "a call")
            hung = machine.kill("node", signal.SIGSTOP)
            machine.until(lambda: machine.pid("node") != hung, "another node", NOTICED_SECONDS)
            assert machine.state.children["node"].last_death.startswith("it hung, ")
            for one in (call, rung):  # the BYE came while nobody listened
                ended(one, 60)
        finally:
            for each in phones:
                each.close()


def states(machine: Machine) -> list[str]:
    return [call["state"] for call in machine.ask("calls.list")]


def test_an_edge_that_hangs_is_replaced(tmp_path: Path) -> None:
    with Machine(tmp_path, {"sip": {"listen": '["udp:127.0.0.1:0"]'}}) as machine:
        machine.up()
        machine.until(lambda: (machine.config.run / "edge.pulse").exists(), "its first sign")
        hung = machine.kill("edge", signal.SIGSTOP)
        machine.until(lambda: machine.pid("edge") != hung, "another edge", NOTICED_SECONDS)
        assert machine.state.children["edge"].last_death.startswith("it hung, ")
        machine.until(lambda: 1 == machine.ask("stats")["gauges"]["links"], "it is linked")
