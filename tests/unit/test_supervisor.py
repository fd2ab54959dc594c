"""The supervisor's promises, with real processes that are really killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tandem.cluster.processes import State, alive, read_state
from tandem.config import load

WAIT_SECONDS = 10.0
HERE = Path(__file__).parent


class Machine:
    """One data directory and the supervisors that ran on it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.file = base / "tandem.toml"
        self.listen("udp:127.0.0.1:0", "tcp:127.0.0.1:0")
        self.supervisors: list[subprocess.Popen[bytes]] = []

    def listen(self, *addresses: str) -> None:
        quoted = ", ".join(f'"{text}"' for text in addresses)
        self.file.write_text(f'[sip]\nlisten = [{quoted}]\n[http]\nlisten = "127.0.0.1:0"\n')

    def start(self, child: str = "") -> State:
        environ = {**os.environ, "TANDEM_CONFIG": str(self.file)}
        environ |= {"CHILD": child} if child else {}
        with (self.base / "stderr").open("ab") as log:
            started = subprocess.Popen(
                [sys.executable, str(HERE / "supervised.py")], env=environ, stderr=log
            )
        self.supervisors.append(started)
        return self.until(lambda s: s.supervisor.pid == started.pid and len(s.children) == 4)

    def until(self, fact: Callable[[State], bool]) -> State:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline and self.supervisors[-1].returncode is None:
            self.supervisors[-1].poll()
            state = read_state(load(self.file, {}).run)
            if state is not None and fact(state):
                return state
            time.sleep(0.005)
        raise AssertionError((self.base / "stderr").read_text())

    def end(self) -> None:
        state = read_state(load(self.file, {}).run)
        processes = [] if state is None else [c.process for c in state.children.values()]
        for started in self.supervisors:
            started.kill()
            started.wait()
        for process in processes:
            if alive(process):
                os.kill(process.pid, signal.SIGKILL)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.end()


def test_a_killed_child_is_replaced_within_50_ms_and_its_socket_keeps_datagrams(
    machine: Machine,
) -> None:
    before = machine.start()
    port = int(before.listens[0].rpartition(":")[2])
    old = before.children["edge"].process
    os.kill(old.pid, signal.SIGKILL)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.connect(("127.0.0.1", port))
        phone.send(b"OPTIONS")
        phone.send(b"OPTIONS")  # raises ConnectionRefusedError if nobody held the socket
    after = machine.until(lambda s: s.children["edge"].process != old)
    assert "signal 9 (SIGKILL)" == after.children["edge"].last_death
    assert before.children["node"] == after.children["node"]
    line = next(x for x in (machine.base / "stderr").read_text().splitlines() if "child died" in x)
    assert 50.0 > float(line.rpartition("restart_ms=")[2])


def test_a_new_supervisor_adopts_the_children_and_the_sockets_of_a_killed_one(
    machine: Machine,
) -> None:
    before = machine.start()
    machine.supervisors[0].kill()
    machine.supervisors[0].wait()
    after = machine.start()
    assert before.listens == after.listens
    assert before.http == after.http
    assert {n: c.process for n, c in before.children.items()} == {
        n: c.process for n, c in after.children.items()
    }
    # the adopted edge dies: the supervisor still has its sockets, and hands them to the next one
    old = after.children["edge"].process
    os.kill(old.pid, signal.SIGKILL)
    last = machine.until(lambda s: s.children["edge"].process != old)
    assert before.listens == last.listens
    assert "unknown (adopted)" == last.children["edge"].last_death


def test_a_child_that_keeps_dying_is_started_ever_more_slowly(machine: Machine) -> None:
    machine.start("raise SystemExit(3)")
    deadline = time.monotonic() + WAIT_SECONDS
    while "wait_seconds=2.0" not in (text := (machine.base / "stderr").read_text()):
        assert time.monotonic() < deadline, text
        time.sleep(0.05)
    assert "exit 3" in text
    assert "wait_seconds=1.0" in text
    assert "wait_seconds=2.0" in text
    assert 40 > text.count("child=edge")


def test_a_reload_keeps_sockets_that_did_not_change(machine: Machine) -> None:
    before = machine.start()
    machine.listen("udp:127.0.0.1:0")
    os.kill(before.supervisor.pid, signal.SIGHUP)
    after = machine.until(lambda s: len(s.listens) == 1 and s.children["edge"].starts == 2)
    assert before.listens[0] == after.listens[0]
    assert before.children["web"] == after.children["web"]


def test_a_bad_configuration_on_reload_changes_nothing(machine: Machine) -> None:
    before = machine.start()
    machine.file.write_text("[sip]\nlisten = []\n")
    os.kill(before.supervisor.pid, signal.SIGHUP)
    deadline = time.monotonic() + WAIT_SECONDS
    while "configuration refused" not in (machine.base / "stderr").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    machine.listen("udp:127.0.0.1:0", "tcp:127.0.0.1:0")
    after = read_state(load(machine.file, {}).run)
    assert after is not None and "sip.listen" in after.reload.refused
    assert before == replace(after, reload=before.reload)


def test_a_second_supervisor_on_the_same_data_is_refused(machine: Machine) -> None:
    machine.start()
    with pytest.raises(AssertionError, match="another Tandem runs"):
        machine.start()


def test_sigterm_stops_edge_and_relay_last(machine: Machine) -> None:
    machine.start()
    machine.supervisors[0].terminate()
    assert 0 == machine.supervisors[0].wait(WAIT_SECONDS)
    lines = (machine.base / "stderr").read_text().splitlines()
    stopped = [x.partition("child=")[2].split()[0] for x in lines if "child stopped" in x]
    assert {"edge", "relay"} == set(stopped[-2:])
    assert 4 == len(stopped)


BEATS = """
import os, pathlib, time
for _ in range(int(os.environ.get("BEATS", 10**6))):
    pathlib.Path(os.environ["TANDEM_PULSE"]).touch()
    time.sleep(0.05)
time.sleep(60)
"""


def test_a_child_that_hangs_is_ended_and_replaced(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOK_SECONDS", "0.2")
    monkeypatch.setenv("BEATS", "8")
    before = machine.start(BEATS)
    after = machine.until(lambda s: s.children["node"].process != before.children["node"].process)
    assert "it hung, signal 6 (SIGABRT)" == after.children["node"].last_death
    said = (machine.base / "stderr").read_text()
    assert f"child hangs child=node pid={before.children['node'].process.pid}" in said


@pytest.mark.parametrize("child", [BEATS, "import time; time.sleep(60)"])
def test_a_child_that_turns_is_left_alone_and_so_is_one_that_gives_no_sign(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, child: str
) -> None:
    monkeypatch.setenv("LOOK_SECONDS", "0.2")
    before = machine.start(child)
    time.sleep(1.5)
    after = machine.until(lambda _: True)
    assert before.children == after.children


def test_a_child_that_hangs_beyond_abort_is_killed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOK_SECONDS", "0.2")
    before = machine.start(BEATS)
    time.sleep(0.5)
    old = before.children["web"].process
    os.kill(old.pid, signal.SIGSTOP)
    after = machine.until(lambda s: s.children["web"].process != old)
    assert "it hung, signal 9 (SIGKILL)" == after.children["web"].last_death
    assert before.children["node"] == after.children["node"]
