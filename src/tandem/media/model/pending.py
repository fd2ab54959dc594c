"""What the relay has been asked and has not answered: cookies, repeats, the end of patience. No sockets; time is an argument.

The same datagram is repeated with the same cookie; the relay answers it once, however often it came.
"""

from heapq import heappop, heappush

from msgspec import Struct

from tandem.media.model import ng
from tandem.media.model.ng import Question, Told

PENDING_MOST = 16_384  # questions at a time; one more is answered for the relay: it is away
AGAIN_MICROSECONDS = 100_000  # the first repeat; each next one after twice the time
AGAIN_MOST = 4_000_000
RELAY_MICROSECONDS = 2_000_000  # how long a message of a call waits for the relay
LEAST_MICROSECONDS = 500_000  # for a new owner, and while the relay is known to be away
DELETE_MICROSECONDS = 30_000_000  # how long it is told that a call has ended: nobody waits for that


class Asked(Struct):
    """One question on its way."""

    question: Question
    datagram: bytes
    until: int
    wait: int
    due: int
    repeats: bool = True


class Pending:
    """`ask`, `heard` and `tick` give what is to be sent; `answered` and `lapsed` collect what came of it."""

    def __init__(self, name: str) -> None:
        """`name`: no other asker, dead or alive, has it: the relay remembers cookies."""
        self.name = name
        self.number = 0
        self.away = False  # nothing has been answered since a question lapsed
        self.open: dict[str, Asked] = {}
        self.calls: dict[str, list[str]] = {}  # open cookies by call
        self.dues: list[tuple[int, str]] = []

    def ask(self, question: Question, now: int) -> bytes | None:
        """The datagram that asks it; None when too much is open."""
        if len(self.open) >= PENDING_MOST:
            return None
        self.number += 1
        cookie = f"{self.name}-{self.number}"
        until = now + DELETE_MICROSECONDS
        if question.verb != "delete":  # an heir waits as long as its predecessor did
            whole = 0 if self.away else (question.since or now) + RELAY_MICROSECONDS
            until = max(whole, now + LEAST_MICROSECONDS)
        asked = Asked(
            question, ng.write(cookie, question.command), until, AGAIN_MICROSECONDS,
            now + AGAIN_MICROSECONDS,
        )  # fmt: skip
        self.open[cookie] = asked
        if question.verb == "delete":
            self.quiet(question.call)
        self.calls.setdefault(question.call, []).append(cookie)
        heappush(self.dues, (asked.due, cookie))
        return asked.datagram

    def quiet(self, call: str) -> None:
        """What was asked of a call that is over is not said again: it would make the call anew."""
        for cookie in self.calls.get(call, ()):
            self.open[cookie].repeats = False

    def close(self, cookie: str) -> Asked | None:
        asked = self.open.pop(cookie, None)
        if asked is not None:
            others = self.calls[asked.question.call]
            others.remove(cookie)
            if not others:
                del self.calls[asked.question.call]
        return asked

    def heard(self, datagram: bytes) -> tuple[Question | None, Told] | None:
        """What an answer is to, and itself; (None, it) when it was not asked for; None when it is to nothing open."""
        found = ng.read(datagram)
        if found is None:
            return None
        cookie, told = found
        if not cookie:
            return (None, told) if told.event else None
        self.away = False
        asked = self.close(cookie)
        return (asked.question, told) if asked is not None else None

    def tick(self, now: int) -> tuple[list[bytes], list[Question]]:
        """What is to be said again, and the questions to which no answer is waited for any longer."""
        again: list[bytes] = []
        lapsed: list[Question] = []
        while self.dues and self.dues[0][0] <= now:
            _, cookie = heappop(self.dues)
            asked = self.open.get(cookie)
            if asked is None:
                continue
            if now >= asked.until:
                self.close(cookie)
                self.away = True
                lapsed.append(asked.question)
                continue
            if asked.repeats:
                again.append(asked.datagram)
            asked.wait = min(2 * asked.wait, AGAIN_MOST)
            asked.due = min(now + asked.wait, asked.until)
            heappush(self.dues, (asked.due, cookie))
        return again, lapsed

    def wake_at(self) -> int:
        """When `tick` has something to do; 0: never."""
        while self.dues and self.dues[0][1] not in self.open:
            heappop(self.dues)
        return self.dues[0][0] if self.dues else 0
