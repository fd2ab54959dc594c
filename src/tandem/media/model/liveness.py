"""Whether a relay answers: when it is asked again, and when it is given up. No sockets; time is an argument, in seconds."""

PING_SECONDS = 0.1  # where there is another one; each is a datagram
LONE_PING_SECONDS = 1.0  # where there is none: nobody would be moved
PROBE_SECONDS = 0.05  # from the first missed answer until it is given up
GIVEN_UP_SECONDS = 0.5  # without an answer; who is started again by its supervisor is back before
UNANSWERED_LEAST = 5  # pings; a node that stood still itself has sent fewer, and blames nobody
TRIAL_SECONDS = 1.0  # of answers, then new calls trust one again that had been given up


class Liveness:
    """`asked`, `heard` and `failed` are told; `up` and `since` tell. A relay counts as up until it is given up."""

    def __init__(self, now: float) -> None:
        self.up = True
        self.known = False  # it has answered once
        self.since = now  # when `up` became what it is
        self.trusted_at = 0.0  # before, it is greylisted: it had been given up
        self.asked_at = 0.0  # when the ping that has no answer yet went out; 0: none
        self.unanswered = 0  # pings since its last word
        self.missing = 0.0  # since when it does not answer; 0: it does
        self.round_trip = 0.0  # seconds, of the last ping

    @property
    def shown(self) -> str:
        return "down" if not self.up else "up" if self.known else "not heard yet"

    def asked(self, now: float) -> None:
        """A ping goes out."""
        if self.asked_at and not self.missing:
            self.missing = self.asked_at
        self.asked_at = now
        self.unanswered += 1

    def failed(self, now: float) -> None:
        """Nothing can be sent there."""
        self.missing = self.missing or now

    def heard(self, now: float, *, answers: bool) -> bool:
        """It has said something; `answers`: that ping. True when it had been given up, and the first time."""
        if answers and self.asked_at:
            self.round_trip = now - self.asked_at
        self.asked_at = self.missing = 0.0
        self.unanswered = 0
        if self.up:
            first, self.known = not self.known, True
            return first
        self.up, self.since, self.known = True, now, True
        self.trusted_at = now + TRIAL_SECONDS
        return True

    def is_over(self, now: float) -> bool:
        """Whether it is given up now; said once."""
        if not self.up or not self.missing or now - self.missing < GIVEN_UP_SECONDS:
            return False
        if self.unanswered < UNANSWERED_LEAST:
            return False
        self.up, self.since = False, now
        return True

    def is_trusted(self, now: float) -> bool:
        """Whether new calls may take it before others: neither silent nor only just back."""
        return self.up and self.known and not self.missing and now >= self.trusted_at

    def wait(self, *, lone: bool) -> float:
        """Seconds until the next ping."""
        if self.missing and self.up:
            return PROBE_SECONDS
        return LONE_PING_SECONDS if lone else PING_SECONDS
