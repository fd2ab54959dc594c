"""Requests of ours that got no answer: time-outs, broken connections, effects that an heir found too late."""

from msgspec.structs import replace

from tandem.boundary import Failed, Flow
from tandem.calls.model import finish, hangup, join, places, stub, tell, text, transfer
from tandem.calls.model.call import GONE, LINGER, SETUP, Client, Contact, Effect, Leg, Server
from tandem.calls.model.draft import Draft
from tandem.calls.model.events import Lapsed

ANY_LOCAL = 255  # boundary.md, 2: whichever listening address of the transport
COMES_BACK = 10_000_000  # microseconds: how long a caller waits for a phone to connect again
AGAIN = 500_000  # how often it is looked for


def timed_out(draft: Draft, n: int) -> None:
    """64*T1 without a final response: as if 408 had come (RFC 3261 8.1.3.1)."""
    client = draft.clients.get(n)
    if client is None or client.ended_at:
        return
    draft.close(n)
    if client.why == "notify":
        transfer.notified(draft, client)
        return
    other_half(draft, client, 408)
    attempt = draft.attempts.get(n)
    if client.why == "invite" and attempt is not None:
        unanswered(draft, n, 408, "no response")
        return
    if client.serves in draft.servers and not draft.servers[client.serves].ended_at:
        draft.respond(client.serves, 408)
    leg = draft.legs.get(client.leg)
    if (
        leg is not None
        and leg.state != GONE
        and client.method in ("INVITE", "UPDATE")
        and leg.name in draft.call.bridge
    ):
        draft.leg(leg.name, state=GONE)
        hangup.end_bridge(
            draft, ended_by="nobody", why="the peer does not answer", at=leg.seen_at, proof=True
        )


def other_half(draft: Draft, client: Client, status: int) -> None:
    """Another call waits for what came of this request."""
    if client.why == "told":
        stub.unanswered(draft, client, status)
    elif client.why == "swap" and draft.call.joining is not None:
        join.stays(draft, draft.call.joining, status)
    elif client.why == "bring" and draft.call.transfer is not None:
        draft.tell(draft.call.transfer.call, tell.Left("nobody", ""))
        draft.set(transfer=replace(draft.call.transfer, call=""))
        transfer.over(draft, status)


def unanswered(draft: Draft, n: int, status: int, why: str) -> None:
    attempt = draft.attempts[n]
    if attempt.status >= 200:
        return
    if draft.call.state == SETUP and not attempt.cancelled:
        if finish.by_next_flow(draft, attempt):
            return
        finish.attempt_failed(draft, attempt, status, why)
    else:
        finish.drop(draft, attempt, status)


def failed(draft: Draft, event: Failed, contacts: tuple[Contact, ...]) -> None:
    """The edge could not send. A phone's new connection gets it again, a trunk is connected again; a trunk's failure is a 503 (RFC 3261 8.1.3.1)."""
    if event.server:
        unheard(draft, event.txn, contacts)
        look_again(draft)
        return
    client = draft.clients.get(event.txn)
    if client is not None and not client.ended_at:
        unsent(draft, client, event.why, contacts)
    look_again(draft)


def look_again(draft: Draft) -> None:
    """While a request waits for its phone, the registrar is asked again."""
    waits = any(client.cut and not client.ended_at for client in draft.clients.values()) or any(
        server.cut and unacked(server) for server in draft.servers.values()
    )
    draft.set(look_at=draft.now + AGAIN if waits else 0)


def unacked(server: Server) -> bool:
    """A 2xx to INVITE that its peer may not have heard (RFC 3261 13.3.1.4)."""
    return server.method == "INVITE" and 200 <= server.status < 300 and not server.acked


def unheard(draft: Draft, txn: int, contacts: tuple[Contact, ...]) -> None:
    """A 2xx that has no ACK and no connection: it is said again on the phone's next one, unasked."""
    server = draft.servers.get(txn)
    leg = draft.legs.get((server.leg or draft.call.bridge[0]) if server else "")
    if server is None or leg is None or not leg.aor or not unacked(server):
        return  # other answers wait in their transaction; the peer's next message brings a flow
    since = server.cut or draft.now
    found = [
        c for c in places.phone_of(leg, contacts) if c.flow != server.flow and c.flow.connection
    ]
    if found:
        flow = draft.leg(leg.name, flow=found[0].flow).flow
        draft.servers[txn] = replace(server, flow=flow, cut=0)
        draft.effects.append(Effect("respond", txn, until=draft.now + LINGER))
        draft.note("moved", f"{leg.aor} is told the answer over its new connection")
    else:
        draft.servers[txn] = replace(server, cut=since if draft.now - since < LINGER else 0)


def unsent(draft: Draft, client: Client, why: str, contacts: tuple[Contact, ...]) -> None:
    """One request that is still open and has no connection."""
    if draft.call.media is not None and draft.call.media.holds("ask", client.n):
        return  # it has not been said yet
    leg = draft.legs.get(client.leg)
    invite = draft.clients.get(client.branch_of)
    if client.branch_of and (invite is None or invite.ended_at):
        draft.close(client.n)  # what it was to cancel is over
        return
    if leg is not None and (fresh := new_contact(draft, client, leg, contacts)) is not None:
        repeat(draft, invite or client, fresh)
        return
    if leg is not None and leg.trunk and client.flow.connection:
        resend(draft, client.n, Contact(leg.target, anew(leg)))
        return
    since = client.cut or draft.now
    patience = COMES_BACK if client.why == "invite" else LINGER
    if leg is not None and leg.aor and draft.now - since < patience:
        draft.clients[client.n] = replace(client, cut=since)
        return
    draft.close(client.n)
    if client.why == "notify":
        transfer.notified(draft, client)
        return
    other_half(draft, client, 480)
    if client.why == "invite" and client.n in draft.attempts:
        unanswered(draft, client.n, 503, f"could not be reached ({why})")
        return
    if client.serves in draft.servers and not draft.servers[client.serves].ended_at:
        draft.respond(client.serves, 480)


def new_contact(
    draft: Draft, client: Client, leg: Leg, contacts: tuple[Contact, ...]
) -> Contact | None:
    """Where the same phone is now, if that is not where the request went.

    The old connection's failure may be heard after the request has left on the new one: then it goes there once more.
    An address is dialled once.
    """
    crossed = client.cut and draft.now - client.at < COMES_BACK
    invites = [other for other in draft.clients.values() if other.why == client.why == "invite"]
    # without +sip.instance phones of one user look alike: one that another fork asks is another one
    taken = [other.flow for other in invites if other.leg != client.leg and not leg.instance]
    own = [contact for contact in places.phone_of(leg, contacts) if contact.flow not in taken]
    for contact in own:
        if contact.flow != client.flow or (crossed and contact.flow.connection):
            return contact
    return None


def anew(leg: Leg) -> Flow:
    """A trunk listens: where its connection is gone, it is called again (RFC 3261 18.1.1), by whichever edge there is."""
    hop = text.uri_of(leg.routes[0]) if leg.routes else leg.target
    return text.next_hop(hop, replace(leg.flow, edge=0, connection=0, local=ANY_LOCAL))


def repeat(draft: Draft, client: Client, contact: Contact) -> None:
    """The same transaction on the phone's new connection: it may know the request already.

    As a new transaction an INVITE would be merged with the one that rings, and refused (482, RFC 3261 8.2.2.2); and its
    CANCEL would not find it. A phone that knows the branch says its last response again.
    """
    leg = draft.legs[client.leg]
    if client.why == "invite" and contact.uri != leg.bound and not leg.remote_tag:
        routes, _ = places.way_to(contact)
        leg = draft.leg(leg.name, target=contact.uri, routes=routes, bound=contact.uri)
        client = replace(client, message=text.readdressed(client.message, contact.uri, routes))
    flow = draft.leg(client.leg, flow=contact.flow).flow
    cancels = [c for c in draft.clients.values() if c.branch_of == client.n and not c.ended_at]
    rings = client.proceeding and bool(cancels)  # then the CANCEL alone says all
    at = client.at if client.flow == flow else draft.now
    moved = replace(client, flow=flow, at=at, proceeding=rings, cut=0)
    for one in (moved, *(replace(c, flow=flow, at=draft.now, cut=0) for c in cancels)):
        draft.clients[one.n] = one
        draft.effects = [e for e in draft.effects if e.do != "ask" or e.ref != one.n]
        draft.effects.append(Effect("ask", one.n, until=draft.now + LINGER))
    draft.note("moved", f"{draft.legs[client.leg].aor} is reached over its new connection")


def resend(draft: Draft, n: int, contact: Contact) -> None:
    """The same request as a new transaction, to a trunk that is called again (RFC 3263 4.3)."""
    client = draft.clients[n]
    leg = draft.leg(client.leg, flow=contact.flow)
    own = draft.next_n()
    draft.clients[n] = replace(client, ended_at=draft.now)
    draft.clients[own] = replace(
        client, n=own, flow=leg.flow, at=draft.now, proceeding=False, cut=0
    )
    if n in draft.attempts:
        draft.attempts[own] = replace(draft.attempts.pop(n), n=own)
    draft.effects.append(Effect("forget", n))
    draft.effects.append(Effect("ask", own, until=draft.now + LINGER))
    draft.note("moved", f"{leg.aor or leg.trunk} is reached over its new connection")


def lapsed(draft: Draft, event: Lapsed) -> None:
    """An heir found this effect too late to repeat it."""
    if event.do == "ask":
        timed_out(draft, event.ref)
