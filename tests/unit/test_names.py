"""Names of trunks: numeric hosts pass, targets follow DNS, changes are told, servers that are away take nothing."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tandem import _core
from tandem.boundary import TCP, TLS, UDP
from tandem.config import DnsSection
from tandem.names.model import Peer, Place, as_written, is_numeric
from tandem.names.service import NUMBERS_MOST, Resolver
from tandem.testing.nameserver import NameServer, installed

CARRIER = Peer("carrier.example")
needs_server = pytest.mark.skipif(not installed(), reason="no dnsmasq")


def resolver(told: list[str], **settings: object) -> Resolver:
    section = msgspec.convert(
        {"resolv_conf": "/nonexistent", "hosts": "", "ttl_floor": 0, "families": ["ipv4"]}
        | settings,
        DnsSection,
    )
    return Resolver(core=_core.Resolver(section.json), changed=lambda: told.append("changed"))


async def until(fact: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not fact():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture
def server() -> Iterator[NameServer]:
    records = (
        "naptr-record=carrier.example,10,10,S,SIP+D2T,,_sip._tcp.carrier.example",
        "srv-host=_sip._tcp.carrier.example,one.carrier.example,5070,10,75",
        "srv-host=_sip._tcp.carrier.example,two.carrier.example,5071,10,25",
        "srv-host=_sip._tcp.carrier.example,last.carrier.example,5072,20,0",
        "srv-host=_sip._udp.carrier.example,one.carrier.example,5060,10,0",
        "host-record=one.carrier.example,192.0.2.1",
        "host-record=two.carrier.example,192.0.2.2",
        "host-record=last.carrier.example,192.0.2.3",
        r"naptr-record=3.2.1.0.3.9.4.e164.arpa,1,1,u,E2U+sip,!^\+49(.*)$!sip:0\1@berlin.example!",
    )
    with NameServer(*records) as running:
        yield running


def test_an_address_needs_nobody_who_knows_it() -> None:
    known = resolver([])
    known.want([Peer("192.0.2.1"), Peer("[2001:db8::1]"), Peer("")])
    assert frozenset() == known.wanted and is_numeric("[2001:db8::1]")
    for peer, place in (
        (Peer("192.0.2.1"), Place(UDP, "192.0.2.1", 5060)),
        (Peer("192.0.2.1", 5070, TCP), Place(TCP, "192.0.2.1", 5070)),
        (Peer("[2001:db8::1]", 0, TLS), Place(TLS, "2001:db8::1", 5061)),
    ):
        assert (place,) == known.places(peer, 1) == as_written(peer)
    assert ("192.0.2.1",) == known.addresses(Peer("192.0.2.1"))
    assert () == known.places(Peer("no such name!"), 1)


@needs_server
async def test_naptr_picks_the_transport_and_weights_are_shares(server: NameServer) -> None:
    told: list[str] = []
    known = resolver(told, servers=[server.address])
    known.start(asyncio.get_running_loop())
    known.want([CARRIER, Peer("carrier.example", 0, UDP), Peer("one.carrier.example", 5080)])
    assert () == known.places(CARRIER, 1)  # no call waits
    await until(lambda: 3 == len(told) or all(known.places(peer, 1) for peer in known.wanted))
    assert 3 == len(known.places(CARRIER, 1))
    assert {TCP} == {place.transport for place in known.places(CARRIER, 1)}
    assert all(Place(TCP, "192.0.2.3", 5072) == known.places(CARRIER, n)[-1] for n in range(50))
    first = [known.places(CARRIER, n)[0].host for n in range(10_000)]
    assert 7_300 < first.count("192.0.2.1") < 7_700
    assert known.places(CARRIER, 77) == known.places(CARRIER, 77)
    assert (Place(UDP, "192.0.2.1", 5060),) == known.places(Peer("carrier.example", 0, UDP), 1)
    assert (Place(UDP, "192.0.2.1", 5080),) == known.places(Peer("one.carrier.example", 5080), 1)
    assert ("192.0.2.1", "192.0.2.2", "192.0.2.3") == known.addresses(CARRIER)
    known.stop()


@needs_server
async def test_a_place_that_failed_is_tried_last(server: NameServer) -> None:
    known = resolver([], servers=[server.address])
    known.start(asyncio.get_running_loop())
    known.want([CARRIER])
    await until(lambda: bool(known.places(CARRIER, 1)))
    first = known.places(CARRIER, 5)[0]
    known.failed(first)
    assert first == known.places(CARRIER, 5)[-1]
    known.stop()


@needs_server
async def test_a_change_is_told_once_and_a_server_that_is_away_takes_nothing() -> None:
    told: list[str] = []
    with NameServer("host-record=carrier.example,192.0.2.1") as server:
        known = resolver(told, servers=[server.address], server_milliseconds=100)
        known.start(asyncio.get_running_loop())
        known.want([Peer("carrier.example", 5060)])
        await until(lambda: ["changed"] == told)
        assert "192.0.2.1" == known.places(Peer("carrier.example", 5060), 1)[0].host
    await asyncio.sleep(2)
    assert ["changed"] == told
    assert "192.0.2.1" == known.places(Peer("carrier.example", 5060), 1)[0].host
    with NameServer("host-record=carrier.example,192.0.2.9", port=server.port):
        await until(lambda: ["changed"] * 2 == told, 15)
        assert "192.0.2.9" == known.places(Peer("carrier.example", 5060), 1)[0].host
    known.stop()


async def test_the_hosts_file_needs_no_server(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.7 pbx\n")
    known = resolver([], hosts=str(hosts))
    known.start(asyncio.get_running_loop())
    known.want([Peer("pbx"), Peer("lost.example")])
    await until(lambda: bool(known.places(Peer("pbx"), 1)) and Peer("lost.example") in known.errors)
    assert (Place(UDP, "192.0.2.7", 5060),) == known.places(Peer("pbx"), 1)
    assert "no-servers" == known.errors[Peer("lost.example")]
    known.stop()


@needs_server
async def test_a_number_is_asked_for_once_and_answered_once(server: NameServer) -> None:
    known = resolver([], servers=[server.address])
    known.start(asyncio.get_running_loop())
    heard: list[tuple[str, ...]] = []
    known.ask_number("+4930123", "e164.arpa", heard.append)
    known.ask_number("+4940123", "e164.arpa", heard.append)
    known.ask_number("nonsense", "e164.arpa", heard.append)
    assert [()] == heard
    await until(lambda: 3 == len(heard))
    assert [(), (), ("sip:030123@berlin.example",)] == sorted(heard)
    known.stop()


def test_too_many_numbers_have_no_answer() -> None:
    known, heard = resolver([]), []
    for n in range(NUMBERS_MOST + 5):
        known.ask_number(f"+49{n}", "e164.arpa", heard.append)
    assert [()] * 5 == heard
