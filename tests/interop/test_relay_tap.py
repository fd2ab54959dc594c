"""A tapped call at the relay alone: no more than four, an end by itself, later legs too, files that are gone after a restart."""

import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tandem.cli.pcap import records
from tandem.testing.farm import wait
from tandem.testing.relay import RunningRelay

pytestmark = pytest.mark.slow
PACKET_SECONDS = 0.02


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[RunningRelay]:
    with RunningRelay(tmp_path, taps=str(tmp_path / "taps")) as running:
        yield running


class Party:
    """A socket that sends RTP to where it was told, and reads nothing."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.aim = ("127.0.0.1", 0)
        head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        self.sdp = f"{head}m=audio {self.port} RTP/AVP 0\r\n"

    def told(self, sdp: str) -> None:
        port = next(line for line in sdp.splitlines() if line.startswith("m=audio")).split()[1]
        self.aim = ("127.0.0.1", int(port))

    def says(self, number: int) -> None:
        head = struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, 160 * number, self.port)
        self.socket.sendto(head + bytes(160), self.aim)


@pytest.fixture
def parties() -> Iterator[list[Party]]:
    with ExitStack() as stack:
        made = [Party() for _ in range(3)]
        for party in made:
            stack.enter_context(party.socket)
        yield made


def talk(parties: list[Party], seconds: float) -> None:
    for number in range(round(seconds / PACKET_SECONDS)):
        for party in parties:
            party.says(number)
        time.sleep(PACKET_SECONDS)


def called(relay: RunningRelay, call: str, one: Party, other: Party, tag: str = "b") -> None:
    offered = relay.ask("offer", call_id=call, from_tag="a", sdp=one.sdp)
    other.told(offered["sdp"])
    answered = relay.ask("answer", call_id=call, from_tag="a", to_tag=tag, sdp=other.sdp)
    one.told(answered["sdp"])


def ended(relay: RunningRelay, call: str, seconds: float = 5.0) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while (tap := relay.ask("stop tap", call_id=call)["tap"])["state"] in ("running", "writing"):
        assert time.monotonic() < until, json.dumps(tap)
        time.sleep(0.05)
    assert isinstance(tap, dict)
    return tap


def test_a_tap_that_nobody_stops_ends_and_its_file_is_whole(
    relay: RunningRelay, parties: list[Party]
) -> None:
    one, other, _ = parties
    called(relay, "c", one, other)
    began = time.time()
    first = relay.ask("start tap", call_id="c", tap_seconds=1)["tap"]
    assert "running" == first["state"]
    again = relay.ask("start tap", call_id="c")
    assert "call-id: 'c' is tapped already" == again["error-reason"]
    talk([one, other], 3)
    file = Path(first["file"])
    assert file.exists() and 0o600 == file.stat().st_mode & 0o777
    tap = ended(relay, "c")
    assert ("written", 0) == (tap["state"], tap["lost"])
    with file.open("rb") as opened:
        packets = list(records(opened))
    assert len(packets) == tap["packets"] > 100
    assert all(began <= at / 1e6 <= began + 2.5 for at, _ in packets)
    assert file.stat().st_size <= tap["bytes"] + 24
    assert "running" == relay.ask("start tap", call_id="c")["tap"]["state"]
    assert not file.exists()  # one file a call
    relay.kill()
    relay.up()
    assert not list(file.parent.iterdir())
    assert "call-id: 'c' is not tapped" == relay.ask("stop tap", call_id="c")["error-reason"]


def test_no_more_than_four_calls_are_tapped_and_a_tap_ends_with_its_call(
    relay: RunningRelay, parties: list[Party]
) -> None:
    for call in "abcde":
        called(relay, call, *parties[:2])
    assert all("tap" in relay.ask("start tap", call_id=call) for call in "abcd")
    refused = relay.ask("start tap", call_id="e")["error-reason"]
    assert "tap: no more than 4 calls at one time" == refused
    relay.ask("delete", call_id="a")
    time.sleep(2.2)  # the relay looks once a second
    assert "written" == ended(relay, "a")["state"]
    assert "running" == relay.ask("start tap", call_id="e")["tap"]["state"]


def test_a_leg_that_comes_later_is_tapped_too(relay: RunningRelay, parties: list[Party]) -> None:
    one, other, third = parties
    called(relay, "c", one, other)
    talk([one], 0.1)
    relay.ask("start tap", call_id="c")
    called(relay, "c", one, third, tag="d")
    talk(parties, 1)
    with Path(ended(relay, "c")["file"]).open("rb") as opened:
        packets = [packet for _, packet in records(opened)]
    from_ports = {int.from_bytes(packet[20:22], "big") for packet in packets}
    assert {one.port, third.port} <= from_ports


def streams(relay: RunningRelay) -> tuple[int, int]:
    found = relay.ask("statistics")["statistics"]["streams"]
    return found["kernel"], found["userspace"]


def test_a_tapped_call_leaves_the_kernel_path_and_comes_back_to_it(
    relay: RunningRelay, parties: list[Party]
) -> None:
    wait(lambda: "kernel path" in relay.log(), "it says whether the kernel takes streams")
    by_kernel = "kernel path on" in relay.log()
    called(relay, "c", *parties[:2])
    talk(parties[:2], 5)  # addresses are settled after 3 s
    assert ((2, 0) if by_kernel else (0, 2)) == streams(relay)
    relay.ask("start tap", call_id="c")
    talk(parties[:2], 2)
    assert (0, 2) == streams(relay)
    assert 2 * 2 * 80 < ended(relay, "c")["packets"] <= 2 * 2 * 100 + 20
    talk(parties[:2], 3)
    assert ((2, 0) if by_kernel else (0, 2)) == streams(relay)


def test_without_a_directory_a_tap_is_refused(tmp_path: Path, parties: list[Party]) -> None:
    with RunningRelay(tmp_path) as relay:
        called(relay, "c", *parties[:2])
        assert "no directory for taps" in relay.ask("start tap", call_id="c")["error-reason"]
