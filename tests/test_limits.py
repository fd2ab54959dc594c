"""A full, a late and a draining node: new work is refused, what exists goes on. Real processes, SIPp as phones."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.adapters.sqlite import open_database
from tandem.adapters.sqlite_routing import put_emergency
from tandem.boundary import UDP
from tandem.routing.model.rows import Emergency, Trunk
from tandem.testing import sipp
from tandem.testing.machine import Machine
from tandem.testing.pair import cdrs, machine, offer_md5, phone, put
from tandem.testing.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("sipp"), reason="no sipp")]


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Machine]:
    limits = {"calls": "1", "lag_milliseconds": "200"}
    with machine(tmp_path / "one", "127.0.0.1", "one.test", limits=limits) as found:
        found.up()
        offer_md5(found)
        yield found


@pytest.fixture
def phones() -> Iterator[list[sipp.Phone]]:
    made: list[sipp.Phone] = []
    yield made
    for each in made:
        each.close()


def options(at: Machine) -> str:
    """The edge's answer to OPTIONS."""
    host, _, port = at.address().rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(5)
        probe.bind(("127.0.0.9", 0))
        own = f"127.0.0.9:{probe.getsockname()[1]}"
        text = (
            f"OPTIONS sip:{host}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{time.monotonic_ns()};rport\r\n"
            f"From: <sip:probe@{own}>;tag=1\r\nTo: <sip:{host}>\r\nCall-ID: {time.monotonic_ns()}\r\nCSeq: 1 OPTIONS\r\n"
            f"Max-Forwards: 70\r\nX-Long: {'x' * 400}\r\nContent-Length: 0\r\n\r\n"
        )
        probe.sendto(text.encode(), (host, int(port)))
        return probe.recv(4096).decode()


def talk(one: Machine, phones: list[sipp.Phone], seconds: float):  # type: ignore[no-untyped-def]
    """alice talks to bob: both SIPps."""
    alice, bob = phone(phones, one, "alice", "127.0.0.3"), phone(phones, one, "bob", "127.0.0.4")
    bob.register()
    answering = bob.start(sipp.answering())
    calling = alice.start(sipp.calling(seconds), "bob")
    one.until(lambda: [c["state"] for c in one.ask("calls.list")] == ["talking"], "they talk", 10)
    return calling, answering


def test_a_full_node_refuses_a_new_call_but_no_emergency_and_nothing_in_a_dialog(
    one: Machine, phones: list[sipp.Phone]
) -> None:
    rescue = free_port("127.0.0.5")
    put(one, Trunk("rescue", "127.0.0.5", "demo", rescue, UDP))
    connection = open_database(one.config.database)
    put_emergency(connection, Emergency("demo", "112", "rescue"))
    connection.close()
    one.ask("reload", what="all")
    both = talk(one, phones, 6)
    carol = phone(phones, one, "carol", "127.0.0.6")
    sipp.ended(carol.start(sipp.calling(final=503), "bob"))
    one.until(lambda: one.ask("stats")["node"]["calls_refused_calls"] == 1, "one is refused", 5)
    saver = sipp.Phone("112", "", host="127.0.0.5", port=rescue, edge=one.address(), domain="x")
    phones.append(saver)
    answering = saver.start(sipp.answering())
    sipp.ended(carol.start(sipp.calling(0.2), "112"))
    sipp.ended(answering)
    for each in both:
        sipp.ended(each)
    one.until(lambda: len(cdrs(one)) == 2, "two CDRs", 5)
    assert {("bob@one.test", 200), ("112", 200)} == {(c.callee, c.status) for c in cdrs(one)}


def test_a_phone_that_is_registered_nowhere_calls_for_help_where_anybody_may(
    tmp_path: Path, phones: list[sipp.Phone]
) -> None:
    rescue = free_port("127.0.0.5")
    settings = {"emergency": {"tenants": '["demo anybody"]'}}
    with machine(tmp_path / "one", "127.0.0.1", "one.test", **settings) as one:
        one.up()
        offer_md5(one)
        put(one, Trunk("rescue", "127.0.0.5", "demo", rescue, UDP))
        connection = open_database(one.config.database)
        put_emergency(connection, Emergency("demo", "112", "rescue"))
        connection.close()
        one.ask("reload", what="all")
        stranger, saver = (
            sipp.Phone(name, "", host=host, port=port, edge=one.address(), domain="one.test")
            for name, host, port in (("mallory", "127.0.0.7", 0), ("112", "127.0.0.5", rescue))
        )
        stranger.port = free_port(stranger.host)
        phones += [stranger, saver]
        answering = saver.start(sipp.answering())
        sipp.ended(stranger.start(sipp.calling_plainly(), "112"))
        sipp.ended(answering)
        sipp.ended(stranger.start(sipp.calling_plainly(final=407), "bob"))
        one.until(lambda: len(cdrs(one)) == 1, "a CDR", 5)
        told = cdrs(one)[0]
        assert ("stranger:one.test", "112", 200) == (told.caller, told.callee, told.status)


def test_a_draining_node_keeps_its_call_and_takes_no_other_until_it_is_told(
    one: Machine, phones: list[sipp.Phone]
) -> None:
    assert options(one).startswith("SIP/2.0 200 ")
    both = talk(one, phones, 8)
    assert {"calls": 1} == one.ask("drain")
    one.until(lambda: options(one).startswith("SIP/2.0 503 "), "OPTIONS is 503", 5)
    assert 30 <= int(options(one).split("Retry-After: ")[1].split("\r\n")[0]) < 60
    assert ["the node is draining: 1 calls are left"] == one.ask("ping")["reasons"]
    carol = phone(phones, one, "carol", "127.0.0.6")
    sipp.ended(carol.start(sipp.calling(final=503), "alice"))
    with pytest.raises(AssertionError, match="503 Service Unavailable"):
        carol.register()
    assert 1 == one.ask("stats")["node"]["calls_refused_draining"]
    pid = one.kill("node")  # a node that dies while it drains has an heir that drains
    one.until(lambda: one.pid("node") != pid and "draining" in reasons(one), "the heir drains", 10)
    for each in both:
        sipp.ended(each)
    one.until(lambda: "0 calls" in reasons(one), "nothing is left", 5)
    one.ask("undrain")
    one.wait_ready()
    one.until(lambda: options(one).startswith("SIP/2.0 200 "), "OPTIONS is 200", 5)
    carol.register()


def reasons(at: Machine) -> str:
    try:
        return " ".join(at.ask("ping")["reasons"])
    except Exception:
        return ""


def test_sigterm_keeps_the_call_and_ends_the_drain(one: Machine, phones: list[sipp.Phone]) -> None:
    both = talk(one, phones, 5)
    one.ask("drain")
    pid = one.pid("node")
    os.kill(pid, signal.SIGTERM)
    one.wait_ready(not_pid=pid)
    assert ["talking"] == [call["state"] for call in one.ask("calls.list")]
    for each in both:
        sipp.ended(each)
    one.until(lambda: [c.status for c in cdrs(one)] == [200], "the CDR", 5)


def test_a_node_that_is_behind_refuses_a_new_call_and_takes_the_next(
    one: Machine, phones: list[sipp.Phone]
) -> None:
    carol = phone(phones, one, "carol", "127.0.0.6")
    pid = one.pid("node")
    for again in (False, True):  # two samples in a row: a single long turn is no overload
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.5)
        calling = carol.start(sipp.calling(final=503), "bob") if again else None
        time.sleep(0.5 if again else 0)
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.05)
    assert calling is not None
    sipp.ended(calling)
    assert 1 == one.ask("stats")["node"]["calls_refused_lag"]
    sipp.ended(carol.start(sipp.calling(final=480), "bob"))  # he is not registered: routed again
