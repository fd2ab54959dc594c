"""Calls and registrations by a carrier's name: real processes, a real name server, SIPp as phones. All on loopback."""

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.routing.model.rows import Route, Trunk
from tandem.testing import sipp
from tandem.testing.machine import Machine
from tandem.testing.nameserver import NameServer, installed
from tandem.testing.pair import cdrs, machine, offer_md5, phone, put, status

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("sipp"), reason="no sipp"),
    pytest.mark.skipif(not installed(), reason="no dnsmasq"),
]
DIALLED = "+4930123456"


@pytest.fixture
def dead() -> Iterator[int]:
    """A port on which nobody answers and that nobody else takes."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.9", 0))
        yield int(bound.getsockname()[1])


@pytest.fixture
def named(tmp_path: Path, dead: int) -> Iterator[tuple[Machine, Machine, NameServer]]:
    """two.test is the name of "two", by NAPTR over TCP; the first of its servers is dead."""
    server = NameServer()
    with machine(tmp_path / "two", "127.0.0.2", "two.test") as two:
        two.up()
        offer_md5(two)
        port = int(two.address("tcp").rpartition(":")[2])
        server.records = (
            "naptr-record=two.test,10,10,S,SIP+D2T,,_sip._tcp.two.test",
            f"srv-host=_sip._tcp.two.test,dead.two.test,{dead},1,0",
            f"srv-host=_sip._tcp.two.test,sip.two.test,{port},2,0",
            "host-record=dead.two.test,127.0.0.9",
            "host-record=sip.two.test,127.0.0.2",
        )
        own = {"verify": "false"}
        with (
            server,
            machine(
                tmp_path / "one", "127.0.0.1", "one.test", sip=own, dns=server.settings()
            ) as one,
        ):
            one.up()
            offer_md5(one)
            yield one, two, server


@pytest.fixture
def phones() -> Iterator[list[sipp.Phone]]:
    made: list[sipp.Phone] = []
    yield made
    for one in made:
        one.close()


def test_a_carriers_name_gives_transport_port_and_the_next_server(
    named: tuple[Machine, Machine, NameServer], phones: list[sipp.Phone]
) -> None:
    one, two, server = named
    put(two, Trunk("one", "127.0.0.1", "demo", cidrs=("127.0.0.1/32",), default_to="bob"))
    put(one, Trunk("two", "two.test", "demo"), Route("out", "two", "demo"))
    one.until(lambda: status(one, "two")["address"] == "127.0.0.9, 127.0.0.2", "it is found", 10)
    alice, bob = phone(phones, one, "alice", "127.0.0.3"), phone(phones, two, "bob", "127.0.0.4")
    alice.register()
    bob.register()
    for call in (1, 2):
        answering = bob.start(sipp.answering())
        sipp.ended(alice.start(sipp.calling(0.2), DIALLED))
        sipp.ended(answering)
        one.until(lambda: len(cdrs(one)) == call, "a CDR", 5)  # noqa: B023
    first, second = sorted(cdrs(one), key=lambda cdr: cdr.invited_at)
    assert ("trunk:two 503", "trunk:two 200") == first.tried
    assert ("trunk:two 200",) == second.tried, "the server that failed is tried last"
    server.stop()
    time.sleep(2.5)  # the records' time is over
    answering = bob.start(sipp.answering())
    sipp.ended(alice.start(sipp.calling(0.2), DIALLED))
    sipp.ended(answering)


def test_a_registration_goes_to_the_next_server_at_once(
    named: tuple[Machine, Machine, NameServer],
) -> None:
    one, two, _ = named
    account = Trunk(
        "carrier", "two.test", "demo", username="alice", password=two.users["alice"].password,
        register=True, register_seconds=60, default_to="bob",
    )  # fmt: skip
    put(one, account)
    one.until(lambda: status(one)["state"] == "registered", "the trunk is registered", 10)
    (found,) = two.ask("registrations.list", aor="alice@two.test")
    assert 1 == len(found["contacts"]) and 0 == status(one)["tries"]
