"""The relays of a node: each is asked by a client of its own, pinged, and given up when it answers no more. It moves no call."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tandem.log import log
from tandem.media.model.liveness import Liveness
from tandem.media.model.members import Member
from tandem.media.model.ng import Question, Statistics
from tandem.media.model.regions import Regions
from tandem.media.service import Heard, Relay

Told = Callable[[str, list[Heard]], None]

COUNT_SECONDS = 5.0  # between two looks at what they forward
RUNNING = ("kernel", "userspace", "packets", "lost")  # what a relay counts of streams that run
TRUSTED, DOUBTED, DRAINED, DOWN = range(4)


class Fleet:
    """`members`: one at least; the first is whom a call has that names none.

    `heard` gets what one relay said in one turn; `changed` that a relay is given up, or answers again.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        run: Path,
        name: str,
        heard: Told,
        calls: Callable[[], Mapping[str, int]],
        changed: Callable[[str, bool], None],
        now: Callable[[], int],
        regions: Regions | None = None,
    ) -> None:
        """`run`: where our own sockets are; `name`: no other asker has it; `calls`: how many each relay has."""
        self.members = {member.name: member for member in members}
        self.first = members[0].name
        self.regions = regions or Regions()
        self.heard, self.calls, self.changed, self.name = heard, calls, changed, name
        self.draining: set[str] = set()
        self.leaving: set[str] = set()  # of those: their calls go to others, too
        self.picked: Counter[str] = Counter()  # in this turn; `calls` counts them from the next on
        self.loop: asyncio.AbstractEventLoop | None = None
        self.timers: dict[str, asyncio.TimerHandle] = {}
        self.states: dict[str, Liveness] = {}
        self.statistics: dict[str, Statistics] = {}  # of each, as it last told them
        self.counted = 0
        self.relays = {
            member.name: Relay(
                place=member.place, own=run / f"media-{member.name}.sock", name=f"{name}.{n}",
                heard=self._hearing(member.name), now=now, pinged=self._pinged(member.name),
            )
            for n, member in enumerate(members)
        }  # fmt: skip

    def _hearing(self, name: str) -> Callable[[list[Heard]], None]:
        def hear(heard: list[Heard]) -> None:
            for question, told in heard:
                if question is not None and told is not None and told.statistics is not None:
                    self.statistics[name] = told.statistics
            self.heard(name, [one for one in heard if one[0] is None or one[0].call])

        return hear

    def _pinged(self, name: str) -> Callable[[bool], None]:
        return lambda answers: self.answered(name, answers=answers)

    # -- life

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        for name, relay in self.relays.items():
            relay.start(loop)
            self.states[name] = Liveness(loop.time())
            self.ping(name)
        self.count(loop)

    def count(self, loop: asyncio.AbstractEventLoop) -> None:
        """Asks each what it forwards, for whoever looks."""
        self.counted += 1
        for name, relay in self.relays.items():
            if self.states[name].up:
                id = f"{self.name}/statistics/{self.counted}"
                relay.ask([Question(id, "", 0, {"command": "statistics"})])
        self.timers["statistics"] = loop.call_later(COUNT_SECONDS, self.count, loop)

    def stop(self) -> None:
        for timer in self.timers.values():
            timer.cancel()
        for relay in self.relays.values():
            relay.stop()

    def ping(self, name: str) -> None:
        assert self.loop is not None
        state, now = self.states[name], self.loop.time()
        state.asked(now)
        if not self.relays[name].ping():
            state.failed(now)
        if state.is_over(now):
            log.error("media relay given up", relay=name)
            self.changed(name, False)
        lone = len(self.relays) == 1
        self.timers[name] = self.loop.call_later(state.wait(lone=lone), self.ping, name)

    def answered(self, name: str, *, answers: bool) -> None:
        assert self.loop is not None
        if self.states[name].heard(self.loop.time(), answers=answers):
            log.info("media relay answers", relay=name)
            self.changed(name, True)

    # -- asking

    def named(self, relay: str) -> str:
        """The relay that a call names; "": the first."""
        return relay or self.first

    def ask(self, questions: list[Question]) -> None:
        """Each to its relay. One that is not configured any more answers nothing."""
        by: dict[str, list[Question]] = {}
        for question in questions:
            by.setdefault(self.named(question.relay), []).append(question)
        for name, asked in by.items():
            if name in self.relays:
                self.relays[name].ask(asked)
            elif self.loop is not None:  # not from within the save that decided to ask
                silent: list[Heard] = [(one, None) for one in asked]
                self.loop.call_soon(self.heard, name, silent)

    def is_up(self, name: str) -> bool:
        state = self.states.get(self.named(name))
        return state is not None and state.up

    def choose(self, hosts: Sequence[str], but: str = "", *, drained: bool = False) -> str:
        """The relay for a call with these ends, "" where there is no choice.

        `but`: another one than this, which lives; `drained`: one that is drained is better than none.
        """
        found = self.candidates(but, drained=drained)
        if not found or (not but and len(self.members) == 1):
            return ""
        name = self.regions.nearest(hosts, found, self.load()).name
        if not self.picked and self.loop is not None:
            self.loop.call_soon(self.picked.clear)
        self.picked[name] += 1
        return name

    def candidates(self, but: str = "", *, drained: bool = False) -> list[Member]:
        """Those that `choose` chooses from."""
        ranked: dict[int, list[Member]] = {}
        for name, member in self.members.items():
            rank = self.rank(name)
            if name != but and not (but and rank > (DRAINED if drained else DOUBTED)):
                ranked.setdefault(rank, []).append(member)
        return ranked[min(ranked)] if ranked else []

    def load(self) -> Mapping[str, int]:
        """Calls by relay, with those that are just being placed."""
        return Counter(self.calls()) + self.picked

    def rank(self, name: str) -> int:
        """How gladly a call takes it: trusted, doubted, drained, down."""
        state = self.states.get(name)
        if state is None or not state.up:
            return DOWN
        if name in self.draining:
            return DRAINED
        now = self.loop.time() if self.loop is not None else state.since
        return TRUSTED if state.is_trusted(now) else DOUBTED

    @property
    def open(self) -> int:
        """Questions that wait for an answer."""
        return sum(len(relay.pending.open) for relay in self.relays.values())

    @property
    def is_away(self) -> bool:
        """Whether none of them answers."""
        return all(relay.is_away for relay in self.relays.values())

    def status(self) -> list[dict[str, Any]]:
        """Each relay as an operator sees it; one that is not configured any more as long as it has calls."""
        now = self.loop.time() if self.loop is not None else 0.0
        calls = self.calls()
        found = [
            {
                "name": name,
                "place": member.shown,
                "region": member.region,
                "weight": member.weight,
                "state": "draining" if state.up and name in self.draining else state.shown,
                "seconds": round(now - state.since, 1),
                "milliseconds": round(1e3 * state.round_trip, 3),
                "calls": calls.get(name, 0),
                **self.counts(name),
            }
            for name, member in self.members.items()
            for state in (self.states[name],)
        ]
        return found + [
            {"name": name, "place": "", "region": "", "state": "not configured", "calls": number}
            for name, number in sorted(calls.items())
            if number and name not in self.members
        ]

    def counts(self, name: str) -> dict[str, int | None]:
        """What the relay itself counts, of all who ask it; None: it has not said."""
        told = self.statistics.get(name)
        if told is None:
            return dict.fromkeys(("sessions", *RUNNING))
        return {"sessions": told.current.sessions, **{n: told.streams.get(n) for n in RUNNING}}
