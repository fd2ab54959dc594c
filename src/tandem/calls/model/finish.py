"""How a call that nobody answered ends: failed attempts, fail-over, the best final response, CANCEL, refusal."""

from tandem.boundary import Request, Response
from tandem.calls.model import bill, identity, places
from tandem.calls.model.call import ENDED, GONE, SETUP, TALKING, Attempt
from tandem.calls.model.draft import Draft
from tandem.routing.model.stages import next_place, next_stage, outcome

SAY_INSTEAD = {
    401: 403,
    407: 403,
    408: 480,
    430: 480,
    503: 500,
    487: 480,
}  # what a callee's status means to our caller (RFC 3261 16.7)
FLOW_FAILED = 430  # RFC 5626 11.5
TOLD = ("reason", "retry-after", "min-se", "unsupported", "accept", "allow", "content-disposition")


def failed(draft: Draft, response: Response) -> None:
    """A final response of 300 and above to one of our INVITEs."""
    attempt = draft.attempts.get(response.n)
    draft.close(response.n)
    if attempt is None or attempt.status >= 200:
        return
    if attempt.cancelled or draft.call.state != SETUP:
        drop(draft, attempt, response.status)
        return
    if response.status == FLOW_FAILED and by_next_flow(draft, attempt):
        return
    told = "".join(
        f"{name.title()}: {value}\r\n" for name in TOLD for value in response.special.get(name, ())
    )
    lines = identity.apply(attempt.target.headers, told + response.rest)
    attempt_failed(draft, attempt, response.status, response.reason, lines)


def by_next_flow(draft: Draft, attempt: Attempt) -> bool:
    """Asks the same phone over another of its flows (RFC 5626 7); false where it has none that was not asked."""
    contact = None if attempt.rang else places.next_flow(draft, attempt)
    if contact is None:
        return False
    from tandem.calls.model.setup import invite  # as below

    drop(draft, attempt, FLOW_FAILED)
    draft.note("moved", f"{attempt.target.aor} is asked over its next flow")
    return not invite(draft, attempt.target, contact, attempt.stage, attempt.depth)


def drop(draft: Draft, attempt: Attempt, status: int) -> None:
    """The attempt is over and its dialogs with it."""
    draft.attempt(attempt.n, status=status)
    own = draft.legs[attempt.leg].local_tag
    for leg in list(draft.legs.values()):
        if leg.local_tag == own and leg.name[0] == "b" and leg.state != GONE:
            draft.leg(leg.name, state=GONE)
            if f"a{leg.name[1]}" in draft.legs and draft.call.state == SETUP:
                draft.leg(f"a{leg.name[1]}", state=GONE)


def attempt_failed(draft: Draft, attempt: Attempt, status: int, why: str, lines: str = "") -> None:
    """One target said no, or nothing. When it was the last of its stage: the next stage, or the end."""
    who = attempt.target.aor or f"trunk:{attempt.target.trunk}"
    running = draft.clients[attempt.n].ended_at == 0
    if running:
        draft.cancel(attempt.n)
    drop(draft, attempt, status)
    if running:
        draft.attempt(attempt.n, cancelled=True)
    draft.set(tried=(*draft.call.tried, f"{who} {status}"))
    draft.note("failed", f"{who} {status} {why}")
    if status // 100 != 3 and is_better(status, draft.call.best):
        draft.set(
            best=status, best_rest=lines
        )  # a 3xx is what we followed, no answer to the caller: RFC 3261 16.5
    if status >= 600:
        cancel_attempts(draft, "declined everywhere")
        refuse(draft, status, "declined", extra=lines)
        return
    mates = [other for other in draft.attempts.values() if other.stage == draft.call.stage]
    if any(other.status < 200 for other in mates):
        return
    from tandem.calls.model.setup import (
        start_stage,
    )  # they call each other: a stage fails, the next one starts

    best = 0
    for other in (mate for mate in mates if mate.status // 100 != 3 and mate.status != FLOW_FAILED):
        best = other.status if is_better(other.status, best) else best
    how = outcome(attempt.target.kind, best or status, rang=any(other.rang for other in mates))
    stage = draft.call.stage
    if (moved := next_place(draft.call.stages, stage, how, status)) is not None:
        draft.set(stages=moved)
        start_stage(draft, stage)
    else:
        start_stage(draft, next_stage(draft.call.stages, stage, how))


def is_better(status: int, best: int) -> bool:
    """RFC 3261 16.7, 6: any 6xx; else the lowest class; in 4xx one that the caller can do something about."""
    if not best:
        return True
    if status >= 600 or best >= 600:
        return status >= 600 > best
    if status // 100 != best // 100:
        return status // 100 < best // 100
    useful = (401, 407, 415, 420, 484, 486, 488)
    return status in useful and best not in useful


def why_of(status: int) -> str:
    return {
        486: "busy",
        600: "busy",
        603: "declined",
        408: "no answer",
        480: "no answer",
        487: "cancelled",
    }.get(status, "failed")


def refuse(draft: Draft, status: int, why: str, *, extra: str = "", ours: bool = False) -> None:
    """The caller's final response, and the end of the call. `ours`: nobody was asked, so the status is meant as it is."""
    status = status if ours else SAY_INSTEAD.get(status, status)
    draft.respond(draft.call.invite, status, extra=extra)
    draft.set(final=status)
    bill.end(draft, ended_by="tandem" if status in (480, 408, 500, 503) else "callee", why=why)


def cancelled(draft: Draft, request: Request) -> None:
    """The caller's CANCEL. Its answer is always 200; it ends the call only while no final response was decided."""
    draft.receive(request, "")
    draft.respond(request.txn, 200)
    if draft.call.state != SETUP:
        return
    reason = "".join(f"Reason: {value}\r\n" for value in request.special.get("reason", ()))
    cancel_attempts(draft, "cancelled")
    draft.respond(draft.call.invite, 487, extra=reason)
    draft.set(final=487)
    bill.end(draft, ended_by="caller", why="cancelled")


def cancel_attempts(draft: Draft, why: str) -> None:
    """CANCEL for every INVITE that has no final response yet."""
    for attempt in list(draft.attempts.values()):
        if draft.clients[attempt.n].ended_at == 0 and not attempt.cancelled:
            draft.cancel(attempt.n)
            draft.attempt(attempt.n, cancelled=True)
            draft.note("cancelled", why)


def hung_up_early(draft: Draft, by: str, why: str = "cancelled") -> None:
    """The caller leaves before anybody answered: BYE in an early dialog, a lost connection, a desk's order."""
    if draft.call.state in (TALKING, ENDED):
        return
    cancel_attempts(draft, f"by {by}")
    draft.respond(draft.call.invite, 487)
    draft.set(final=487)
    bill.end(draft, ended_by=by, why=why)
