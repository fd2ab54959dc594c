"""Ending legs and answered calls: BYE both ways, a missing ACK, the last proof of life."""

from tandem.boundary import Request
from tandem.calls.model import bill, finish
from tandem.calls.model.call import ANSWERED, CONFIRMED, EARLY, ENDED, GONE, LINGER, TALKING, Leg
from tandem.calls.model.draft import Draft


def hang_up_leg(draft: Draft, leg: Leg, extra: str = "") -> None:
    """BYE to one leg; where the peer has not yet acknowledged our 2xx, as soon as it has (RFC 3261 15)."""
    if leg.state == GONE:
        return
    if draft.unacked(leg):
        draft.leg(leg.name, bye=True)
        return
    draft.ask(leg, "BYE", extra=extra, why="bye", quiet=True)
    draft.leg(leg.name, state=GONE, bye=False)


def bye(draft: Draft, request: Request, leg: Leg) -> None:
    """A peer hangs up."""
    draft.respond(request.txn, 200)
    if leg.state == EARLY and leg.name[0] == "a":
        finish.hung_up_early(draft, "caller")
        return
    draft.leg(leg.name, state=GONE)
    if leg.name not in draft.call.bridge or (
        draft.call.transfer is not None and draft.call.transfer.by == leg.name
    ):
        return  # who has asked for a transfer may leave before it is done
    if draft.call.joining is not None and draft.call.joining.leg == leg.name:
        return  # who is being replaced too
    extra = "".join(f"Reason: {value}\r\n" for value in request.special.get("reason", ()))
    side = "caller" if leg.name == draft.call.bridge[0] else "callee"
    end_bridge(draft, ended_by=side, why="hung up", extra=extra)


def end_bridge(
    draft: Draft, *, ended_by: str, why: str, extra: str = "", at: int = 0, proof: bool = False
) -> None:
    """Hangs up whoever is left, answers what waits, writes the CDR."""
    if draft.call.state != TALKING:
        return
    answer_waiting(draft)
    for leg in list(draft.legs.values()):
        if leg.state != GONE:
            end_leg(draft, leg, extra)
    bill.end(draft, ended_by=ended_by, why=why, at=at, proof=proof, lines=extra)


def end_leg(draft: Draft, leg: Leg, extra: str) -> None:
    """BYE, or CANCEL where the leg is still being set up by a transfer."""
    if leg.state != EARLY:
        hang_up_leg(draft, leg, extra)
        return
    finish.cancel_attempts(draft, "the call ended")
    draft.leg(leg.name, state=GONE)


def answer_waiting(draft: Draft) -> None:
    """Requests that wait for a leg that is gone get 487 (INVITE) or 481."""
    for server in list(draft.servers.values()):
        if (
            server.ended_at == 0
            and server.txn != draft.call.invite
            and server.method not in ("BYE", "CANCEL")
        ):
            draft.respond(server.txn, 487 if server.method == "INVITE" else 481)


def desk(draft: Draft, by: str) -> None:
    """Somebody at a desk ends the call."""
    if draft.call.state == TALKING:
        end_bridge(draft, ended_by="tandem", why=f"ended by {by}")
    elif draft.call.state != ENDED and draft.call.invite:
        finish.hung_up_early(draft, "tandem")
    elif draft.call.state != ENDED:
        finish.cancel_attempts(draft, f"by {by}")
        bill.end(draft, ended_by="tandem", why=f"ended by {by}")


def adopted_since(draft: Draft, at: int) -> bool:
    """Whether a new owner came after that: then it has not repeated the 2xx often enough to know that no ACK comes."""
    return any(event.what == "adopted" and event.at >= at for event in draft.call.story)


def no_ack(draft: Draft, txn: int) -> None:
    """64*T1 without the ACK to our 2xx: the end, unless the peer has shown since that it is in the dialog."""
    server = draft.servers.get(txn)
    if server is None or not 200 <= server.status < 300 or server.acked:
        return
    name = server.leg or draft.call.bridge[0]
    leg = draft.legs.get(name)
    if leg is None or leg.state != ANSWERED:
        return
    if leg.seen_at > server.at or adopted_since(draft, draft.now - LINGER // 2):
        draft.leg(name, state=CONFIRMED)
        return
    leg = draft.leg(name, state=CONFIRMED)
    if leg.bye:
        hang_up_leg(draft, leg)
    end_bridge(draft, ended_by="nobody", why="no ACK", at=leg.seen_at, proof=True)
