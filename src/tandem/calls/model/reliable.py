"""Reliable provisional responses (RFC 3262) and what an INVITE may ask of session timers (RFC 4028): checks and numbers."""

from tandem.boundary import Request, Response
from tandem.calls.model import text
from tandem.calls.model.call import Call, Leg, Server
from tandem.calls.model.draft import Draft

WAITING_MOST = 8  # provisionals of one call
MIN_SE = 90  # seconds, RFC 4028 5


def too_small(request: Request) -> str:
    """The Min-SE line of a 422, or "" when the interval is long enough (or not asked for)."""
    values = request.special.get("session-expires")
    if not values or "timer" not in text.tokens(request.special.get("supported")):
        return ""
    seconds = values[0].split(";", 1)[0].strip()
    return f"Min-SE: {MIN_SE}\r\n" if seconds.isdigit() and int(seconds) < MIN_SE else ""


def is_next(draft: Draft, leg: Leg, response: Response) -> bool:
    """Whether a callee's reliable provisional is the next one in order (RFC 3262 4); an unreliable one always is."""
    if "100rel" not in text.tokens(response.special.get("require")):
        return True
    number = response.special.get("rseq", ["0"])[0].strip()
    if not number.isdigit() or (leg.rseq and int(number) != leg.rseq + 1):
        return False
    draft.leg(leg.name, rseq=int(number))
    return True


def must_wait(draft: Draft, response: Response) -> bool:
    """One reliable provisional at a time towards the caller (RFC 3262 3): what comes meanwhile is said after its PRACK."""
    server = draft.servers.get(draft.call.invite)
    if server is None or not blocks(draft.call, server):
        return False
    mark = (response.n, response.status, response.to_tag, response.special.get("rseq"))
    later = draft.call.later
    known = any(mark == (r.n, r.status, r.to_tag, r.special.get("rseq")) for r in later)
    leg = next((leg for leg in draft.legs.values() if leg.remote_tag == response.to_tag), None)
    number = response.special.get("rseq", [""])[0].strip()
    repeated = leg is not None and number.isdigit() and 0 < int(number) <= leg.rseq
    if not known and not repeated and len(later) < WAITING_MOST:
        draft.set(later=(*later, response))
    return True


def waits(call: Call) -> bool:
    """Whether the last provisional is not yet acknowledged, or still waits for the relay."""
    server = next((s for s in call.servers if s.txn == call.invite), None)
    return server is not None and blocks(call, server)


def blocks(call: Call, server: Server) -> bool:
    held = call.media is not None and call.media.holds("respond", server.txn)
    return server.reliable or (held and server.status < 200)


def say_next(draft: Draft) -> None:
    """The caller has acknowledged: what waited is said, up to the next reliable one."""
    from tandem.calls.model.setup import provisional

    while draft.call.later and not blocks(draft.call, draft.servers[draft.call.invite]):
        first, *rest = draft.call.later
        draft.set(later=tuple(rest))
        provisional(draft, first)


def offer(draft: Draft, caller_leg: Leg, response: Response) -> str:
    """Require and RSeq lines towards the caller, for a provisional that the callee sent reliably."""
    if "100rel" not in text.tokens(response.special.get("require")):
        return ""
    leg = draft.leg(caller_leg.name, rseq=caller_leg.rseq + 1)
    return f"Require: 100rel\r\nRSeq: {leg.rseq}\r\n"
