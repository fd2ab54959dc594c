"""The calls of this process on an event loop: the core's inbox in, saves to the store, commands out. It decides nothing."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from tandem import boundary
from tandem.boundary import Command, Event
from tandem.calls.batch import Batch
from tandem.calls.model.inquiry import outcome
from tandem.calls.shell import Shell
from tandem.log import log
from tandem.media.model.ng import Question, Told

LAG_SAMPLE_SECONDS = 0.1
TICK_SECONDS = 0.02  # timers of calls are not finer than this
RETRY_SECONDS = 0.1  # a store that failed is asked again
SAVES_PER_BATCH = 4_096
UNHEARD_BATCHES = (
    65_536  # said to edges on other machines; of older ones the rows keep what they said
)


class Core(Protocol):
    """The Rust side of this node (tandem._core.Node)."""

    fd: int

    def drain(self) -> bytes: ...
    def run(self, commands: bytes) -> int: ...
    def said_and_heard(self) -> tuple[int, int]: ...


class Rows(Protocol):
    """As much of ports.Store as calls need."""

    def save(
        self, saves: list[tuple[str, int, int, int, int, bytes | None, list[tuple[str, bytes]]]]
    ) -> list[bool]: ...


class Service:
    """Runs a Shell. `now()` gives microseconds since 1970; `seen` sees every event before the calls do."""

    def __init__(
        self,
        *,
        core: Core,
        rows: Rows,
        shell: Shell,
        now: Callable[[], int],
        seen: Callable[[list[Event]], None] = lambda events: None,
        relay: Callable[[list[Question]], None] | None = None,
    ) -> None:
        """relay: takes what the media relay is to be asked; None: there is none."""
        self.relay = relay
        self.core, self.rows, self.shell, self.now, self.seen = core, rows, shell, now, seen
        self.stuck: Batch | None = None
        # by the core's number of what was said: what edges may not have heard
        self.unheard: deque[tuple[int, Batch]] = deque(maxlen=UNHEARD_BATCHES)
        self.timer: asyncio.TimerHandle | None = None
        self.timer_at = 0
        self.loop: asyncio.AbstractEventLoop | None = None
        self.sampler: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        loop.add_reader(self.core.fd, self.turn)
        self.sample(loop, loop.time())
        self.inquire()
        self.turn()

    def stop(self) -> None:
        if self.loop is not None:
            self.loop.remove_reader(self.core.fd)
        if self.sampler is not None:
            self.sampler.cancel()

    def sample(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        """How late the loop is, as the measure of how long an event waits for its turn."""
        now = loop.time()
        self.shell.admission.sampled(now - due)
        self.hear()
        self.sampler = loop.call_later(
            LAG_SAMPLE_SECONDS, self.sample, loop, now + LAG_SAMPLE_SECONDS
        )

    def turn(self) -> None:
        """Whatever has come in since the last turn, in one batch."""
        self.hear()
        now = self.now()
        events = boundary.read_events(self.core.drain())
        self.seen(events)
        self.shell.offer(events, now)
        self.shell.tick(now)
        self.commit()

    def order(self, key: str, event: object) -> None:
        """An order from a desk for one call."""
        self.shell.queue(key, event)  # type: ignore[arg-type]
        self.commit()

    def commit(self) -> None:
        """Saves what was decided and says it; what came in meanwhile is decided next."""
        while self.stuck is None and (batch := self.shell.decide(self.now())) is not None:
            self.say(self.shell.ahead(batch, self.now()))
            self.inquire()
            self.save(batch)
            self.inquire()
        self.schedule()

    def inquire(self) -> None:
        """Asks the relay what has been decided to be asked. Without one, each question is answered at once."""
        if not self.shell.questions:
            return
        questions, self.shell.questions[:] = list(self.shell.questions), []
        if self.relay is not None:
            self.relay(questions)
            return
        for question in questions:
            self.tell_call(question, None)

    def tell_call(self, question: Question, told: Told | None) -> None:
        if (event := outcome(question, told)) is not None:
            self.shell.queue(question.call, event)

    def save(self, batch: Batch) -> None:
        try:
            outcomes = self.rows.save(
                [
                    (s.key, s.epoch, s.version, s.writer, s.expires_at, s.row, s.logs)
                    for s in batch.saves
                ]
            )
        except OSError as error:
            log.error("store refused a save", error=str(error), rows=len(batch.saves))
            self.stuck = batch
            if self.loop is not None:
                self.loop.call_later(RETRY_SECONDS, self.again)
            return
        commands = self.shell.committed(batch, outcomes, self.now())
        if self.say(commands) == 0:
            self.shell.sent(batch)
        else:
            self.unheard.append((self.core.said_and_heard()[0], batch))

    def hear(self) -> None:
        """Edges on other machines confirm what they have heard: until then a row keeps it, for an heir."""
        if not self.unheard:
            return
        heard = self.core.said_and_heard()[1]
        while self.unheard and self.unheard[0][0] <= heard:
            self.shell.sent(self.unheard.popleft()[1])

    def again(self) -> None:
        batch, self.stuck = self.stuck, None
        if batch is not None:
            self.save(batch)
        self.commit()

    def say(self, commands: list[Command]) -> int:
        """Hands commands to the core; 0: the edges get them, even if this process dies."""
        return self.core.run(boundary.write_commands(commands)) if commands else 0

    def schedule(self) -> None:
        """One loop timer, for the call that wants to be woken first."""
        due = self.shell.wake_at()
        if (
            self.loop is None
            or not due
            or (self.timer is not None and self.timer_at <= due and not self.timer.cancelled())
        ):
            return
        if self.timer is not None:
            self.timer.cancel()
        self.timer_at = due
        self.timer = self.loop.call_later(max(TICK_SECONDS, (due - self.now()) / 1e6), self.ticked)

    def ticked(self) -> None:
        self.timer = None
        self.turn()
