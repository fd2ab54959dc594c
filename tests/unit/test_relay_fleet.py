"""Several relays behind one fleet, on real sockets: who is asked, who is chosen, and what is told when one is gone."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop

from tandem.media.fleet import Fleet
from tandem.media.model.liveness import GIVEN_UP_SECONDS, TRIAL_SECONDS
from tandem.media.model.members import Member
from tandem.media.model.ng import Question
from tandem.media.service import Heard

STATISTICS = {
    "currentstatistics": {"sessionstotal": 7},
    "streams": {"kernel": 2, "userspace": 1, "packets": 9},
}


class Peer:
    """A relay of a few lines, over UDP."""

    def __init__(self, port: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(("127.0.0.1", port))
        self.port = int(self.socket.getsockname()[1])
        self.asked: list[str] = []
        asyncio.get_running_loop().add_reader(self.socket.fileno(), self.turn)

    def turn(self) -> None:
        datagram, source = self.socket.recvfrom(65_536)
        cookie, _, body = datagram.partition(b" ")
        command = json.loads(body)
        if command["command"] == "ping":
            assert 1 == command["events"]
        else:
            self.asked.append(str(command.get("id", command["command"])))
        answer = {"result": "ok"}
        if command["command"] == "statistics":
            answer |= {"statistics": STATISTICS}
        self.socket.sendto(cookie + b" " + json.dumps(answer).encode(), source)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.socket.fileno())
        self.socket.close()


class House:
    """Two relays and their fleet, with all that it has told."""

    def __init__(self, base: Path) -> None:
        self.peers = {"one": Peer(), "two": Peer()}
        self.told: list[tuple[str, bool]] = []
        self.heard: list[tuple[str, Heard]] = []
        self.calls: dict[str, int] = {}
        self.fleet = Fleet(
            [Member(name, ("127.0.0.1", peer.port)) for name, peer in self.peers.items()],
            run=base,
            name="1.1",
            heard=lambda name, heard: self.heard.extend((name, one) for one in heard),
            calls=lambda: self.calls,
            changed=lambda name, up: self.told.append((name, up)),
            now=lambda: time.time_ns() // 1000,
        )
        self.fleet.start(asyncio.get_running_loop())

    async def until_told(self, name: str, *, up: bool) -> None:
        deadline = time.monotonic() + 5
        while (name, up) not in self.told:
            assert time.monotonic() < deadline, self.told
            await asyncio.sleep(0.005)

    def ask(self, relay: str) -> None:
        self.fleet.ask(
            [Question(f"c/{relay}", "c", 1, {"command": "offer", "id": relay}, 0, relay)]
        )


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    await made.until_told("one", up=True)
    await made.until_told("two", up=True)
    made.told.clear()
    yield made
    made.fleet.stop()
    for peer in made.peers.values():
        if peer.socket.fileno() >= 0:
            peer.close()


async def test_each_question_goes_to_the_relay_that_its_call_has(house: House) -> None:
    for relay in ("", "two", "no more"):
        house.ask(relay)
    for _ in range(200):
        await asyncio.sleep(0.005 if len(house.heard) < 3 else 0)
    assert {("one", True), ("two", True), ("no more", False)} == {
        (name, told is not None) for name, (_, told) in house.heard
    }
    asked = {name: [a for a in p.asked if a != "statistics"] for name, p in house.peers.items()}
    assert {"one": [""], "two": ["two"]} == asked


async def test_one_that_is_gone_is_given_up_in_time_and_comes_back_on_trial(house: House) -> None:
    port, began = house.peers["one"].port, time.monotonic()
    house.peers["one"].close()
    await asyncio.sleep(0.2)
    assert house.fleet.is_up("one") and not house.told
    assert {"two"} == {house.fleet.choose([]) for _ in range(9)}  # it is doubted
    await house.until_told("one", up=False)
    assert GIVEN_UP_SECONDS < time.monotonic() - began < GIVEN_UP_SECONDS + 0.5
    assert "two" == house.fleet.choose([], but="one")
    assert "" == house.fleet.choose([], but="two")
    house.peers["one"] = Peer(port)
    await house.until_told("one", up=True)
    assert {"two"} == {house.fleet.choose([]) for _ in range(9)}
    await asyncio.sleep(TRIAL_SECONDS + 0.1)
    assert {"one", "two"} == {house.fleet.choose([]) for _ in range(9)}


async def test_one_that_is_back_in_time_is_not_given_up(house: House) -> None:
    port = house.peers["one"].port
    house.peers["one"].close()
    await asyncio.sleep(0.3)
    house.peers["one"] = Peer(port)
    await asyncio.sleep(1)
    assert [] == house.told and house.fleet.is_up("one")


def test_a_node_that_stood_still_gives_nobody_up(tmp_path: Path) -> None:
    async def stands_still() -> list[tuple[str, bool]]:
        house = House(tmp_path)
        await house.until_told("two", up=True)
        house.fleet.timers["one"].cancel()
        house.fleet.ping("one")  # its answer waits in the socket meanwhile
        time.sleep(2 * GIVEN_UP_SECONDS)  # noqa: ASYNC251 (that is what is tried)
        await asyncio.sleep(0.3)
        house.fleet.stop()
        return house.told

    # the node's loop, which runs timers before it reads
    assert {("one", True), ("two", True)} == set(uvloop.run(stands_still()))


async def test_a_drained_relay_is_the_last_but_one_resort(house: House) -> None:
    house.fleet.draining = {"two"}
    assert {"one"} == {house.fleet.choose([]) for _ in range(9)}
    assert "" == house.fleet.choose([], but="one")
    house.peers["one"].close()
    await house.until_told("one", up=False)
    assert "two" == house.fleet.choose([])
    assert "two" == house.fleet.choose([], but="one", drained=True)
    house.fleet.draining = {"one", "two"}
    assert "two" == house.fleet.choose([])


async def test_calls_placed_in_one_turn_are_shared_out(house: House) -> None:
    house.calls = {"one": 4}
    found = [house.fleet.choose([]) for _ in range(10)]
    assert (3, 7) == (found.count("one"), found.count("two"))
    await asyncio.sleep(0)
    assert not house.fleet.picked


async def test_what_an_operator_sees_of_them(house: House) -> None:
    house.calls = {"one": 2, "gone": 1}
    for _ in range(200):
        await asyncio.sleep(0.005 if len(house.fleet.statistics) < 2 else 0)
    one, two, gone = house.fleet.status()
    assert ("up", 2, 7, 2, 1, 9, None) == tuple(
        one[key] for key in ("state", "calls", "sessions", "kernel", "userspace", "packets", "lost")
    )
    assert 0 < two["milliseconds"] < 1000
    assert ("gone", "not configured", 1) == (gone["name"], gone["state"], gone["calls"])
