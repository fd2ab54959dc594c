"""The end of a call and its CDR: one, written in the save that ends it. Prices are not here."""

from tandem.calls.model import media, tell
from tandem.calls.model.call import ENDED, GONE
from tandem.calls.model.draft import Draft
from tandem.records.model import Cdr


def end(
    draft: Draft, *, ended_by: str, why: str, at: int = 0, proof: bool = False, lines: str = ""
) -> None:
    """Marks the call as ended and writes its CDR. A second end changes nothing."""
    call = draft.call
    if call.state == ENDED:
        return
    for other in {call.stub, call.transfer.call if call.transfer else ""} - {""}:
        draft.tell(other, tell.Left(ended_by, lines))
    if call.joining is not None:
        draft.tell(call.joining.by, tell.Refused(480))
    draft.set(stub="", joining=None)
    ended_at = max(at or draft.at, call.answered_at, call.invited_at)
    winner = draft.legs.get(call.bridge[1])
    draft.set(state=ENDED, ended_at=ended_at, give_up_at=0, tick_at=0, end_at=0)
    for leg in list(draft.legs.values()):
        if leg.state != GONE and not draft.unacked(leg):
            draft.leg(leg.name, state=GONE)
    draft.note("ended", f"{why}, by {ended_by}")
    media.say_end(draft)
    draft.cdr = Cdr(
        id=call.id, tenant=call.tenant, caller=call.caller.identity, callee=call.callee, caller_number=call.caller.number,
        caller_call_id=draft.servers[call.invite].call_id if call.invite in draft.servers else caller_call_id(draft),
        answered_by=call.answered_by if winner is None else winner.aor or f"trunk:{winner.trunk}",
        trunk_in=call.trunk_in, trunk_out="" if winner is None else winner.trunk,
        route=next((a.target.route for a in draft.attempts.values() if winner and draft.legs[a.leg].local_tag == winner.local_tag), ""),
        invited_at=call.invited_at, ringing_at=call.ringing_at, answered_at=call.answered_at, ended_at=ended_at,
        seconds=round((ended_at - call.answered_at) / 1e6, 3) if call.answered_at else 0.0,
        status=draft.call.final, ended_by=ended_by, why=why, tried=call.tried, takeovers=call.takeovers, proof=proof,
        emergency=call.emergency,
    )  # fmt: skip


def caller_call_id(draft: Draft) -> str:
    return next((leg.call_id for leg in draft.legs.values() if leg.name[0] == "a"), "")
