"""SIPp's phones at the running product over UDP and TCP: each use case is a pair of files in sipp/; and kill -9 in the middle of calls."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tandem.adapters.sqlite import open_database
from tandem.adapters.sqlite_accounts import get_user, put_user
from tandem.adapters.sqlite_records import each_cdr
from tandem.adapters.sqlite_routing import put_setting
from tandem.cli.ask import Problem
from tandem.records.model import Cdr
from tandem.records.query import CdrQuery
from tandem.testing.machine import Machine
from tandem.testing.ports import free_port
from tandem.testing.sipp import Phone, ended

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("sipp"), reason="no sipp")]
FILES = Path(__file__).parent / "sipp"
RING_SECONDS = (
    3  # bob's; then nobody has answered. Where processes die, carol is called, who rings longer
)
STAY_SECONDS = 15  # a phone on TCP keeps its connection as long as its scenario
SETTLED_SECONDS = 0.5
LOST_PERCENT = "10"  # of what a phone sends and hears over UDP
Hand = Callable[..., Phone]


def text(name: str) -> str:
    return (FILES / f"{name}.xml").read_text()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine(tmp_path_factory.mktemp("sipp")) as made:
        made.up()
        connection = open_database(made.config.database)
        put_setting(connection, "algorithms", ["MD5"])  # all that SIPp 3.6 knows
        bob = get_user(connection, "demo", "bob")
        assert bob is not None
        put_user(connection, replace(bob, ring_seconds=RING_SECONDS))
        connection.close()
        made.ask("reload", what="all")
        yield made


@pytest.fixture
def phone(machine: Machine) -> Iterator[Hand]:
    made: list[Phone] = []

    def new(name: str, transport: str = "udp") -> Phone:
        host = f"127.44.76.{len(made) + 1}"
        known = machine.users[name]
        made.append(
            Phone(name, known.password, host=host, port=free_port(host), edge=machine.address(transport), domain=known.domain,
                  transport=transport)
        )  # fmt: skip
        return made[-1]

    yield new
    for each in made:
        settled(machine, each)
        each.close()
        with contextlib.suppress(Problem):  # who only called was never registered
            machine.ask("registrations.drop", aor=f"{each.name}@{each.domain}")


def settled(machine: Machine, phone: Phone) -> None:
    """Until it has heard all that is for it: its successor would be given what is left (it has no +sip.instance)."""
    for process in phone.running:
        if process.poll() is None:
            told: Path = process.directory / "messages"  # type: ignore[attr-defined]
            machine.until(
                lambda file=told: time.time() - file.stat().st_mtime > SETTLED_SECONDS,  # type: ignore[misc]
                f"{phone.name} hears nothing more",
            )


def ready(machine: Machine, callee: Phone, scenario: str, *more: str, number: str = "", times: int = 1) -> subprocess.Popen[bytes]:  # fmt: skip
    """A callee that is registered and plays this when it is called. On TCP it is called over its own connection."""
    if callee.transport == "tcp":
        (callee_file := FILES / f"{scenario}.xml").stat()
        process = callee.start(
            text("register_and_stay"), number, STAY_SECONDS + 20, "-oocsf", str(callee_file), *more
        )
    else:
        callee.register()
        process = callee.start(text(scenario), number, 40, *more, times=times)
    aor = f"{callee.name}@{callee.domain}"
    machine.until(
        lambda: any(
            f"{callee.host}:{callee.port}" in contact["uri"]
            for found in machine.ask("registrations.list", aor=aor)
            for contact in found["contacts"]
        ),
        f"{aor} is registered",
    )
    return process


def cdrs(machine: Machine) -> list[Cdr]:
    connection = open_database(machine.config.database)
    try:
        return list(each_cdr(connection, CdrQuery()))
    finally:
        connection.close()


def billed(machine: Machine, before: int, calls: int = 1) -> list[Cdr]:
    """The CDRs since: one a call, and nothing is left of the calls."""
    machine.until(lambda: len(cdrs(machine)) >= before + calls, "the calls have their CDRs", 10)
    machine.until(lambda: 0 == machine.ask("stats")["gauges"]["calls"], "no call is left", 40)
    found = sorted(cdrs(machine), key=lambda cdr: cdr.invited_at)[before:]
    assert calls == len(found)
    return found


CASES = {
    "basic call": ("call", "answer", 200),
    "callee hangs up": ("call_until_bye", "answer_and_hang_up", 200),
    "cancel": ("cancel", "ring_until_cancel", 487),
    "busy": ("busy_call", "be_busy", 486),
    "no answer": ("unanswered_call", "ring_until_cancel", 480),
    "late offer": ("late_offer", "answer_late_offer", 200),
    "hold": ("hold", "answer_and_be_held", 200),
}


@pytest.mark.parametrize("over", ["udp-udp", "tcp-udp", "udp-tcp", "tcp-tcp"])
@pytest.mark.parametrize("case", CASES)
def test_a_use_case_goes_as_its_files_say(
    machine: Machine, phone: Hand, case: str, over: str
) -> None:
    caller_file, callee_file, status = CASES[case]
    before = len(cdrs(machine))
    mine, theirs = over.split("-")
    alice, bob = phone("alice", mine), phone("bob", theirs)
    rung = ready(machine, bob, callee_file)
    ended(alice.start(text(caller_file), "bob"))
    if theirs == "udp":
        ended(rung)
    (cdr,) = billed(machine, before)
    assert status == cdr.status
    assert ("alice", "bob") == (cdr.caller.partition("@")[0], cdr.callee.partition("@")[0])


def test_a_redirected_call_reaches_whom_the_callee_names(machine: Machine, phone: Hand) -> None:
    before = len(cdrs(machine))
    alice, bob, carol = phone("alice"), phone("bob"), phone("carol", "tcp")
    asked = ready(machine, bob, "redirect", number="carol")
    ready(machine, carol, "answer")
    ended(alice.start(text("call"), "bob"))
    ended(asked)
    (cdr,) = billed(machine, before)
    assert (200, "carol") == (cdr.status, cdr.answered_by.partition("@")[0])


@pytest.mark.nightly  # SIPp counts on its clock: a machine that others use breaks it
def test_calls_go_through_with_packets_lost(machine: Machine, phone: Hand) -> None:
    before, calls = len(cdrs(machine)), 6
    alice, carol = phone("alice"), phone("carol")
    lossy = ("-lost", LOST_PERCENT, "-r", "2", "-recv_timeout", "30000")
    rung = ready(machine, carol, "answer", "-lost", LOST_PERCENT, times=calls)
    ended(alice.start(text("call"), "carol", 80, *lossy, times=calls), 90)
    ended(rung, 60)
    assert {200} == {cdr.status for cdr in billed(machine, before, calls)}


@pytest.mark.nightly  # the same
@pytest.mark.parametrize("role", ["node", "edge"])
@pytest.mark.parametrize("transport", ["udp"])
def test_kill_9_in_the_middle_of_calls_loses_none(
    machine: Machine, phone: Hand, role: str, transport: str
) -> None:
    before, calls = len(cdrs(machine)), 20
    alice, carol = phone("alice", transport), phone("carol")
    rung = ready(machine, carol, "answer", times=calls)
    calling = alice.start(text("long_call"), "carol", 60, "-r", "4", times=calls)
    live = lambda: machine.ask("stats")["gauges"]["calls"]  # noqa: E731
    for share in (2, calls // 2, calls):  # among the first, in the middle, when all talk
        machine.until(lambda least=share: live() >= least, f"{share} calls", 20)
        pid = machine.kill(role)
        machine.until(lambda old=pid: machine.pid(role) != old, f"another {role}")
        machine.wait_ready()
    ended(calling, 70)
    ended(rung, 30)
    found = billed(machine, before, calls)
    assert {200} == {cdr.status for cdr in found}
    assert {8} == {round(cdr.seconds) for cdr in found}
