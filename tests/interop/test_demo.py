"""The demo call, as a user runs it, against real processes: real phones, real audio, real kills."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("baresip")

from tandem.adapters.sqlite import open_database
from tandem.adapters.sqlite_records import list_cdrs
from tandem.records.model import Cdr
from tandem.records.query import CdrQuery
from tandem.testing.machine import Machine

pytestmark = pytest.mark.slow

HEALED = "The call went through, both sides heard each other."


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with Machine(tmp_path) as made:
        made.up()
        yield made


def tandem(machine: Machine, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tandem.cli", *words],
        env={**os.environ, "TANDEM_CONFIG": str(machine.file), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr + machine.logs()
    return done.stdout


def demo(machine: Machine, *arguments: str) -> str:
    shown = tandem(machine, "call", "demo", *arguments)
    assert HEALED in shown
    return shown


def cdrs(machine: Machine) -> list[Cdr]:
    connection = open_database(machine.config.database)
    try:
        return list_cdrs(connection, CdrQuery()).cdrs
    finally:
        connection.close()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_two_phones_talk_through_tandem(machine: Machine, transport: str) -> None:
    shown = demo(machine, "--transport", transport)
    assert "180 Ringing" in shown
    [cdr] = cdrs(machine)
    assert "alice@demo.tandem.test" == cdr.caller
    assert "bob@demo.tandem.test" == cdr.answered_by
    assert 200 == cdr.status
    assert 3.0 == pytest.approx(cdr.seconds, abs=0.5)


def test_phones_talk_by_the_relay_where_sip_listens_to_all_addresses(tmp_path: Path) -> None:
    with Machine(tmp_path, {"sip": {"listen": '["udp:0.0.0.0:0"]'}}) as machine:
        machine.up()
        tandem(machine, "user", "set", "alice", "media=relay")
        shown = demo(machine, "--kill")
    assert "heard of the caller" in shown and "heard of the callee" in shown, "the relay measured"


def test_a_call_outlives_three_deaths_of_its_node(machine: Machine) -> None:
    shown = demo(machine, "--kill")
    assert 3 == shown.count("goes on after") // 2  # said as it happens, and in the ladder
    for when in ("while it rings", "while they talk", "on hold"):
        assert f"killed (SIGKILL) {when} ==" in shown
    [cdr] = cdrs(machine)
    assert 3 == cdr.takeovers
    assert "caller" == cdr.ended_by


def test_users_and_data_are_found_again_by_the_next_up(machine: Machine) -> None:
    users = machine.users
    demo(machine)
    machine.down()
    machine.up()
    assert users == machine.users
    demo(machine)
    assert 2 == len(cdrs(machine))


def test_a_call_goes_on_after_the_supervisor_was_killed_and_replaced(machine: Machine) -> None:
    node = machine.pid("node")
    machine.kill("supervisor", signal.SIGKILL)
    machine.up()
    assert node == machine.pid("node")  # adopted, not replaced
    demo(machine)
