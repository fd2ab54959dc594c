"""A callee answers: the 2xx to one of our INVITEs, the ACKs on both sides, late offers, the losers of a fork."""

from msgspec.structs import replace

from tandem.boundary import Acked, Response
from tandem.calls.model import evidence, refresh, sdp, stub, text
from tandem.calls.model.call import ANSWERED, CONFIRMED, EARLY, GONE, SETUP, TALKING, Attempt, Leg
from tandem.calls.model.draft import Draft
from tandem.calls.model.hangup import hang_up_leg
from tandem.calls.model.setup import caller_dialog, early_leg, from_callee
from tandem.calls.model.ways import ANSWER, OFFER

SECOND = 1_000_000


def answered(draft: Draft, response: Response) -> None:
    """The first 2xx wins the call; every other one is taken with ACK and ended with BYE (RFC 3261 13.2.2.4)."""
    attempt = draft.attempts.get(response.n)
    if attempt is None:
        return
    first = attempt.status < 200
    draft.close(response.n)
    leg = early_leg(draft, attempt, response)
    if leg is None:
        return
    if any(ack.to_tag == response.to_tag for ack in draft.clients[response.n].acks):
        return
    draft.attempt(response.n, status=response.status if first else attempt.status)
    draft.leg(leg.name, state=CONFIRMED, answered_at=response.at)
    if draft.call.state != SETUP or attempt.cancelled or leg.state == GONE:
        draft.ack(response.n, draft.legs[leg.name])
        hang_up_leg(draft, draft.legs[leg.name])
        draft.note("answered too late", attempt.target.aor or f"trunk:{attempt.target.trunk}")
        return
    win(draft, attempt, draft.legs[leg.name], response)


def win(draft: Draft, attempt: Attempt, leg: Leg, response: Response) -> None:
    """Connects the caller with the leg that answered."""
    call = draft.call
    caller_leg = caller_dialog(draft, leg)
    leg = draft.leg(leg.name, peer=caller_leg.name)
    late_offer = not call.caller.body
    if not late_offer:
        draft.ack(attempt.n, leg)
    for other in list(draft.attempts.values()):
        if other.n != attempt.n and draft.clients[other.n].ended_at == 0 and not other.cancelled:
            draft.cancel(other.n)
            draft.attempt(other.n, cancelled=True)
    for loser in list(draft.legs.values()):
        if loser.name not in (leg.name, caller_leg.name) and loser.state == EARLY:
            draft.leg(loser.name, state=GONE)
    caller_leg = draft.leg(caller_leg.name, state=ANSWERED, peer=leg.name, answered_at=response.at)
    draft.set(
        state=TALKING, answered_at=response.at, bridge=(caller_leg.name, leg.name), give_up_at=0, tick_at=0, final=response.status,
        end_at=response.at + call.max_seconds * SECOND if call.max_seconds else 0,
        ringing_at=call.ringing_at or response.at, tried=(*call.tried, f"{attempt.target.aor or 'trunk:' + attempt.target.trunk} 200"),
        caller=replace(call.caller, body=b"", rest="", special={}), contacts={}, stages=(), later=(),
    )  # fmt: skip
    lines, interval, refresher = refresh.agree(call.caller.special, response)
    refresh.start(draft, caller_leg.name, interval, ours=refresher == "uas")
    refresh.start(draft, leg.name, *refresh.of_callee(response))
    extra = f"Allow: {text.ALLOW}\r\nSupported: timer, replaces\r\n{lines}{from_callee(response, attempt)}"
    draft.respond(
        call.invite, response.status, extra=extra, content_type=response.content_type, body=response.body, reason=response.reason,
        tag=caller_leg.local_tag, contact=draft.contact(caller_leg), of=leg.name, verb=OFFER if late_offer else ANSWER,
    )  # fmt: skip
    draft.note("answered", attempt.target.aor or f"trunk:{attempt.target.trunk}")


def acked(draft: Draft, event: Acked) -> None:
    """The ACK to a 2xx of ours: the dialog is complete; a late offer's answer goes on to the other side."""
    leg = next(
        (leg for leg in draft.legs.values() if leg.local_tag == event.to_tag and leg.state != GONE),
        None,
    )
    for server in list(draft.servers.values()):
        if (
            server.method == "INVITE"
            and server.cseq == event.cseq
            and 200 <= server.status < 300
            and not server.acked
        ) and (leg is None or server.leg in ("", leg.name)):
            draft.servers[server.txn] = replace(
                server, acked=True, ended_at=server.ended_at or draft.now
            )
            pass_late_answer(draft, server.txn, event)
    if leg is None or evidence.of_answer(draft, leg):
        return
    leg = draft.leg(leg.name, state=CONFIRMED, seen_at=event.at)
    if event.body:
        draft.leg(leg.name, held=sdp.is_held(event.body))
    if leg.bye:
        hang_up_leg(draft, leg)


def pass_late_answer(draft: Draft, txn: int, event: Acked) -> None:
    """Where our INVITE had no offer, its 2xx waits for an ACK with the answer from the far side."""
    stub.pass_answer(draft, txn, event)
    for client in list(draft.clients.values()):
        serves = client.serves == txn or (
            client.why == "invite" and txn == draft.call.invite and client.n in draft.attempts
        )
        if client.method == "INVITE" and serves and client.ended_at and not client.acks:
            leg = (
                draft.legs.get(draft.call.bridge[1])
                if client.why == "invite"
                else draft.legs.get(client.leg)
            )
            if (
                leg is not None
                and leg.state != GONE
                and (client.why != "invite" or leg.local_tag == draft.legs[client.leg].local_tag)
            ):
                of = "a" if client.why == "invite" else draft.servers[txn].leg
                draft.ack(client.n, leg, content_type=event.content_type, body=event.body, of=of)
