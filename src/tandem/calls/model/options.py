"""What an OPTIONS outside dialogs is answered, from a trunk or a user of ours. Those to Tandem itself are the edge's to answer."""

from tandem.boundary import Request
from tandem.calls.model import text
from tandem.routing.model.plan import Plan, Refusal

ABILITIES = (
    f"Allow: {text.ALLOW}\r\nAccept: application/sdp\r\n"
    f"Supported: {', '.join(sorted(text.SUPPORTED))}\r\n"
)


def answer(request: Request, plan: Plan | Refusal) -> tuple[int, str]:
    """(status, extra header lines); `plan` is what an INVITE to the same address would get (RFC 3261 11.2)."""
    if request.max_forwards == 0:
        return 483, ""
    if unknown := text.tokens(request.special.get("require")) - text.SUPPORTED:
        return 420, f"Unsupported: {', '.join(sorted(unknown))}\r\n"
    if isinstance(plan, Refusal):
        return plan.status, ""
    return 200, ABILITIES
