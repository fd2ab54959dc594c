"""Carries CDRs, stories and measures of ended calls from the store's streams into the records database. It may repeat; it never loses or skips."""

import asyncio
from collections.abc import Callable, Sequence

from msgspec import MsgspecError

from tandem.log import log
from tandem.ports import Store
from tandem.records.kept import DeadLetter, Keep, KeepFailed, Kept
from tandem.records.model import (
    CDR_STREAM,
    QUALITY_STREAM,
    STORY_STREAM,
    Cdr,
    Measured,
    Story,
    read_cdr,
    read_measured,
    read_story,
)

CONSUMER = "records"
BATCH_RECORDS = 2_000
BATCH_SECONDS = 1.0  # larger batches touch each page of the database less often
RETRY_SECONDS_FIRST, RETRY_SECONDS_MOST = 0.2, 10.0
_STREAMS: dict[str, Callable[[bytes], Cdr | Story | Measured]] = {
    CDR_STREAM: read_cdr,
    STORY_STREAM: read_story,
    QUALITY_STREAM: read_measured,
}


class Consumer:
    """`run` until it is cancelled; `drain` once, for tests and before a shutdown."""

    def __init__(self, store: Store, keep: Keep) -> None:
        self.store, self.keep = store, keep
        self.kept = self.dead = self.failures = 0
        for stream in _STREAMS:  # registered: nothing unread is trimmed
            store.set_checkpoint(stream, CONSUMER, store.checkpoint(stream, CONSUMER))

    async def run(self) -> None:
        pause = RETRY_SECONDS_FIRST
        while True:
            try:
                more = await self.drain(batches=1)
                pause = RETRY_SECONDS_FIRST
                await asyncio.sleep(0 if more else BATCH_SECONDS)
            except (OSError, KeepFailed) as error:
                self.failures += 1
                log.error("records are not kept, trying again", why=str(error), pause=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_SECONDS_MOST)

    async def drain(self, batches: int = 1_000_000) -> bool:
        """Keeps what is there, at most so many batches a stream. Whether there is more."""
        more = False
        for stream in _STREAMS:
            for _ in range(batches):
                full = await self._batch(stream)
                if not full:
                    break
            more = more or full
        return more

    def lag(self) -> int:
        """Records at least that wait, up to one batch a stream."""
        return sum(
            len(self.store.read_log(stream, self.store.checkpoint(stream, CONSUMER), BATCH_RECORDS))
            for stream in _STREAMS
        )

    async def _batch(self, stream: str) -> bool:
        after = self.store.checkpoint(stream, CONSUMER)
        found = self.store.read_log(stream, after, BATCH_RECORDS)
        if not found:
            return False
        good, bad = _read(stream, found)
        letters = await self.keep(stream, good, bad)
        self.kept += len(found) - letters
        self.dead += letters
        if letters:
            log.error("records became dead letters", stream=stream, count=letters)
        last = found[-1][0]
        # only now: whoever dies in between keeps them once more, which changes nothing
        self.store.set_checkpoint(stream, CONSUMER, last)
        self.store.trim_log(stream, last)
        return len(found) == BATCH_RECORDS


def _read(stream: str, found: Sequence[tuple[int, bytes]]) -> tuple[list[Kept], list[DeadLetter]]:
    good: list[Kept] = []
    bad: list[DeadLetter] = []
    for place, record in found:
        try:
            good.append(Kept(place, _STREAMS[stream](record), record))
        except (MsgspecError, ValueError, RecursionError) as error:
            bad.append(DeadLetter(stream, place, f"cannot be read: {error}", record))
    return good, bad
