"""The client of the relay on a real socket: repeats, time-outs, a relay that comes, goes and comes again."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tandem.media.model import pending
from tandem.media.model.ng import Question, Told
from tandem.media.service import Heard, Relay

Answer = Callable[[dict[str, object]], dict[str, object] | None]


def now() -> int:
    return time.time_ns() // 1000


class Peer:
    """A relay of a few lines; `answer` gives what it says to a command, None: nothing."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self.path, self.answer = path, answer
        self.heard: list[tuple[bytes, dict[str, object]]] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(str(path))
        asyncio.get_running_loop().add_reader(self.socket.fileno(), self.turn)

    def turn(self) -> None:
        datagram, source = self.socket.recvfrom(65_536)
        cookie, _, body = datagram.partition(b" ")
        command = json.loads(body)
        self.heard.append((cookie, command))
        answer = self.answer(command)
        if answer is not None:
            self.socket.sendto(cookie + b" " + json.dumps(answer).encode(), source)

    def say(self, text: str, to: Path) -> None:
        self.socket.sendto(text.encode(), str(to))

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.socket.fileno())
        self.socket.close()
        self.path.unlink()


class Asker:
    """A `Relay`, and all that it has heard."""

    def __init__(self, base: Path) -> None:
        self.place, self.own = base / "relay.sock", base / "own.sock"
        self.got: list[Heard] = []
        self.relay = Relay(
            place=self.place, own=self.own, name="1.1", heard=self.got.extend, now=now
        )
        self.relay.start(asyncio.get_running_loop())

    def ask(self, n: int, verb: str = "offer") -> None:
        self.relay.ask([Question(f"c/{n}", "c", n, {"command": verb, "id": f"c/{n}"}, now())])

    async def outcomes(self, count: int, seconds: float = 5.0) -> list[tuple[int, Told | None]]:
        deadline = time.monotonic() + seconds
        while len(self.got) < count:
            assert time.monotonic() < deadline, f"{count} outcomes, not {self.got}"
            await asyncio.sleep(0.005)
        return [(question.n if question else 0, told) for question, told in self.got]


@pytest.fixture
async def asker(tmp_path: Path) -> AsyncIterator[Asker]:
    made = Asker(tmp_path)
    yield made
    made.relay.stop()
    assert not made.own.exists()


def good(command: dict[str, object]) -> dict[str, object]:
    return {"result": "ok", "sdp": f"of {command['id']}"}


async def test_each_question_gets_its_answer(asker: Asker) -> None:
    peer = Peer(asker.place, good)
    for n in range(200):
        asker.ask(n)
    found = await asker.outcomes(200)
    assert {n: f"of c/{n}" for n in range(200)} == {n: told.sdp for n, told in found if told}
    assert not asker.relay.is_away
    peer.close()


async def test_a_question_that_was_lost_is_repeated_with_its_cookie(asker: Asker) -> None:
    peer = Peer(asker.place, lambda command: good(command) if len(peer.heard) > 2 else None)
    asker.ask(1)
    await asker.outcomes(1)
    assert 3 == len(peer.heard)
    assert 1 == len({cookie for cookie, _ in peer.heard})
    peer.close()


async def test_a_relay_that_is_not_there_is_an_outcome_and_its_return_too(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "RELAY_MICROSECONDS", 250_000)
    monkeypatch.setattr(pending, "LEAST_MICROSECONDS", 200_000)
    asker.ask(1)
    assert [(1, None)] == await asker.outcomes(1)
    assert asker.relay.is_away
    asker.ask(2)
    await asyncio.sleep(0.05)
    peer = Peer(asker.place, good)  # in time for the first repeat
    assert 2 == (await asker.outcomes(2))[1][0]
    assert asker.got[1][1] is not None
    assert not asker.relay.is_away
    peer.close()


async def test_a_relay_that_began_anew_is_found_at_its_place(asker: Asker) -> None:
    first = Peer(asker.place, good)
    asker.ask(1)
    await asker.outcomes(1)
    first.close()
    asker.ask(2)
    second = Peer(asker.place, good)
    await asker.outcomes(2)
    assert ["c/2"] == [command["id"] for _, command in second.heard]
    second.close()


async def test_a_relay_whose_socket_is_full_gets_the_rest_later(asker: Asker) -> None:
    peer = Peer(asker.place, good)
    asyncio.get_running_loop().remove_reader(peer.socket.fileno())
    for n in range(600):
        asker.ask(n)
    asyncio.get_running_loop().add_reader(peer.socket.fileno(), peer.turn)
    assert set(range(600)) == {n for n, told in await asker.outcomes(600) if told}
    peer.close()


async def test_what_the_relay_says_unasked_is_told(asker: Asker) -> None:
    peer = Peer(asker.place, good)
    peer.say('{"event": "timeout", "call": "c", "leg": "a"}', asker.own)
    peer.say("nonsense", asker.own)
    await asker.outcomes(1)
    question, told = asker.got[0]
    assert question is None and told is not None
    assert ("timeout", "c", "a") == (told.event, told.call, told.leg)
    peer.close()


async def test_too_many_questions_are_answered_as_if_it_were_away(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "PENDING_MOST", 3)
    peer = Peer(asker.place, lambda command: None)
    for n in range(5):
        asker.ask(n)
    assert [(3, None), (4, None)] == await asker.outcomes(2)
    peer.close()


async def test_another_machines_relay_is_asked_over_udp(tmp_path: Path) -> None:
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind(("127.0.0.1", 0))
    got: list[Heard] = []
    relay = Relay(
        place=("127.0.0.1", peer.getsockname()[1]),
        own=tmp_path / "unused",
        name="1.1",
        heard=got.extend,
        now=now,
    )
    relay.start(asyncio.get_running_loop())
    relay.ask([Question("c/1", "c", 1, {"command": "ping"}, now())])
    datagram, source = await asyncio.to_thread(peer.recvfrom, 65_536)
    peer.sendto(datagram.partition(b" ")[0] + b' {"result": "pong"}', source)
    for _ in range(500):
        await asyncio.sleep(0 if got else 0.01)
    assert "pong" == (got[0][1] or Told()).result
    relay.stop()
    peer.close()
