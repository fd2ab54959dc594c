"""Requests of ours that got no answer: time-outs, broken connections, effects that an heir found too late."""

from msgspec.structs import replace

from tandem.boundary import Failed
from tandem.calls.model import finish, hangup
from tandem.calls.model.call import GONE, LINGER, SETUP, Contact, Effect
from tandem.calls.model.draft import Draft
from tandem.calls.model.events import Lapsed


def timed_out(draft: Draft, n: int) -> None:
    """64*T1 without a final response: as if 408 had come (RFC 3261 8.1.3.1)."""
    client = draft.clients.get(n)
    if client is None or client.ended_at:
        return
    draft.close(n)
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


def unanswered(draft: Draft, n: int, status: int, why: str) -> None:
    attempt = draft.attempts[n]
    if attempt.status >= 200:
        return
    if draft.call.state == SETUP and not attempt.cancelled:
        finish.attempt_failed(draft, attempt, status, why)
    else:
        finish.drop(draft, attempt, status)


def failed(draft: Draft, event: Failed, contacts: tuple[Contact, ...]) -> None:
    """The edge could not send. The same phone on a new connection gets it again; otherwise as RFC 3261 8.1.3.1 says: 503."""
    if event.server:
        return  # the answer waits in its transaction; the caller's next message brings a flow
    client = draft.clients.get(event.txn)
    if client is None or client.ended_at:
        return
    leg = draft.legs.get(client.leg)
    fresh = next(
        (
            c
            for c in contacts
            if leg and c.flow != client.flow and (not leg.instance or c.instance == leg.instance)
        ),
        None,
    )
    if leg is not None and fresh is not None:
        resend(draft, client.n, fresh)
        return
    draft.close(client.n)
    if client.why == "invite" and client.n in draft.attempts:
        unanswered(draft, client.n, 503, f"could not be reached ({event.why})")
        return
    if client.serves in draft.servers and not draft.servers[client.serves].ended_at:
        draft.respond(client.serves, 480)


def resend(draft: Draft, n: int, contact: Contact) -> None:
    """The same request as a new transaction on the phone's new flow."""
    client = draft.clients[n]
    leg = draft.leg(client.leg, flow=contact.flow)
    own = draft.next_n()
    draft.clients[n] = replace(client, ended_at=draft.now)
    draft.clients[own] = replace(client, n=own, flow=leg.flow, at=draft.now, proceeding=False)
    if n in draft.attempts:
        draft.attempts[own] = replace(draft.attempts.pop(n), n=own)
    draft.effects.append(Effect("forget", n))
    draft.effects.append(Effect("ask", own, until=draft.now + LINGER))
    draft.note("moved", f"{leg.aor} is reached over its new connection")


def lapsed(draft: Draft, event: Lapsed) -> None:
    """An heir found this effect too late to repeat it."""
    if event.do == "ask":
        timed_out(draft, event.ref)
