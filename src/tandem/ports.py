"""What rooms ask of the outside, as Protocols. Each has one conformance suite that every adapter passes."""

from collections.abc import Mapping, Sequence
from typing import Protocol

# key, epoch, version, writer, expires_at (microseconds since 1970; 0: never), row (None deletes), logs: (stream, record)
Save = tuple[str, int, int, int, int, bytes | None, Sequence[tuple[str, bytes]]]
# key, row (None deletes), expires_at
Put = tuple[str, bytes | None, int]
# epoch, version, writer, row
Row = tuple[int, int, int, bytes]


class Store(Protocol):
    """Rows under compare-and-set, and logs that are as durable as the rows. tests/test_store.py holds adapters to this.

    Rows. `save` takes any number of saves and answers True (saved) or False (stale) for each, in order; later saves
    of a call see the earlier ones. All of them reach the journal in one write; each one is there with all its logs or
    not at all, whatever dies. When `save` returns, a killed process loses nothing of it.

    A save is stale when its epoch is below the last `claim`, or below the row's epoch, or when its version is not one
    more than the row's. A key that the store does not know takes any version. A save whose writer and version are
    those of the row has succeeded already: True, and its logs are not written again. A deleted or expired row is
    unknown: who deletes gives up the comparison.

    Only one save of a row may be in flight (the shell's rule, not checked here).

    `put` writes without comparing, for rows that have one writer; their epoch, version and writer are 0.

    Epochs. `claim(known)` makes the epoch one more than the highest that the store or the caller (`known`: what edges
    have seen) knows; saves with a lower one are stale from then on, also after a restart. `epoch` is 0 before.

    Expiry. A row whose `expires_at` has passed is gone for `load` and `scan` at once. 0: never.

    Logs. Records of a stream have offsets 1, 2, 3... without gaps. `read_log(stream, after, limit)` gives at most `limit`
    records after an offset; 0 reads from the oldest. `set_checkpoint` notes how far a consumer has read, and registers
    it (begin with 0). `trim_log(stream, upto)` forgets records up to and with `upto`, but none that a registered
    consumer has not read. A stream that is bounded by bytes ("events") loses its oldest records by itself: its reader
    sees a gap.

    Limits: key 1,024 bytes; row and record 1 MiB; one save with its logs 4 MiB; one call 64 MiB; 64 streams; 64
    consumers of a stream; names 64 bytes. Over a limit: ValueError that names the field, and nothing is applied.
    A disk that is full or fails: OSError, nothing is applied, and the next call may succeed.
    """

    @property
    def epoch(self) -> int: ...
    def claim(self, known: int = 0) -> int: ...
    def save(self, saves: Sequence[Save]) -> list[bool]: ...
    def put(self, puts: Sequence[Put]) -> None: ...
    def load(self, key: str) -> Row | None: ...
    def scan(self, prefix: str) -> list[tuple[str, bytes]]: ...
    def append(self, stream: str, records: Sequence[bytes]) -> int: ...
    def read_log(self, stream: str, after: int, limit: int) -> list[tuple[int, bytes]]: ...
    def trim_log(self, stream: str, upto: int) -> None: ...
    def checkpoint(self, stream: str, consumer: str) -> int: ...
    def set_checkpoint(self, stream: str, consumer: str, offset: int) -> None: ...
    def stats(self) -> Mapping[str, int]: ...
    def close(self) -> None: ...
