"""What passes between the consumer and the database: records that could be read, and letters about those that could not."""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from tandem.records.model import Cdr, Measured, Story


class DeadLetter(Struct, frozen=True):
    """A record that could not be read or kept, and why."""

    stream: str
    place: int  # its offset
    reason: str
    record: bytes


class Kept(Struct, frozen=True):
    """A record that could be read, with the bytes it came as."""

    place: int
    value: Cdr | Story | Measured
    record: bytes


class KeepFailed(Exception):
    """The database could not be written now; the same records may be kept later."""


# Keeps all of it durably, or raises; keeps again what it has already without a change. Answers how many became letters.
Keep = Callable[[str, Sequence[Kept], Sequence[DeadLetter]], Awaitable[int]]
