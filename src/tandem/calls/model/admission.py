"""Whether a new call is let in: the node's limit of calls, its delay, its drain. Calls that exist are never its matter."""

from tandem.routing.model.plan import Plan, Refusal

RETRY_SECONDS = 5  # Retry-After of a node that is full or late, at least; at most twice as many
DRAIN_SECONDS = 30  # of one that is draining: others shall be asked

WHY = {
    "calls": "this node has as many calls as it may have",
    "lag": "this node is behind",
    "draining": "this node is draining",
}


class Admission:
    """`calls_most` calls at a time; `lag_seconds` that new work may wait before more of it is refused."""

    def __init__(self, *, calls_most: int = 10_000, lag_seconds: float = 0.5) -> None:
        self.calls_most, self.lag_seconds = calls_most, lag_seconds
        self.draining = False
        self.lags = (0.0, 0.0)  # the last two samples, in seconds
        self.refused = dict.fromkeys(WHY, 0)

    def sampled(self, lag: float) -> None:
        """A sample of how long work waits for its turn."""
        self.lags = (self.lags[1], max(0.0, lag))

    @property
    def is_late(self) -> bool:
        """Two samples in a row: one long turn (new tables) is no overload."""
        return min(self.lags) > self.lag_seconds

    def refuses(self, plan: Plan | Refusal, calls: int) -> str:
        """Why a new call is not let in, a key of WHY; "" when it is. Emergency calls always are."""
        if isinstance(plan, Plan) and plan.emergency:
            return ""
        why = (
            "draining"
            if self.draining
            else "calls"
            if calls >= self.calls_most
            else "lag"
            if self.is_late
            else ""
        )
        if why:
            self.refused[why] += 1
        return why


def retry_after(why: str, hash: int) -> str:
    """The header line, spread by a keyed hash: those who are sent away together must not come back together."""
    least = DRAIN_SECONDS if why == "draining" else RETRY_SECONDS
    return f"Retry-After: {least + hash % least}\r\n"
