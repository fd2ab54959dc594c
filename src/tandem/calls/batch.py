"""What the shell holds of a call between two saves, what one group commit is, and what the shell asks of other rooms."""

from typing import Protocol

from msgspec import Struct, msgpack
from msgspec.structs import replace

from tandem.boundary import Command, Flow, Request, Response
from tandem.calls.model.call import ENDED, SETUP, STORY_EVENTS, Call, Contact, Effect, Row
from tandem.calls.model.step import Event, Stepped
from tandem.records import model as records
from tandem.routing.model.plan import Plan, Refusal

_decode = msgpack.Decoder(Row).decode


class Save(Struct, frozen=True):
    """One row to be saved, compare-and-set on epoch and version, with the records that belong to it."""

    key: str
    epoch: int
    version: int
    writer: int
    expires_at: int
    row: bytes | None
    logs: list[tuple[str, bytes]]


class Outside(Protocol):
    """What the shell asks of other rooms, synchronously and without side effects."""

    def place(self, request: Request) -> tuple[Plan | Refusal, dict[str, tuple[Contact, ...]]]: ...
    def elsewhere(
        self, call: Call, cause: Response | Request
    ) -> tuple[Plan | Refusal, dict[str, tuple[Contact, ...]]]: ...
    def contacts(self, aor: str) -> tuple[Contact, ...]: ...


class Live:
    """A call that this node owns, between two saves."""

    __slots__ = (
        "adopted_at",
        "call",
        "done",
        "due",
        "flows",
        "heard",
        "in_flight",
        "outbox",
        "told",
        "version",
        "waiting",
    )

    def __init__(
        self,
        call: Call | None,
        version: int,
        outbox: tuple[Effect, ...] = (),
        heard: tuple[tuple[str, int], ...] = (),
    ) -> None:
        self.call = call
        self.version = version
        self.outbox = outbox
        self.heard = heard
        self.done = False  # the outbox has reached the edges
        self.in_flight = False
        self.waiting: list[Event] = []
        self.due = 0
        self.adopted_at = 0  # when it was taken over, until its story tells so
        self.told: set[int] = set()  # words in the outbox that their receivers have saved
        self.flows: set[tuple[int, int]] = set()  # connections on which something is open


class Batch(Struct):
    """One group commit: what to save, and what to do when it is saved."""

    saves: list[Save]
    lives: list[Live]
    effects: list[tuple[Effect, ...]]
    taken: list[list[tuple[int, int]]]
    loose: list[Command]  # commands of events that changed no row
    words: list[list[tuple[str, int]]] = []  # what each row has heard from others with this save


def on(flow: Flow, connection: tuple[int, int]) -> bool:
    """Whether a flow is this (edge, connection)."""
    return (flow.edge, flow.connection) == connection


def revive(found: tuple[int, int, bytes], epoch: int) -> Live:
    """A row of the store (epoch, version, bytes) as this owner goes on with it."""
    written, version, data = found
    row = _decode(data)
    call = row.call
    if written < epoch:
        call = replace(call, takeovers=call.takeovers + 1)
    return Live(call, version, row.outbox, row.heard)


def setup_of(call: Call) -> tuple[str, str, int, str] | None:
    """What a merged copy of the call's INVITE has in common with it (RFC 3261 8.2.2.2)."""
    caller = call.caller
    tag = caller.from_.rpartition("tag=")[2].split(";")[0]
    server = next((s for s in call.servers if s.txn == call.invite), None)
    return (server.call_id, tag, caller.cseq, caller.uri) if server is not None else None


def taken_over(call: Call, at: int, node: int) -> tuple[Call, records.CallEvent]:
    """The story of a call that a new owner goes on with."""
    note = records.CallEvent(at, call.id, call.tenant, "adopted", "the call node died", node)
    return replace(call, story=(*call.story, note)[:STORY_EVENTS]), note


def logs_of(stepped: Stepped) -> list[tuple[str, bytes]]:
    """The records that belong into the save of a step: (stream, record)."""
    logs = [(records.EVENT_STREAM, records.write(note)) for note in stepped.notes]
    call = stepped.call
    if stepped.cdr is not None:
        logs.append((records.CDR_STREAM, records.write(stepped.cdr)))
    if stepped.notes and call is not None and call.state == ENDED:
        story = records.Story(call.id, call.tenant, call.story)
        logs.append((records.STORY_STREAM, records.write(story)))
    return logs


def flows_of(call: Call) -> set[tuple[int, int]]:
    """The connections (edge, number) on which something of this call is open."""
    now = {
        (client.flow.edge, client.flow.connection)
        for client in call.clients
        if client.flow.connection and not client.ended_at
    }
    server = next((s for s in call.servers if s.txn == call.invite), None)
    if call.state == SETUP and server is not None and server.flow.connection:
        now.add((server.flow.edge, server.flow.connection))
    return now
