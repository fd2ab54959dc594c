"""Settle, step, save, do: everything around `step` except sockets, clocks and the store itself. Deterministic.

`offer` takes events, `decide` steps the calls that have some and gives one batch of saves, `committed` takes the store's
answer and gives the commands. One save of a row is in flight at a time; what arrives meanwhile waits and is stepped together.
"""

from collections.abc import Callable
from heapq import heappop, heappush

from msgspec import msgpack

from tandem.boundary import (
    Acked,
    Answers,
    Command,
    EdgeDown,
    EdgeUp,
    Failed,
    FlowClosed,
    Request,
    Response,
    TimedOut,
)
from tandem.boundary import Event as Heard
from tandem.calls import rows
from tandem.calls.batch import Batch, Following, Live, Outside, Save
from tandem.calls.commands import last_words, rearm, said, stateless, taken_of
from tandem.calls.flows import Flows
from tandem.calls.model import timers
from tandem.calls.model.admission import Admission, retry_after
from tandem.calls.model.call import ENDED, SCHEMA, SETUP, Effect, Row
from tandem.calls.model.events import FlowLost, Lapsed, Placed, Rerouted, Ticked
from tandem.calls.model.step import Event, step
from tandem.calls.relayed import Relayed, hosts_of
from tandem.calls.words import Words, fresh, left_over, numbers
from tandem.media.model.ng import Question
from tandem.records import model as records
from tandem.routing.model.plan import Plan

DECODED_ROWS = 1_024  # calls kept decoded; others are read from the store when they are needed
EVENTS_PER_CALL = 256  # waiting while a save is in flight; a peer that sends more is not heard

_encode = msgpack.Encoder().encode


class Shell:
    """One node's calls. `load(key)` reads a row from the store: (epoch, version, bytes) or None."""

    def __init__(
        self,
        *,
        epoch: int,
        node: int = 0,
        writer: int,
        outside: Outside,
        load: Callable[[str], tuple[int, int, bytes] | None],
        admission: Admission | None = None,
    ) -> None:
        self.epoch = epoch
        self.node = node
        self.died = "the call node died"  # how the owner before this one ended
        self.writer = writer
        self.outside = outside
        self.load = load
        self.admission = admission or Admission()
        self.live: dict[str, Live] = {}
        self.ready: dict[str, Live] = {}  # calls with something to step, in order of arrival
        self.seqs: dict[str, list[tuple[int, int]]] = {}
        self.loose: list[Command] = []
        self.loose_taken: list[tuple[int, int]] = []
        self.questions: list[Question] = []  # to the relay: whoever says commands asks them too
        self.dues: dict[str, int] = {}
        self.timers: list[tuple[int, str]] = []  # may hold times that are no longer wanted
        self.flows = Flows(self.find, self.queue, self.failure)
        self.active: set[str] = set()  # calls that have not ended
        self.usage: dict[str, set[str]] = {}  # calls by limit name
        # INVITEs being set up: for merged requests
        self.setups: dict[tuple[str, str, int, str], str] = {}
        self.words = Words(self.find)
        self.choose: Callable[[list[str]], str] = lambda hosts: ""  # a relay for who is there
        self.relayed = Relayed()
        self.other: Callable[[Heard], list[Command] | None] | None = None  # what belongs to no call

    # -- events in

    def offer(self, events: list[Heard], now: int) -> None:
        for event in events:
            match event:
                case Request() | Response() | Acked():
                    self.message(event)
                case Failed():
                    self.failure(event)
                case TimedOut():
                    if self.find(event.call) is not None:
                        self.queue(event.call, event)
                    else:
                        self.elsewhere(event)
                case FlowClosed():
                    self.flows.gone(event.at, event.edge, event.connection)
                case EdgeUp() | EdgeDown() | Answers():
                    if isinstance(event, EdgeUp):
                        self.flows.edge_up(event)
                    self.elsewhere(event)

    def elsewhere(self, event: Heard) -> bool:
        """Gives what belongs to no call to the other rooms; false when none of them knows it."""
        said = self.other(event) if self.other is not None else None
        self.loose += said or []
        return said is not None

    def message(self, event: Request | Response | Acked) -> None:
        edge = event.flow.edge if not isinstance(event, Acked) else event.edge
        if event.call:
            found = self.find(event.call)
            if found is not None:
                self.seqs.setdefault(event.call, []).append((edge, event.seq))
                self.queue(event.call, self.informed(found, event))
                return
        if isinstance(event, Request) and event.method == "INVITE" and not event.to_tag:
            self.place(event, edge)
            return
        if not self.elsewhere(event) and isinstance(event, Request):
            self.loose.append(
                stateless(event, 481 if event.to_tag or event.method == "CANCEL" else 405)
            )
        self.loose_taken.append((edge, event.seq))

    def place(self, request: Request, edge: int) -> None:
        plan, contacts = self.outside.place(request)
        if why := self.admission.refuses(plan, len(self.active)):
            self.loose.append(stateless(request, 503, retry_after(why, request.txn)))
            self.loose_taken.append((edge, request.seq))
            return
        self.active.add(request.call)
        names = [limit for limit in plan.limits] if isinstance(plan, Plan) else []
        full = tuple(
            limit.name for limit in names if len(self.usage.get(limit.name, ())) >= limit.most
        )
        key = (request.call_id, request.from_tag, request.cseq, request.uri)
        merged = self.setups.get(key, request.call) != request.call
        self.live[request.call] = Live(None, 0)
        self.seqs.setdefault(request.call, []).append((edge, request.seq))
        passes = isinstance(plan, Plan) and plan.media
        relay = self.choose(hosts_of(request, contacts)) if passes else ""
        self.queue(request.call, Placed(request, plan, contacts, full, merged, relay))
        self.setups.setdefault(key, request.call)
        for limit in names:
            self.usage.setdefault(limit.name, set()).add(request.call)

    def informed(self, live: Live, event: Request | Response | Acked) -> Event:
        """An event together with what other rooms know, where the step will need it."""
        call = live.call
        if call is None:
            return event
        if isinstance(event, Response) and 300 <= event.status < 400 and call.state == SETUP:
            return Rerouted(event, *self.outside.elsewhere(call, event))
        if isinstance(event, Request) and event.method == "REFER" and "refer-to" in event.special:
            return Rerouted(event, *self.outside.elsewhere(call, event))
        return event

    def failure(self, event: Failed) -> None:
        live = self.find(event.call)
        if live is None or live.call is None:
            self.elsewhere(event)
            return
        leg = rows.leg_of(live.call, event)
        if leg is not None and leg.aor:
            self.queue(event.call, FlowLost(event, self.outside.contacts(leg.aor)))
        else:
            self.queue(event.call, event)

    def tick(self, now: int) -> None:
        """Wakes the calls whose time has come."""
        while self.timers and self.timers[0][0] <= now:
            due, key = heappop(self.timers)
            if self.dues.get(key) == due:
                del self.dues[key]
                self.flows.look_for_phones(key, now)
                self.queue(key, Ticked())

    def wake_at(self) -> int:
        """The time of the next tick; 0: none."""
        while self.timers and self.dues.get(self.timers[0][1]) != self.timers[0][0]:
            heappop(self.timers)
        return self.timers[0][0] if self.timers else 0

    def queue(self, key: str, event: Event) -> None:
        live = self.find(key)
        if live is None or len(live.waiting) >= EVENTS_PER_CALL:
            return
        live.waiting.append(event)
        self.ready[key] = live

    def find(self, key: str) -> Live | None:
        live = self.live.get(key)
        if live is None and key:
            found = self.load(key)
            if found is not None:
                live = self.live[key] = rows.revive(found, self.epoch)
        return live

    # -- step and save

    def decide(self, now: int) -> Batch | None:
        """Steps every call that has events and no save in flight."""
        for key, live, event in self.words.deliver():
            live.waiting.append(event)
            self.ready[key] = live
        batch = Batch([], [], [], [], self.loose, [])
        held: dict[str, Live] = {}
        for key, live in self.ready.items():
            if live.in_flight:
                held[key] = live
                continue
            self.decide_one(key, live, now, batch)
        self.ready = held
        if self.loose_taken:
            batch.loose = [*batch.loose, *taken_of(self.loose_taken)]
        self.loose, self.loose_taken = [], []
        return batch if batch.saves or batch.loose or batch.following else None

    def decide_one(self, key: str, live: Live, now: int, batch: Batch) -> None:
        told = numbers(live.waiting)
        (events, heard), live.waiting = fresh(live, live.waiting), []
        before, call = live.call, live.call
        effects: list[Effect] = []
        logs: list[tuple[str, bytes]] = []
        if live.adopted_at and call is not None:
            call, note = rows.taken_over(call, live.adopted_at, self.node, self.died)
            logs.append((records.EVENT_STREAM, records.write(note)))
            live.adopted_at = 0
        follows = bool(events)
        for event in events:
            stepped = step(call, event, now)
            call, follows = stepped.call, follows and stepped.follows
            effects += stepped.effects
            logs += rows.logs_of(stepped)
        if call is None or (
            not effects and not logs and call == before and heard == dict(live.heard)
        ):
            self.words.heard(told)
            self.loose_taken += self.seqs.pop(key, [])
            self.schedule(key, live)
            return
        if follows and not logs:
            new = last_words(effects, live.version, self.epoch)
            live.outbox, live.done = (*live.outbox, *new), False
            live.call, live.mark, live.unsaved = call, live.mark + 1, True
            batch.following.append(Following(key, live, new, live.mark))
            self.schedule(key, live)
            return
        version = live.version + 1
        new = last_words(effects, version, self.epoch)
        live.outbox, live.heard = (*left_over(live, call, now), *new), tuple(heard.items())
        live.call, live.version, live.done = call, version, False
        live.in_flight, live.mark, live.unsaved = True, live.mark + 1, False
        row = _encode(Row(SCHEMA, call, live.outbox, live.heard))
        batch.saves.append(
            Save(key, self.epoch, version, self.writer, timers.expires(call), row, logs)
        )
        batch.lives.append(live)
        batch.marks.append(live.mark)
        batch.effects.append(new)
        batch.words.append(told)
        batch.taken.append(self.seqs.pop(key, []))

    # -- do

    def committed(self, batch: Batch, outcomes: list[bool], now: int) -> list[Command]:
        """What to say, now that it is saved. A refused save means another owner: this call is his."""
        commands: list[Command] = list(batch.loose)
        taken: list[tuple[int, int]] = []
        for save, live, effects, seqs, words, good in zip(
            batch.saves, batch.lives, batch.effects, batch.taken, batch.words, outcomes, strict=True
        ):
            live.in_flight = False
            if not good:
                self.drop(save.key)
                continue
            assert live.call is not None
            commands += said(live.call, effects, now, self.questions)
            taken += seqs
            self.words.said(save.key, effects)
            self.words.heard(words)
            self.schedule(save.key, live)
            if live.waiting:
                self.ready[save.key] = live
        return commands + taken_of(taken)

    def ahead(self, batch: Batch, now: int) -> list[Command]:
        """What to say before the batch is saved."""
        commands: list[Command] = []
        for one in batch.following:
            assert one.live.call is not None
            commands += said(one.live.call, one.effects, now, self.questions)
        return commands

    def sent(self, batch: Batch) -> None:
        """The edges have everything: the next save leaves these effects out. A call that is over is left to the store."""
        for save, live, mark in zip(batch.saves, batch.lives, batch.marks, strict=True):
            self.reached(save.key, live, mark)
        for one in batch.following:
            self.reached(one.key, one.live, one.mark)

    def reached(self, key: str, live: Live, mark: int) -> None:
        later = live.in_flight or live.waiting or live.mark != mark
        if later or self.live.get(key) is not live:
            return
        live.done = True
        over = live.call is not None and live.call.state == ENDED and not live.unsaved
        if over and not live.flows:
            del self.live[key]

    def schedule(self, key: str, live: Live) -> None:
        """Notes when the call wants to be woken, and what it no longer uses."""
        call = live.call
        if call is None:
            return
        due = timers.due(call)
        if due:
            if self.dues.get(key) != due:
                self.dues[key] = due
                heappush(self.timers, (due, key))
        else:
            self.dues.pop(key, None)
        if call.state != SETUP and self.setups and (mark := rows.setup_of(call)) is not None:
            self.setups.pop(mark, None)
        self.flows.watch(key, live, call)
        self.relayed.watch(key, call)
        if call.state == ENDED:
            self.active.discard(key)
            for name in call.limits:
                if name in self.usage:
                    self.usage[name].discard(key)
        else:
            self.active.add(key)
        if len(self.live) > DECODED_ROWS:
            self.evict()

    def evict(self) -> None:
        """Forgets decoded calls in which nothing is going on; the store has them."""
        idle = [key for key, live in self.live.items() if live.is_idle]
        for key in idle[: DECODED_ROWS // 2]:
            del self.live[key]

    def drop(self, key: str) -> None:
        self.live.pop(key, None)
        self.active.discard(key)
        self.relayed.drop(key)
        self.dues.pop(key, None)
        self.ready.pop(key, None)
        self.seqs.pop(key, None)

    # -- take over

    def adopt(self, key: str, found: tuple[int, int, bytes], now: int) -> list[Command]:
        """Settles a row of a dead owner: says what it had not said, takes its transactions up, knows its timers."""
        live = self.live[key] = rows.revive(found, self.epoch)
        call = live.call
        assert call is not None
        unsaid = [effect for effect in live.outbox if effect.until > now]
        commands = rearm(call, now, {(effect.do, effect.ref, effect.tag) for effect in unsaid})
        commands += said(call, unsaid, now, self.questions)
        for effect in live.outbox:
            if effect.until <= now and effect.do == "ask":
                self.queue(key, Lapsed(effect.do, effect.ref))
        self.words.said(key, live.outbox)
        if call.state == SETUP and (mark := rows.setup_of(call)) is not None:
            self.setups.setdefault(mark, key)
        for name in call.limits:
            if call.state != ENDED:
                self.usage.setdefault(name, set()).add(key)
        live.done = True
        live.adopted_at = now
        self.schedule(key, live)
        return commands
