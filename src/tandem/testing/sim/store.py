"""A store that fails as real ones do: rows with compare-and-set, latency, writes that are applied yet reported lost, lost writes."""

from tandem.calls.batch import Save
from tandem.testing.sim.clock import MS, Clock

LOST_WINDOW = 100 * MS  # what a primary may lose when it dies (asynchronous replication)


class SimStore:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.epoch = 0
        self.rows: dict[str, tuple[int, int, int, bytes]] = {}  # epoch, version, writer, row
        self.logs: list[tuple[int, str, bytes, str]] = []  # time, stream, record, key
        self.history: list[tuple[int, str, tuple[int, int, int, bytes] | None]] = []
        self.saves = 0

    def claim(self, highest_known: int) -> int:
        self.epoch = max(self.epoch, highest_known) + 1
        return self.epoch

    def load(self, key: str) -> tuple[int, int, bytes] | None:
        found = self.rows.get(key)
        return (found[0], found[1], found[3]) if found else None

    def save(self, saves: list[Save]) -> list[bool]:
        return [self.save_one(save) for save in saves]

    def save_one(self, save: Save) -> bool:
        self.saves += 1
        old = self.rows.get(save.key)
        if old is not None and (old[1], old[2]) == (save.version, save.writer):
            return True
        if save.epoch < self.epoch or (old[1] if old else 0) != save.version - 1:
            return False
        self.history.append((self.clock.now, save.key, old))
        self.rows[save.key] = (save.epoch, save.version, save.writer, save.row or b"")
        self.logs += [(self.clock.now, stream, record, save.key) for stream, record in save.logs]
        return True

    def lose(self) -> int:
        """The primary dies and its replica lacks the last writes. How many rows went back."""
        since, lost = self.clock.now - LOST_WINDOW, 0
        while self.history and self.history[-1][0] >= since:
            _, key, old = self.history.pop()
            lost += 1
            if old is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = old
        self.logs = [entry for entry in self.logs if entry[0] < since]
        return lost

    def stream(self, name: str) -> list[bytes]:
        return [record for _, stream, record, _ in self.logs if stream == name]
