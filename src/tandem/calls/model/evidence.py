"""What a phone sends proves what a lost write would have said (DESIGN 2): an answer that the row does not know of.

The store may lose the last writes together with their owner. Then the row says "ringing" while two people talk.
"""

from tandem.calls.model.call import CONFIRMED, EARLY, GONE, SETUP, TALKING, Leg
from tandem.calls.model.draft import Draft

CSEQ_JUMP = 1_000  # what the dead owner sent in this dialog is not known: go past it


def of_answer(draft: Draft, leg: Leg) -> bool:
    """`leg` has just shown that it talks, in a call that is held to be ringing: it was answered. True when that is so."""
    if draft.call.state != SETUP or leg.state != EARLY:
        return False
    peer = draft.peer(leg)
    if peer is None or peer.state == GONE or not peer.remote_tag:
        return False
    caller, callee = (leg, peer) if leg.name[0] == "a" else (peer, leg)
    for attempt in list(draft.attempts.values()):
        own = draft.legs[attempt.leg].local_tag == callee.local_tag
        if draft.clients[attempt.n].ended_at == 0:
            draft.close(attempt.n) if own else draft.cancel(attempt.n)
        draft.attempt(attempt.n, status=200 if own else attempt.status, cancelled=not own)
    for one in (caller, callee):
        draft.leg(
            one.name, state=CONFIRMED, local_cseq=one.local_cseq + CSEQ_JUMP, answered_at=draft.at
        )
    for other in list(draft.legs.values()):
        if other.state == EARLY:
            draft.leg(other.name, state=GONE)
    draft.closed_by_evidence()
    draft.set(
        state=TALKING,
        answered_at=draft.at,
        bridge=(caller.name, callee.name),
        give_up_at=0,
        tick_at=0,
        final=200,
        tried=(*draft.call.tried, f"{callee.aor or 'trunk:' + callee.trunk} 200"),
    )
    draft.note("answered", "proved by what a phone sent; the answer itself was lost with its owner")
    return True
