"""What the shell reads out of a call's row: its records, its connections, its mark; and a row brought back to life. Pure."""

from msgspec import msgpack
from msgspec.structs import replace

from tandem.boundary import Failed, Flow
from tandem.calls.batch import Live
from tandem.calls.model.call import ENDED, SETUP, STORY_EVENTS, Call, Leg, Row
from tandem.calls.model.lost import unacked as unacked
from tandem.calls.model.step import Stepped
from tandem.records import model as records

_decode = msgpack.Decoder(Row).decode


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
        if call.media is not None and call.media.waits:
            call = replace(call, media=call.media.doubted())
    return Live(call, version, row.outbox, row.heard)


def setup_of(call: Call) -> tuple[str, str, int, str] | None:
    """What a merged copy of the call's INVITE has in common with it (RFC 3261 8.2.2.2)."""
    caller = call.caller
    tag = caller.from_.rpartition("tag=")[2].split(";")[0]
    server = next((s for s in call.servers if s.txn == call.invite), None)
    return (server.call_id, tag, caller.cseq, caller.uri) if server is not None else None


def taken_over(call: Call, at: int, node: int, how: str) -> tuple[Call, records.CallEvent]:
    """The story of a call that a new owner goes on with."""
    note = records.CallEvent(at, call.id, call.tenant, "adopted", how, node)
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
    now |= {
        (s.flow.edge, s.flow.connection) for s in call.servers if s.flow.connection and unacked(s)
    }
    return now


def leg_of(call: Call, failed: Failed) -> Leg | None:
    """The leg whose request or answer could not be sent."""
    if failed.server:
        server = next((s for s in call.servers if s.txn == failed.txn), None)
        name = (server.leg or call.bridge[0]) if server else ""
    else:
        name = next((c.leg for c in call.clients if c.n == failed.txn), "")
    return next((leg for leg in call.legs if leg.name == name), None)


def unwatch(flows: dict[tuple[int, int], set[str]], flow: tuple[int, int], key: str) -> None:
    """A call waits no longer for anything on this connection."""
    if flow in flows:
        flows[flow].discard(key)
        if not flows[flow]:
            del flows[flow]
