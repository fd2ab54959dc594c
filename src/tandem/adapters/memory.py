"""The Store for tests and simulation: the journal's behaviour in plain Python, gone with the process."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tandem.ports import Put, Row, Save

KEY_BYTES = 1024
RECORD_BYTES = 1 << 20
SAVE_BYTES = 4 << 20
BATCH_BYTES = 64 << 20
EXTRA_BYTES = 96  # counted for each row and record beside its bytes
STREAMS = 64  # and consumers of one stream
NAME_BYTES = 64
EVENT_LOG_BYTES = 256 << 20
EPOCH_MAX = 2**32 - 1


@dataclass
class Stream:
    first: int = 1
    size: int = 0
    records: deque[bytes] = field(default_factory=deque)
    checkpoints: dict[str, int] = field(default_factory=dict)

    @property
    def last(self) -> int:
        return self.first + len(self.records) - 1

    def add(self, record: bytes) -> None:
        self.records.append(record)
        self.size += len(record)

    def drop(self) -> None:
        self.size -= len(self.records.popleft())
        self.first += 1


class MemoryStore:
    """`now()` gives microseconds since 1970. `bounded`: streams that lose their oldest records beyond so many bytes."""

    def __init__(self, now: Callable[[], int], *, bounded: Mapping[str, int] | None = None) -> None:
        self.now = now
        self.bounded = {"events": EVENT_LOG_BYTES} if bounded is None else bounded
        self.epoch = 0
        self.rows: dict[str, tuple[Row, int]] = {}  # with expires_at
        self.streams: dict[str, Stream] = {}

    def claim(self, known: int = 0) -> int:
        if max(self.epoch, known) >= EPOCH_MAX:
            raise ValueError("epoch: numbers are used up")
        self.epoch = max(self.epoch, known) + 1
        return self.epoch

    def save(self, saves: Sequence[Save]) -> list[bool]:
        within("batch", sum(check_save(save) for save in saves), BATCH_BYTES)
        self._check_streams([stream for save in saves for stream, _ in save[6]])
        return [self._save(save) for save in saves]

    def put(self, puts: Sequence[Put]) -> None:
        within("batch", sum(check_row(key, row) for key, row, _ in puts), BATCH_BYTES)
        for key, row, expires_at in puts:
            self._set(key, None if row is None else (0, 0, 0, row), expires_at)

    def load(self, key: str) -> Row | None:
        row, expires_at = self.rows.get(key, (None, 0))
        if expires_at and expires_at <= self.now():
            del self.rows[key]
            return None
        return row

    def scan(self, prefix: str) -> list[tuple[str, bytes]]:
        found = [(key, self.load(key)) for key in list(self.rows) if key.startswith(prefix)]
        return [(key, row[3]) for key, row in found if row is not None]

    def append(self, stream: str, records: Sequence[bytes]) -> int:
        for record in records:
            within("record", len(record), RECORD_BYTES)
        within("batch", sum(len(record) + EXTRA_BYTES for record in records), BATCH_BYTES)
        self._check_streams([stream])
        if not records:
            return self.streams[stream].last if stream in self.streams else 0
        for record in records:
            self._log(stream, record)
        return self.streams[stream].last

    def read_log(self, stream: str, after: int, limit: int) -> list[tuple[int, bytes]]:
        log = self.streams.get(stream, Stream())
        start = max(after + 1, log.first)
        until = min(start + limit, log.last + 1)
        return [(offset, log.records[offset - log.first]) for offset in range(start, until)]

    def trim_log(self, stream: str, upto: int) -> None:
        log = self.streams.get(stream, Stream())
        for _ in range(log.first, min(upto, log.last, *log.checkpoints.values()) + 1):
            log.drop()

    def checkpoint(self, stream: str, consumer: str) -> int:
        return self.streams.get(stream, Stream()).checkpoints.get(consumer, 0)

    def set_checkpoint(self, stream: str, consumer: str, offset: int) -> None:
        within("consumer", len(consumer.encode()), NAME_BYTES)
        self._check_streams([stream])
        checkpoints = self.streams.setdefault(stream, Stream()).checkpoints
        within("consumers", len(checkpoints | {consumer: offset}), STREAMS)
        checkpoints[consumer] = offset

    def stats(self) -> Mapping[str, int]:
        logs = sum(len(stream.records) for stream in self.streams.values())
        return {"rows": len(self.rows), "logs": logs}

    def close(self) -> None:
        """Nothing to give back."""

    def _save(self, save: Save) -> bool:
        key, epoch, version, writer, expires_at, row, logs = save
        stored = self.load(key)
        if stored is not None and stored[1:3] == (version, writer):
            return True
        if epoch < self.epoch:
            return False
        if stored is not None and (stored[0] > epoch or stored[1] + 1 != version):
            return False
        self._set(key, None if row is None else (epoch, version, writer, row), expires_at)
        for stream, record in logs:
            self._log(stream, record)
        return True

    def _set(self, key: str, row: Row | None, expires_at: int) -> None:
        if row is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = row, expires_at

    def _log(self, stream: str, record: bytes) -> None:
        log = self.streams.setdefault(stream, Stream())
        log.add(record)
        while log.size > self.bounded.get(stream, log.size):
            log.drop()

    def _check_streams(self, names: Sequence[str]) -> None:
        for name in names:
            within("stream", len(name.encode()), NAME_BYTES)
        within("streams", len(self.streams.keys() | set(names)), STREAMS)


def check_row(key: str, row: bytes | None) -> int:
    size = len(row or b"")
    within("key", len(key.encode()), KEY_BYTES)
    within("row", size, RECORD_BYTES)
    return len(key.encode()) + size + EXTRA_BYTES


def check_save(save: Save) -> int:
    size = check_row(save[0], save[5])
    for _, record in save[6]:
        within("record", len(record), RECORD_BYTES)
        size += len(record) + EXTRA_BYTES
    within("save", size, SAVE_BYTES)
    return size


def within(what: str, size: int, limit: int) -> None:
    if size > limit:
        raise ValueError(f"{what}: {size} is over the limit of {limit}")
