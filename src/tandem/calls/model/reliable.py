"""Reliable provisional responses (RFC 3262) and what an INVITE may ask of session timers (RFC 4028): checks and numbers."""

from tandem.boundary import Request, Response
from tandem.calls.model import text
from tandem.calls.model.call import Leg
from tandem.calls.model.draft import Draft

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


def offer(draft: Draft, caller_leg: Leg, response: Response) -> str:
    """Require and RSeq lines towards the caller, for a provisional that the callee sent reliably."""
    if "100rel" not in text.tokens(response.special.get("require")):
        return ""
    leg = draft.leg(caller_leg.name, rseq=caller_leg.rseq + 1)
    return f"Require: 100rel\r\nRSeq: {leg.rseq}\r\n"
