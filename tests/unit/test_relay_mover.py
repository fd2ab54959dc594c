"""Calls that are told to leave a relay: which, in what order, how fast, where to. Simulated calls, a fleet whose states are set."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tandem.calls.model.events import Moved
from tandem.calls.shell import Shell
from tandem.media.fleet import Fleet
from tandem.media.model.liveness import Liveness
from tandem.media.model.members import Member
from tandem.media.model.ng import Question
from tandem.node import mover
from tandem.node.mover import Mover
from tandem.testing.flows import Play

CALLS = 4


class House:
    """As much of a node as a mover needs."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.loop = asyncio.get_running_loop()
        self.commits = 0
        self.fleet = Fleet(
            [Member(name, Path("/x")) for name in ("other", "two")],
            run=Path("/x"),
            name="1.1",
            heard=lambda name, heard: None,
            calls=dict,
            changed=lambda name, up: None,
            now=lambda: 0,
        )
        self.fleet.loop = self.loop
        for name in self.fleet.members:
            self.fleet.states[name] = Liveness(0.0)
            self.fleet.states[name].heard(0.0, answers=True)
        self.mover = Mover(service=self, fleet=self.fleet, now=lambda: 7)  # type: ignore[arg-type]

    def commit(self) -> None:
        self.commits += 1

    def put(self, name: str, *, up: bool) -> None:
        self.fleet.states[name].up = up
        self.mover.changed(name, up)

    def told(self) -> dict[str, tuple[str, str]]:
        """Calls that are to move, where to and why, in the order in which they were told."""
        return {
            key: (event.relay, event.why)
            for key, live in self.shell.ready.items()
            for event in live.waiting
            if isinstance(event, Moved)
        }

    async def until(self, fact: Callable[[], bool]) -> None:
        for _ in range(400):
            if fact():
                return
            await asyncio.sleep(0.005)
        raise AssertionError(self.told())


@pytest.fixture
async def house() -> House:
    """With calls that talk by relay "other", and one more that still rings."""
    play = Play(media="relay")
    [node] = [node for node in play.world.nodes if node is not None][:1]
    shell: Shell = node.shell
    shell.choose = lambda hosts: "other"
    phones = [play.phone(f"p{n}") for n in range(2 * CALLS + 2)]
    for n in range(CALLS):
        play.talk(phones[2 * n], phones[2 * n + 1])
    phones[-2].invites(f"p{2 * CALLS + 1}")
    phones[-1].rings()
    play.wait(1)
    made = House(shell)
    assert CALLS + 1 == len(shell.relayed.of("other"))
    return made


async def test_calls_of_a_relay_that_is_gone_are_told_ringing_first(house: House) -> None:
    order = house.shell.relayed.of("other")
    house.put("other", up=False)
    assert order == list(house.told()) and 1 == house.commits
    assert {("two", "other does not answer")} == set(house.told().values())


async def test_they_are_told_a_few_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mover, "MOVES_PER_TURN", 2)
    house.put("other", up=False)
    assert 2 == len(house.told())
    await house.until(lambda: CALLS + 1 == len(house.told()))
    assert 3 == house.commits and CALLS + 1 == house.mover.moves


async def test_those_that_were_not_told_yet_stay_when_it_is_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mover, "MOVES_PER_TURN", 2)
    house.put("other", up=False)
    house.put("other", up=True)
    await asyncio.sleep(0.1)
    assert 2 == len(house.told()) and not house.mover.waiting


async def test_without_another_one_nothing_moves_until_there_is_one(house: House) -> None:
    house.put("two", up=False)
    house.put("other", up=False)
    assert {} == house.told()
    house.put("two", up=True)
    assert CALLS + 1 == len(house.told())


async def test_a_relay_that_is_not_configured_any_more_is_left_when_another_one_answers(
    house: House,
) -> None:
    del house.fleet.members["other"], house.fleet.states["other"]
    house.put("two", up=True)
    assert CALLS + 1 == len(house.told())


async def test_a_drained_relay_is_left_after_a_restart_too(house: House) -> None:
    house.fleet.draining = house.fleet.leaving = {"other"}
    house.put("two", up=True)
    assert {("two", "other is drained")} == set(house.told().values())


async def test_a_drained_relay_is_better_than_a_dead_one(house: House) -> None:
    house.fleet.draining = {"two"}
    assert 0 == house.mover.leave("other", gone=False)
    house.put("other", up=False)
    assert {("two", "other does not answer")} == set(house.told().values())


async def test_a_call_that_asks_a_relay_that_is_gone_moves_at_once(house: House) -> None:
    house.fleet.states["other"].up = False  # nobody was told
    key = house.shell.relayed.of("other")[2]
    question = Question("q", key, 1, {"command": "offer"}, 0, "other")
    house.mover.asked([question, question])
    assert {} == house.told()
    await house.until(lambda: bool(house.told()))
    assert [key] == list(house.told())
