"""What a real relay on another machine tells unasked, over UDP, to whoever has said that it listens; and to nobody else."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.media.service import Heard, Relay
from tandem.testing.relay import RunningRelay

SILENCE_SECONDS = 1
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {} RTP/AVP 0\r\na=sendrecv\r\n"
)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[RunningRelay]:
    with RunningRelay(tmp_path, timeout=SILENCE_SECONDS) as one:
        yield one


def call(relay: RunningRelay, asker: socket.socket, id: str) -> None:
    """A call without media, set up from this socket."""
    asker.settimeout(3)
    for command, sdp in (("offer", SDP.format(9_000)), ("answer", SDP.format(9_002))):
        asked = {"command": command, "call-id": id, "from-tag": "a", "to-tag": "b", "sdp": sdp}
        asker.sendto(f"{id}{command} {json.dumps(asked)}".encode(), relay.ng)
        answer = asker.recv(65_536).decode()
        assert '"result":"ok"' in answer, answer


def started(relay: RunningRelay, tmp_path: Path, told: list[Heard]) -> Relay:
    """A call node's side of the relay, which collects what it is told."""
    node = Relay(
        place=relay.ng,
        own=tmp_path / "unused",
        name="1.1",
        heard=told.extend,
        now=lambda: time.time_ns() // 1000,
    )
    node.start(asyncio.get_running_loop())
    return node


async def something(told: list[Heard], relay: RunningRelay) -> None:
    deadline = time.monotonic() + 10
    while not told:
        assert time.monotonic() < deadline, relay.log()
        await asyncio.sleep(0.05)


async def test_a_relay_on_another_machine_tells_its_events(
    relay: RunningRelay, tmp_path: Path
) -> None:
    told: list[Heard] = []
    node = started(relay, tmp_path, told)
    assert node.ping()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        await asyncio.to_thread(call, relay, other, "c1")
        await something(told, relay)
        question, event = told[0]
        assert question is None and event is not None
        assert ("timeout", "c1") == (event.event, event.call)
        other.settimeout(0.5)
        with pytest.raises(TimeoutError):
            other.recv(65_536)
    node.stop()
    assert "unknown parts" not in relay.log()


async def test_a_relay_that_was_started_again_learns_by_the_next_ping_who_listens(
    relay: RunningRelay, tmp_path: Path
) -> None:
    told: list[Heard] = []
    node = started(relay, tmp_path, told)
    node.ping()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        await asyncio.to_thread(call, relay, other, "c2")
    relay.kill()
    relay.up()
    node.ping()
    await something(told, relay)
    assert {"c2"} == {event.call for _, event in told if event is not None}
    node.stop()
