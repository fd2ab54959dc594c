"""A simulated call node: the real core and the real shell, with points at which it may die and a store that answers late."""

import json
import struct
from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from tandem import boundary
from tandem._core import Owner
from tandem.boundary import Flow, Request, Response
from tandem.calls.batch import Batch
from tandem.calls.model.call import Call, Contact
from tandem.calls.model.events import Moved
from tandem.calls.model.inquiry import outcome, unasked
from tandem.calls.shell import Shell
from tandem.media.model.ng import Question, Told
from tandem.media.model.pending import Pending
from tandem.routing.model.plan import Plan, Refusal, Target
from tandem.testing.sim.clock import MS, SECOND, Clock
from tandem.testing.sim.edge import SimEdge
from tandem.testing.sim.faults import Faults
from tandem.testing.sim.relay import SimRelay
from tandem.testing.sim.store import SimStore

KEYS = {
    "hash": "01" * 16,
    "signing": [{"id": "a", "secret": "02" * 16}],
    "nonce": [{"id": "a", "secret": "03" * 16}],
}
POLICY = {
    "version": 1, "default_domain": "sim", "domains": {"sim": "sim"},
    "trunks": [{"id": "phones", "tenant": "sim", "cidrs": ["10.0.0.0/8"], "tls_names": []}],
    "emergency": {"sim": {"numbers": ["112"], "unproven": "anybody"}},
}  # fmt: skip
SAVE_DELAY = 2 * MS
RING_SECONDS = 20


class Killed(Exception):
    """This process is gone in the middle of what it did."""


class Directory:
    """Who is where, shared by all nodes: what the registrar and routing would say."""

    def __init__(self) -> None:
        self.contacts_of: dict[str, tuple[Contact, ...]] = {}
        self.media = self.srtp = ""  # of every call: tandem.media.model.policy; "" without a relay
        self.stages: dict[str, tuple[tuple[str, ...], ...]] = {}

    def place(self, request: Request) -> tuple[Plan | Refusal, dict[str, tuple[Contact, ...]]]:
        name = request.uri.split(":")[1].split("@")[0]
        stages = self.stages.get(name, ((name,),))
        aors = [f"{user}@sim" for stage in stages for user in stage]
        targets = tuple(
            tuple(
                Target(
                    "user",
                    f"sip:{user}@sim",
                    aor=f"{user}@sim",
                    ring_seconds=RING_SECONDS,
                    media=self.media,
                    srtp=self.srtp,
                )
                for user in stage
            )
            for stage in stages
        )
        caller = request.from_.split(":")[1].split("@")[0]
        plan = Plan(
            "sim",
            f"{caller}@sim",
            caller,
            caller,
            f"{name}@sim",
            targets,
            why="the simulation says so",
            media=self.media,
            srtp=self.srtp,
        )
        return plan, {aor: self.contacts_of.get(aor, ()) for aor in aors}

    def elsewhere(
        self, call: Call, cause: Response | Request
    ) -> tuple[Plan | Refusal, dict[str, tuple[Contact, ...]]]:
        return Refusal(480, "", "nowhere else"), {}

    def contacts(self, aor: str) -> tuple[Contact, ...]:
        return self.contacts_of.get(aor, ())


class SimNode:
    def __init__(
        self,
        number: int,
        clock: Clock,
        store: SimStore,
        directory: Directory,
        faults: Faults,
        points: Callable[["SimNode"], bool],
        relays: dict[str, SimRelay],
    ) -> None:
        self.relays = relays
        self.number, self.clock, self.store, self.directory = number, clock, store, directory
        self.faults, self.points = faults, points
        self.alive, self.paused = True, False
        self.queued: list[Callable[[], None]] = []  # what came while it hung
        self.edges: dict[int, SimEdge] = {}
        self.epoch = 0
        self.woken_at = 0

    def point(self) -> None:
        """A place where it may die."""
        if not self.alive or self.points(self):
            self.alive = False
            raise Killed

    def start(self, edges: list[SimEdge]) -> None:
        """Claims the calls, tells the edges, settles what a dead owner had begun, takes their frames."""
        self.epoch = self.store.claim(
            max((edge.keeper.highest() for edge in edges if edge.alive), default=0)
        )
        config = {
            "node_id": self.number, "incarnation": self.clock.now, "epoch": self.epoch, "keys": KEYS, "policy": POLICY,
        }  # fmt: skip
        self.core = Owner(json.dumps(config).encode())
        self.shell = Shell(
            epoch=self.epoch,
            writer=self.number * 1000 + self.epoch,
            outside=self.directory,
            load=self.store.load,
        )
        self.pending = {name: Pending(f"{self.number}.{self.epoch}") for name in self.relays}
        for edge in edges:
            if edge.alive:
                self.attach(edge)
        for key in list(self.store.rows):
            found = self.store.load(key)
            assert found is not None
            commands = self.shell.adopt(key, found, self.clock.now)
            self.say(commands)
        self.turn()

    def attach(self, edge: SimEdge) -> None:
        self.edges[edge.number] = edge
        self.core.link_up(edge.number, self.clock.now)
        edge.link(self.number, lambda frame: self.soon(lambda: self.frame(edge.number, frame)))
        self.flush()

    def detach(self, edge: SimEdge) -> None:
        if self.edges.pop(edge.number, None) is not None and self.alive:
            self.core.link_down(edge.number, self.clock.now)

    def soon(self, do: Callable[[], None]) -> None:
        self.clock.after(100, lambda: self.do(do))

    def do(self, what: Callable[[], None]) -> None:
        """Runs unless dead; waits while hung."""
        if not self.alive:
            return
        if self.paused:
            self.queued.append(what)
            return
        try:
            what()
        except Killed:
            self.alive = False

    def frame(self, edge: int, frame: bytes) -> None:
        if edge not in self.edges:
            return
        self.core.handle(edge, frame, self.clock.now)
        self.turn()

    def turn(self) -> None:
        """What the service does in one turn of its loop, with a store that takes its time."""
        self.core.advance(self.clock.now)
        self.shell.offer(
            [as_user(event) for event in boundary.read_events(self.core.drain())], self.clock.now
        )
        self.shell.tick(self.clock.now)
        self.ask_again()
        batch = self.shell.decide(self.clock.now)
        if batch is not None:
            for command in self.shell.ahead(batch, self.clock.now):
                self.say([command])
                self.point()
            self.save(batch)
        self.flush()
        self.rearm()

    def save(self, batch: Batch) -> None:
        self.point()
        if not batch.saves:
            self.say(self.shell.committed(batch, [], self.clock.now))
            self.shell.sent(batch)
            return
        outcomes = self.store.save(batch.saves)
        if self.faults.save_timeouts and self.clock.random.random() < self.faults.save_timeouts:
            self.clock.after(
                50 * MS, lambda: self.do(lambda: self.saved(batch, self.store.save(batch.saves)))
            )
            return
        self.clock.after(SAVE_DELAY, lambda: self.do(lambda: self.saved(batch, outcomes)))

    def saved(self, batch: Batch, outcomes: list[bool]) -> None:
        self.point()
        for command in self.shell.committed(batch, outcomes, self.clock.now):
            self.say([command])
            self.point()
        self.ask()
        self.shell.sent(batch)
        self.turn()

    def say(self, commands: list[boundary.Command]) -> None:
        if commands:
            self.core.run(boundary.write_commands(commands), self.clock.now)
            self.flush()
        self.ask()

    # -- the relay

    def moves(self, old: str, new: str) -> None:
        """As the node does when it has given a relay up."""
        self.shell.choose = lambda hosts: new
        for key in self.shell.relayed.of(old):
            self.shell.queue(key, Moved(new, "it is gone", self.clock.now))
        self.turn()

    def ask(self) -> None:
        """Asks the relay what was decided to be asked."""
        questions, self.shell.questions[:] = list(self.shell.questions), []
        for question in questions:
            asked = self.pending.get(question.relay)
            datagram = asked.ask(question, self.clock.now) if asked is not None else None
            if datagram is None:
                self.answer(question, None)
            else:
                self.hears(question.relay, datagram)

    def ask_again(self) -> None:
        for name, asked in self.pending.items():
            again, lapsed = asked.tick(self.clock.now)
            for datagram in again:
                self.hears(name, datagram)
            for question in lapsed:
                self.answer(question, None)

    def hears(self, name: str, datagram: bytes) -> None:
        self.relays[name].hear(datagram, lambda answer: self.heard(name, answer))

    def heard(self, name: str, datagram: bytes) -> None:
        self.do(lambda: self.hear(name, datagram))

    def hear(self, name: str, datagram: bytes) -> None:
        found = self.pending[name].heard(datagram)
        if found is None:
            return
        question, told = found
        if question is not None:
            self.answer(question, told)
        elif (event := unasked(told, self.clock.now)) is not None:
            self.shell.queue(told.call, event)
        self.turn()

    def answer(self, question: Question, told: Told | None) -> None:
        if (event := outcome(question, told)) is not None:
            self.shell.queue(question.call, event)
            self.soon(self.turn)

    def flush(self) -> None:
        for number, frame in self.core.output():
            edge = self.edges.get(number)
            if edge is not None:
                data = bytes(frame)
                self.clock.after(100, partial(edge.down, self.number, data))

    def rearm(self) -> None:
        relays = [asked.wake_at() for asked in self.pending.values()]
        wakes = (self.core.wake_at(), self.shell.wake_at(), *relays)
        due = [at for at in wakes if at]
        if due and (
            not self.woken_at or min(due) < self.woken_at or self.woken_at <= self.clock.now
        ):
            self.woken_at = min(due)
            self.clock.at(max(min(due), self.clock.now + MS), lambda: self.do(self.wake))

    def wake(self) -> None:
        self.woken_at = 0
        self.turn()

    def resume(self) -> None:
        self.paused = False
        queued, self.queued = self.queued, []
        for what in queued:
            self.do(what)
        self.do(self.turn)


def as_user(event: boundary.Event) -> boundary.Event:
    """Phones here are trusted by address; calls know them as users."""
    if isinstance(event, Request) and event.trust.startswith("trunk:"):
        return replace(event, trust=f"user:{event.from_.split(':')[1].split('@')[0]}@sim")
    return event


def flow_of(edge: int, host: str, transport: int, connection: int) -> Flow:
    return Flow(edge, connection, transport, 0 if transport == boundary.UDP else 1, host, 5060)


def frame_length(frame: bytes) -> int:
    return int(struct.unpack_from("<I", frame)[0])


__all__ = ["SECOND", "Directory", "Killed", "SimNode"]
