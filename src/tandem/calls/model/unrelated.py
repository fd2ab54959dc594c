"""The relay does not answer, refuses, or hears nothing: what becomes of the message that waited, and of the call."""

from msgspec.structs import replace

from tandem.boundary import Response
from tandem.calls.model import described, finish, hangup, media, moving, tell
from tandem.calls.model.call import ENDED, GONE, LINGER, SETUP, TALKING, Client, Effect
from tandem.calls.model.draft import Draft
from tandem.calls.model.events import Unheard, Unrelated
from tandem.calls.model.ways import FAR, OFFER, Wait

AWAY, REFUSED = 503, 488


def unrelated(draft: Draft, event: Unrelated) -> Response | None:
    """Says the message as it is where that can do; else undoes it. A request that cannot go gets the response given back."""
    wait = media.taken(draft, event.n)
    if wait is None:
        return None
    status = REFUSED if event.refused else AWAY
    way = draft.call.media.way(wait.of, wait.to) if draft.call.media is not None else None
    if (
        wait.verb == OFFER
        and way is not None
        and not way.must
        and not wait.body
        and draft.call.moving is None
    ):
        go_directly(draft, wait, event.why)
        return None
    draft.note("no relay", event.why)
    lines = reason(status, event.why)
    match wait.do:
        case "ask":
            return as_if_refused(draft, wait, status, event.why)
        case "respond" if wait.ref in draft.servers:
            response(draft, wait.ref, status, event.why, lines)
        case "ack":
            late_answer(draft, wait, event.why)
        case "tell":
            word(draft, wait, status, event.why)
        case "move":
            moving.unrelated(draft, event.why)
    return None


def reason(status: int, why: str) -> str:
    """RFC 3326."""
    return f'Reason: SIP;cause={status};text="{why}"\r\n'


def go_directly(draft: Draft, wait: Wait, why: str) -> None:
    """The two may reach each other without it."""
    told = draft.call.media
    assert told is not None
    ways = tuple(way for way in told.ways if {way.one, way.other} != {wait.of, wait.to})
    draft.set(media=replace(told, ways=ways))
    draft.note("not relayed", f"{wait.of} and {wait.to}: {why}")
    media.release(draft, wait, b"")


def as_if_refused(draft: Draft, wait: Wait, status: int, why: str) -> Response | None:
    """What the peer would have answered, had it been asked: whoever waits for its answer knows what to do with that."""
    client = draft.clients.get(wait.ref)
    if client is None or client.ended_at:
        return None
    if wait.doubt and client.why == "invite":
        draft.cancel(client.n)
    if draft.call.media is not None:
        draft.set(media=replace(draft.call.media, failed=why))
    return refusal(draft, client, status, why)


def refusal(draft: Draft, client: Client, status: int, why: str) -> Response:
    special = {"reason": [reason(status, why)[8:-2]]}
    leg = draft.legs[client.leg]
    return Response(
        seq=0, at=draft.at, call=draft.call.id, n=client.n, flow=client.flow, status=status, reason="", method=client.method,
        from_=leg.local, to=leg.remote, to_tag="", cseq=client.cseq, record_routes="", contact="", special=special,
        rest="", content_type="", body=b"",
    )  # fmt: skip


def response(draft: Draft, txn: int, status: int, why: str, lines: str) -> None:
    """A response that cannot carry its description."""
    server = draft.servers[txn]
    if server.acked:  # an owner that has died had said it
        draft.servers[txn] = replace(server, message=described.without(server.message))
        return
    if server.status < 200:  # the caller hears its own ringing instead
        draft.servers[txn] = replace(server, message=described.without(server.message))
        draft.effects.append(Effect("respond", txn, until=draft.now + LINGER))
        return
    first = txn == draft.call.invite
    leg = draft.legs.get(draft.call.bridge[0] if first else server.leg)
    draft.respond(txn, status if first else REFUSED, extra=lines, tag=leg.local_tag if leg else "")
    if not first:
        return
    if leg is not None:
        draft.leg(leg.name, state=GONE, bye=False)
    if draft.call.state == TALKING:
        draft.set(answered_at=0, final=status)
        hangup.end_bridge(draft, ended_by="tandem", why=why, extra=lines)


def late_answer(draft: Draft, wait: Wait, why: str) -> None:
    """The far side waits for an answer that it will not get."""
    client = draft.clients.get(wait.ref)
    if client is None:
        return
    acks = tuple(replace(ack, message=described.without(ack.message)) for ack in client.acks)
    draft.clients[client.n] = replace(client, acks=acks)
    draft.effects.append(Effect("ack", client.n, wait.tag, until=draft.now + LINGER))
    hangup.end_bridge(draft, ended_by="tandem", why=why)


def word(draft: Draft, wait: Wait, status: int, why: str) -> None:
    """What another call waits for cannot be said."""
    if draft.call.state == SETUP:
        draft.set(stub="")
        finish.refuse(draft, status, why, extra=reason(status, why), ours=True)
        return
    if draft.call.state != ENDED and draft.call.stub != wait.tag:
        draft.tell(wait.tag, tell.Left("tandem", ""))
    hangup.end_bridge(draft, ended_by="tandem", why=why)


def unheard(draft: Draft, event: Unheard) -> None:
    """Nobody talks at a party: no media has come for the relay's time-out, unless the call is held; or it can never come."""
    if draft.call.state != TALKING:
        return
    legs = [draft.legs[name] for name in draft.call.bridge if name in draft.legs]
    if not event.why and any(leg.held for leg in legs):
        return
    leg = next((leg for leg in legs if media.is_of(leg, event.party)), None)
    if leg is None and event.party != FAR:
        return  # of somebody who has left
    hangup.end_bridge(draft, ended_by="nobody", why=event.why or f"no media from {event.party}")
