"""Asks the media relay over its datagram socket and hands its answers on. It decides nothing and waits for nothing."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path

from tandem.log import log
from tandem.media.model.ng import ANSWER_BYTES, Question, Told, write
from tandem.media.model.pending import Pending

READS_PER_TURN = 256  # datagrams; then others have their turn
UNSENT_MOST = 16_384  # datagrams that the relay's full socket did not take; others are repeated by their timers
UNSENT_SECONDS = 0.002  # between two tries
SAID_SECONDS = 10.0  # at most one line in the log about an absent relay in this time
# `events`: one that is asked over UDP tells what happens, too, as on a Unix socket
PING = {"command": "ping", "events": 1}

# What came of one question; of none, when the relay speaks unasked. None: no answer came in time.
Heard = tuple[Question | None, Told | None]


class Relay:
    """`place`: the relay's socket, a path or (host, port); `own`: this process's, which it answers to.

    `heard` gets all that one turn brought, in one list.
    """

    def __init__(
        self,
        *,
        place: Path | tuple[str, int],
        own: Path,
        name: str,
        heard: Callable[[list[Heard]], None],
        now: Callable[[], int],
        pinged: Callable[[bool], None] = lambda answers: None,
    ) -> None:
        """pinged: told of every sign of life; True when it is the answer to the last ping."""
        self.pinged = pinged
        self.ping_cookie = ""
        self.pings = 0
        self.place, self.own, self.heard, self.now = place, own, heard, now
        self.pending = Pending(name)
        self.socket: socket.socket | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.timer_at = 0
        self.unsent: deque[bytes] = deque(maxlen=UNSENT_MOST)
        self.retry: asyncio.TimerHandle | None = None
        self.away_since = 0.0  # by the loop's clock; 0: it is there
        self.said_at = -SAID_SECONDS

    @property
    def is_away(self) -> bool:
        """Whether the last that was asked got no answer."""
        return self.away_since > 0

    # -- life

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        if isinstance(self.place, Path):
            self.own.unlink(missing_ok=True)
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self.socket.bind(str(self.own))
        else:
            family = socket.AF_INET6 if ":" in self.place[0] else socket.AF_INET
            self.socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        loop.add_reader(self.socket.fileno(), self.turn)

    def stop(self) -> None:
        if self.socket is None or self.loop is None:
            return
        self.loop.remove_reader(self.socket.fileno())
        for handle in (self.timer, self.retry):
            if handle is not None:
                handle.cancel()
        self.socket.close()
        self.socket = None
        if isinstance(self.place, Path):
            self.own.unlink(missing_ok=True)

    # -- asking

    def ask(self, questions: list[Question]) -> None:
        """Each gets one entry in a later `heard`."""
        now = self.now()
        refused: list[Heard] = []
        for question in questions:
            datagram = self.pending.ask(question, now)
            if datagram is None:
                refused.append((question, None))
            else:
                self.send(datagram)
        self.schedule()
        if refused and self.loop is not None:  # not from within the save that decided to ask
            self.loop.call_soon(self.heard, refused)

    def send(self, datagram: bytes) -> None:
        if self.unsent:
            self.unsent.append(datagram)
        elif not self.sent(datagram):
            self.unsent.append(datagram)
            self.send_later()

    def sent(self, datagram: bytes) -> bool:
        """False when the relay's socket is full; a relay that is not there is left to the repeats."""
        if self.socket is None:
            return True
        place = str(self.place) if isinstance(self.place, Path) else self.place
        try:
            self.socket.sendto(datagram, place)
        except BlockingIOError:
            return False
        except OSError as error:
            self.absent(error.strerror or str(error))
        return True

    def send_later(self) -> None:
        if self.loop is not None and self.retry is None:
            self.retry = self.loop.call_later(UNSENT_SECONDS, self.send_unsent)

    def send_unsent(self) -> None:
        self.retry = None
        while self.unsent and self.sent(self.unsent[0]):
            self.unsent.popleft()
        if self.unsent:
            self.send_later()

    def ping(self) -> bool:
        """Asks whether it lives; False when nothing can be sent there."""
        self.pings += 1
        self.ping_cookie = f"{self.pending.name}-p{self.pings}"
        self.sent(write(self.ping_cookie, PING))
        return not self.is_away

    # -- hearing

    def turn(self) -> None:
        """Whatever the relay has said since the last turn."""
        heard: list[Heard] = []
        for _ in range(READS_PER_TURN):
            datagram = self.read()
            if datagram is None:
                break
            self.present()
            self.pinged(datagram.startswith(self.ping_cookie.encode() + b" "))
            found = self.pending.heard(datagram)
            if found is not None:
                heard.append(found)
        if heard:
            self.heard(heard)
        self.schedule()

    def read(self) -> bytes | None:
        if self.socket is None:
            return None
        with contextlib.suppress(
            OSError
        ):  # nothing there; or an ICMP error, which the next send meets too
            return self.socket.recv(ANSWER_BYTES)
        return None

    def ticked(self) -> None:
        self.timer, self.timer_at = None, 0
        again, lapsed = self.pending.tick(self.now())
        for datagram in again:
            self.send(datagram)
        if lapsed:
            self.absent("no answer")
            self.heard([(question, None) for question in lapsed])
        self.schedule()

    def schedule(self) -> None:
        """One loop timer, for whatever is due first."""
        due = self.pending.wake_at()
        if self.loop is None or not due or (self.timer is not None and self.timer_at <= due):
            return
        if self.timer is not None:
            self.timer.cancel()
        self.timer_at = due
        self.timer = self.loop.call_later(max(0.001, (due - self.now()) / 1e6), self.ticked)

    # -- whether it is there

    def absent(self, why: str) -> None:
        assert self.loop is not None
        now = self.loop.time()
        self.away_since = self.away_since or now
        if now - self.said_at >= SAID_SECONDS:
            self.said_at = now
            log.error("media relay away", place=str(self.place), why=why)

    def present(self) -> None:
        if self.away_since and self.loop is not None:
            log.info("media relay back", seconds=round(self.loop.time() - self.away_since, 3))
            self.said_at = -SAID_SECONDS
        self.away_since = 0.0
