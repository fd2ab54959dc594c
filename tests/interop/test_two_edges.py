"""Two edge processes share a machine's addresses: kill -9 of either loses nothing over UDP, and TLS sessions outlive both."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.adapters.sqlite import open_database
from tandem.adapters.sqlite_records import each_cdr
from tandem.adapters.sqlite_routing import put_setting
from tandem.records.model import Cdr
from tandem.records.query import CdrQuery
from tandem.testing.machine import Machine
from tandem.testing.ports import free_port
from tandem.testing.sipp import Phone, answering, calling, ended

pytestmark = pytest.mark.slow
EDGES = ("edge", "edge-2")
CALLERS = 4
CALLS = 5  # of each caller
TALK_SECONDS = 4.0
OPTIONS = (
    b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;branch=z9hG4bKcopied;rport\r\nMax-Forwards: 70\r\n"
    b"From: <sip:alice@demo.example>;tag=f\r\nTo: <sip:edge@127.0.0.1>\r\nCall-ID: copied\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with Machine(tmp_path, {"sip": {**listen("udp", "tls"), "edges": "2"}}) as made:
        made.up()
        made.until(lambda: 2 == made.ask("stats")["gauges"]["links"], "both edges are linked")
        connection = open_database(made.config.database)
        put_setting(connection, "algorithms", ["MD5"])  # all that SIPp 3.6 knows
        connection.close()
        made.ask("reload", what="all")
        yield made


def listen(*transports: str) -> dict[str, str]:
    return {"listen": "[" + ", ".join(f'"{t}:127.0.0.1:0"' for t in transports) + "]"}


def cdrs(machine: Machine) -> list[Cdr]:
    connection = open_database(machine.config.database)
    try:
        return list(each_cdr(connection, CdrQuery()))
    finally:
        connection.close()


def phone(machine: Machine, name: str, host: str) -> Phone:
    known = machine.users[name]
    return Phone(
        name,
        known.password,
        host=host,
        port=free_port(host),
        edge=machine.address("udp"),
        domain=known.domain,
    )


@pytest.mark.skipif(not shutil.which("sipp"), reason="no sipp")
def test_kill_9_of_either_edge_loses_no_call_over_udp(machine: Machine) -> None:
    alices = [phone(machine, "alice", f"127.44.77.{n + 1}") for n in range(CALLERS)]
    bob = phone(machine, "bob", "127.44.77.99")
    try:
        bob.register()
        rung = bob.start(answering(), "", 60, times=CALLERS * CALLS)
        script = calling(TALK_SECONDS)
        running = [alice.start(script, "bob", 60, "-r", "3", times=CALLS) for alice in alices]
        live = lambda: machine.ask("stats")["gauges"]["calls"]  # noqa: E731
        for edge, least in zip(EDGES * 2, (2, CALLS, 2 * CALLS, CALLERS * CALLS // 2), strict=True):
            machine.until(lambda least=least: live() >= least, f"{least} calls", 20)  # type: ignore[misc]
            old = machine.kill(edge)
            machine.until(lambda edge=edge, old=old: machine.pid(edge) != old, f"another {edge}")  # type: ignore[misc]
        for process in running:
            ended(process, 60)
        ended(rung, 30)
    finally:
        for each in (*alices, bob):
            each.close()
    machine.until(lambda: 0 == live(), "no call is left", 40)
    machine.until(lambda: len(cdrs(machine)) >= CALLERS * CALLS, "the calls have their CDRs", 10)
    found = cdrs(machine)
    assert CALLERS * CALLS == len(found)
    assert {200} == {cdr.status for cdr in found}
    assert {"1", "65"} == set(machine.ask("stats")["edges"])


def test_datagrams_are_spread_over_both_edges_and_wait_for_a_dead_one(machine: Machine) -> None:
    host, _, port = machine.address("udp").rpartition(":")
    options = (
        "OPTIONS sip:{0} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{1};rport\r\nMax-Forwards: 70\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:{0}>\r\nCall-ID: {1}\r\nCSeq: 1 OPTIONS\r\nUser-Agent: {2}\r\nContent-Length: 0\r\n\r\n"
    )
    received = lambda: {  # noqa: E731
        edge: counters["received_udp"] for edge, counters in machine.ask("stats")["edges"].items()
    }
    phones = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(24)]
    try:
        for round_, killed in enumerate(("", *EDGES)):
            old = machine.kill(killed) if killed else 0
            for n, one in enumerate(phones):
                one.settimeout(5)
                text = options.format(host, f"r{round_}n{n}", "x" * 400)
                one.sendto(text.encode(), (host, int(port)))
            for one in phones:
                assert one.recv(65_535).startswith(b"SIP/2.0 200 ")
            if killed:
                machine.until(lambda k=killed, old=old: machine.pid(k) != old, f"another {killed}")  # type: ignore[misc]
    finally:
        for one in phones:
            one.close()
    machine.until(lambda: all(count > 0 for count in received().values()), "both have heard")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_tls_session_is_resumed_when_both_edges_have_died(
    machine: Machine, version: ssl.TLSVersion
) -> None:
    host, _, port = machine.address("tls").rpartition(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version

    def visit(session: ssl.SSLSession | None) -> tuple[bool | None, ssl.SSLSession | None]:
        with (
            socket.create_connection((host, int(port)), 10) as plain,
            context.wrap_socket(plain, session=session) as phone,
        ):
            phone.sendall(b"\r\n\r\n")
            assert b"\r\n" == phone.recv(2)  # RFC 5626; a ticket of TLS 1.3 has come before it
            return phone.session_reused, phone.session

    reused, session = visit(None)
    assert not reused
    for edge in EDGES:
        old = machine.kill(edge)
        machine.until(lambda edge=edge, old=old: machine.pid(edge) != old, f"another {edge}")  # type: ignore[misc]
    assert visit(session)[0]


def test_a_ban_by_hand_holds_at_both_edges_until_it_is_ended(machine: Machine) -> None:
    def tandem(*words: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "TANDEM_CONFIG": str(machine.file)}
        return subprocess.run(
            [sys.executable, "-m", "tandem.cli", *words],
            capture_output=True, text=True, timeout=60, check=False, env=environ,
        )  # fmt: skip

    def banned() -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(tandem("abuse", "--json").stdout)["banned"]
        return found

    done = tandem("ban", "127.0.0.1", "--for", "1h", "--reason", "toll fraud")
    assert (0, True) == (done.returncode, "(1 h)" in done.stdout), done.stderr
    (line,) = banned()
    assert ("asked", "toll fraud", list(machine.config.edge_numbers)) == (
        line["why"],
        line["note"],
        line["workers"],
    )
    assert "somebody asked for it" in tandem("abuse", "127.0.0.1").stdout
    refused = tandem("ban", "nobody")
    assert (1, True) == (refused.returncode, "an IP address is needed" in refused.stderr)
    assert "is heard again" in tandem("unban", "127.0.0.1").stdout
    assert [] == banned()


def test_copies_go_to_the_homer_that_tandem_toml_names(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as homer:
        homer.bind(("127.0.0.1", 0))
        homer.settimeout(10.0)
        hep = {"to": f'"udp:127.0.0.1:{homer.getsockname()[1]}"'}
        with Machine(tmp_path, {"sip": listen("udp"), "hep": hep}) as made:
            made.up()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
                host, _, port = made.address("udp").rpartition(":")
                phone.sendto(OPTIONS, (host, int(port)))
                copy = homer.recv(65_535)
    assert copy.startswith(b"HEP3") and b"Call-ID: copied" in copy
