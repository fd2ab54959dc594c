"""The call node as one object: its rooms, what they say to each other, its start and its end. Adapters come from wiring."""

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tandem import boundary
from tandem.boundary import Command, EdgeDown, EdgeUp, Request
from tandem.boundary import Event as Heard
from tandem.calls.commands import stateless
from tandem.calls.model import options, originate
from tandem.calls.model.admission import Admission
from tandem.calls.model.inquiry import ELSEWHERE, unasked
from tandem.calls.model.media import is_of
from tandem.calls.model.text import display_of, quoted
from tandem.calls.service import Service
from tandem.calls.shell import Shell
from tandem.log import log
from tandem.media.fleet import Fleet
from tandem.media.model.members import Member
from tandem.media.model.ng import Question, Told
from tandem.media.model.regions import Regions
from tandem.media.service import Heard as Answer
from tandem.messages.service import Messages
from tandem.names.model import Place
from tandem.node.directory import Directory
from tandem.node.mover import Mover
from tandem.node.tally import Tally
from tandem.ports import Store
from tandem.records.model import QUALITY_STREAM, Measured, Quality, write
from tandem.routing.model.plan import Refusal
from tandem.trunks.service import Trunks

ROWS = "c/"  # calls' keys in the store begin so
DRAINING = "n/draining"  # the row that says so
RELAYS_DRAINING = (
    "n/relays-draining"  # relays that take no new calls, by name: whether those that they have move
)


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1_000


class Process:
    """Everything but the control socket. `core` is tandem._core.Node, not yet open to edges."""

    def __init__(
        self,
        *,
        core: Any,
        store: Store,
        epoch: int,
        directory: Directory,
        admission: Admission,
        keyed: bytes,
        node: int = 1,
        relays: Sequence[Member] = (),
        regions: Regions | None = None,
        run: Path = Path(),
    ) -> None:
        """`keyed`: the secret of keyed hashes, which spread what would otherwise happen at once; `relays`: the media relays
        that calls can take; `run`: where sockets are."""
        self.core, self.store, self.epoch, self.directory = core, store, epoch, directory
        self.admission, self.keyed = admission, keyed
        self.started_at = now_us()
        self.adopted = False  # what the last process left is settled
        self.drain_changed: Callable[[], None] = lambda: None
        self.missed: Callable[[Place], None] = lambda place: None  # a carrier's server failed
        self.edges: dict[int, EdgeUp] = {}
        self.tally = Tally()
        self.shell = Shell(
            node=node,
            epoch=epoch,
            writer=self.started_at,
            outside=directory,
            load=self.load,
            admission=admission,
        )
        self.shell.other = self.heard
        self.fleet = (
            Fleet(
                relays, run=run, name=f"{node}.{epoch}", heard=self.related, calls=self.relayed,
                changed=self.relay_changed, now=now_us, regions=regions,
            )
            if relays
            else None
        )  # fmt: skip
        self.service = Service(
            core=core, rows=self, shell=self.shell, now=now_us, seen=self.seen,
            relay=self.ask_relays if self.fleet is not None else None,
        )  # fmt: skip
        if self.fleet is not None:
            self.shell.choose = self.fleet.choose
            self.mover = Mover(service=self.service, fleet=self.fleet, now=now_us)
        self.messages = Messages(
            store=store,
            epoch=epoch,
            writer=self.started_at,
            reach=self.addressee,
            contacts=directory.contacts,
            say=self.service.say,
            now=now_us,
        )
        self.trunks = Trunks(
            store=store,
            epoch=epoch,
            writer=self.started_at,
            places=directory.places,
            missed=lambda place: self.missed(place),
            hash=self.hash,
            fresh=lambda: originate.call_id(secrets.randbits(65)),
            say=self.service.say,
            now=now_us,
        )

    def hash(self, text: str, number: int) -> int:
        """A keyed hash."""
        digest = hashlib.blake2b(f"{text} {number}".encode(), key=self.keyed, digest_size=7)
        return int.from_bytes(digest.digest(), "big")

    # -- rows of calls, under their own prefix

    def load(self, key: str) -> tuple[int, int, bytes] | None:
        found = self.store.load(ROWS + key)
        return (found[0], found[1], found[3]) if found else None

    def save(
        self, saves: list[tuple[str, int, int, int, int, bytes | None, list[tuple[str, bytes]]]]
    ) -> list[bool]:
        return self.store.save([(ROWS + key, *rest) for key, *rest in saves]) if saves else []  # type: ignore[misc]

    def rows(self) -> list[tuple[str, bytes]]:
        return [(key[len(ROWS) :], row) for key, row in self.store.scan(ROWS)]

    # -- start

    def adopt(self) -> int:
        """Settles what the last process left; before any edge is heard. How many calls there were."""
        commands: list[Command] = []
        rows = self.rows()
        for key, _ in rows:
            if (found := self.load(key)) is not None:
                commands += self.shell.adopt(key, found, now_us())
        self.core.run(boundary.write_commands(commands))
        self.messages.adopt()
        self.trunks.adopt()
        self.adopted = True
        self.admission.draining = self.store.load(DRAINING) is not None
        if self.fleet is not None:
            wishes = drained(self.store.load(RELAYS_DRAINING))
            self.fleet.draining = set(wishes)
            self.fleet.leaving = {name for name, move in wishes.items() if move}
        return len(rows)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        adopted = self.adopt()
        self.core.open()
        if self.fleet is not None:
            self.fleet.start(loop)
        self.service.start(loop)
        log.info(
            "node started",
            epoch=self.epoch,
            calls=adopted,
            milliseconds=(now_us() - self.started_at) // 1000,
        )

    def reasons(self) -> list[str]:
        """Why this node is not ready; empty when it is."""
        found = [] if self.edges else ["no edge is connected"]
        if self.service.stuck is not None:
            found.append("the journal refuses writes")
        if self.draining:
            found.append(f"the node is draining: {len(self.shell.active)} calls are left")
        return found

    # -- drain

    @property
    def draining(self) -> bool:
        return self.admission.draining

    def drain(self, *, on: bool) -> None:
        """Takes no new calls and registrations, or takes them again. An heir of a node that was killed drains too."""
        row = b"1" if on else None
        if on or self.store.load(DRAINING) is not None:
            self.store.put([(DRAINING, row, 0)])
        if on != self.admission.draining:
            self.admission.draining = on
            log.info(
                "node drains" if on else "node takes calls again", calls=len(self.shell.active)
            )
            self.drain_changed()

    def stopped(self) -> None:
        """A node that was stopped on purpose starts afresh."""
        if self.fleet is not None:
            self.fleet.stop()
        if self.store.load(DRAINING) is not None:
            self.store.put([(DRAINING, None, 0)])

    # -- the media relays

    def relayed(self) -> dict[str, int]:
        """How many calls each relay has."""
        assert self.fleet is not None
        found: dict[str, int] = {}
        for name, calls in self.shell.relayed.by.items():
            found[self.fleet.named(name)] = found.get(self.fleet.named(name), 0) + len(calls)
        return found

    def ask_relays(self, questions: list[Question]) -> None:
        assert self.fleet is not None
        self.fleet.ask(questions)
        self.mover.asked(questions)

    def relay_changed(self, relay: str, up: bool) -> None:
        self.mover.changed(relay, up)

    def drain_relay(self, relay: str, *, on: bool, move: bool = False) -> int:
        """It takes no new calls, or takes them again; with `move` its calls leave it. How many it has."""
        assert self.fleet is not None
        fleet = self.fleet
        fleet.draining = fleet.draining | {relay} if on else fleet.draining - {relay}
        fleet.leaving = fleet.leaving | {relay} if on and move else fleet.leaving - {relay}
        wishes = {name: name in fleet.leaving for name in sorted(fleet.draining)}
        row = json.dumps(wishes).encode() if wishes else None
        if row is not None or self.store.load(RELAYS_DRAINING) is not None:
            self.store.put([(RELAYS_DRAINING, row, 0)])
        if on and move:
            return self.mover.leave(relay, gone=False)
        self.mover.stay(relay, gone=False)
        return len(self.mover.calls(relay))

    def is_of(self, relay: str, call: str) -> bool:
        """Whether this call's media passes there now: what is told of one that it has left is old."""
        live = self.shell.find(call)
        media = live.call.media if live is not None and live.call is not None else None
        return (
            media is not None and self.fleet is not None and self.fleet.named(media.relay) == relay
        )

    def related(self, relay: str, heard: list[Answer]) -> None:
        """What a relay has answered, or told of itself."""
        at = now_us()
        measured: list[bytes] = []
        for question, told in heard:
            if question is not None:
                self.service.tell_call(question, told)
                if told is not None and told.quality:
                    streams = tuple(stream.as_quality() for stream in told.quality)
                    self.learn(relay, question.call, streams)
                    self.tally.add(streams)
                    measured.append(write(Measured(question.call, at, streams)))
            elif told is not None and self.is_of(relay, told.call):
                self.hear_of(relay, told, at)
        if measured:
            self.store.append(QUALITY_STREAM, measured)
        self.service.commit()

    def hear_of(self, relay: str, told: Told, at: int) -> None:
        """A relay tells of a party's media unasked."""
        event = unasked(told, at)
        if event is None:
            return
        if told.event in ELSEWHERE and self.mover.rescue(told.call, relay, event.why):
            return
        self.shell.queue(told.call, event)

    def learn(self, relay: str, call: str, streams: Sequence[Quality]) -> None:
        """How far this relay was from the call's phones."""
        live = self.shell.find(call)
        if self.fleet is None or live is None or live.call is None or not self.fleet.regions.rows:
            return
        for stream in streams:
            leg = next((leg for leg in live.call.legs if is_of(leg, stream.leg)), None)
            if leg is not None and stream.rtt_ms:
                region = self.fleet.regions.of(leg.flow.host)
                self.fleet.regions.heard(region, relay, stream.rtt_ms)

    # -- what belongs to no call

    def seen(self, events: list[Heard]) -> None:
        """Servers of carriers that refuse, are silent or cannot be reached are tried last for a while (RFC 3263 4.3)."""
        for event in events:
            match event:
                case boundary.Response(status=503, call=call, n=n):
                    self.miss(call, n)
                case (
                    boundary.TimedOut(server=False, call=call, txn=n)
                    | boundary.Failed(server=False, call=call, txn=n)
                ):
                    self.miss(call, n)

    def miss(self, call: str, n: int) -> None:
        live = self.shell.find(call)
        clients = live.call.clients if live is not None and live.call is not None else ()
        client = next((client for client in clients if client.n == n), None)
        if client is None or client.method != "INVITE" or client.flow.connection:
            return
        assert live is not None and live.call is not None
        if any(leg.name == client.leg and leg.trunk for leg in live.call.legs):
            self.missed(Place(client.flow.transport, client.flow.host, client.flow.port))

    def heard(self, event: Heard) -> list[Command] | None:
        match event:
            case EdgeUp():
                self.edges[event.edge] = event
                log.info("edge is up", edge=event.edge)
                return []
            case EdgeDown():
                self.edges.pop(event.edge, None)
                log.warning("edge is down", edge=event.edge)
                return []
            case boundary.FlowClosed() | boundary.Acked():
                return []
            case boundary.Answers(aor=aor, flow=flow, answers=answers):
                where = f"{flow.host}:{flow.port}"
                log.info(
                    "phone answers again" if answers else "phone does not answer",
                    phone=aor,
                    at=where,
                )
                return []
            case Request(method="SUBSCRIBE"):
                return [stateless(event, 489)]
            case Request(method="OPTIONS", to_tag=""):
                plan, _ = self.directory.place(event)
                return [stateless(event, *options.answer(event, plan))]
        said = self.trunks.heard(event)
        return said if said is not None else self.messages.heard(event)

    def addressee(self, request: Request) -> tuple[str, str] | int:
        """(address of record, From value) of a MESSAGE, by the same tables as calls."""
        plan, _ = self.directory.place(request)
        if isinstance(plan, Refusal):
            return plan.status
        target = next((t for stage in plan.stages for t in stage if t.kind == "user"), None)
        if target is None:
            return 405
        name = plan.caller_name or display_of(request.from_)
        who = (
            plan.caller
            if "@" in plan.caller
            else f"{plan.caller_number}@{target.aor.partition('@')[2]}"
        )
        return target.aor, f"{quoted(name)} <sip:{who}>".strip()


def core_config(
    *, node: int, epoch: int, keys: dict[str, Any], now: Callable[[], int] = now_us
) -> bytes:
    """What tandem._core.Node is made with."""
    return json.dumps(
        {"node_id": node, "incarnation": now(), "epoch": epoch, "keys": keys}
    ).encode()


def drained(row: tuple[int, int, int, bytes] | None) -> dict[str, bool]:
    """The names in the row of drained relays, and whether their calls go to others."""
    return dict(json.loads(row[3])) if row is not None else {}
