"""Histograms of times as workers give them (crates/tandem-edge/src/histogram.rs): added up, and read as percentiles. Pure."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

SHORTEST_US = 64
DOUBLINGS = 20  # 64 us to 67 s, four buckets to each; one more for what is longer


class Times(Struct, frozen=True):
    """How often something took how long; empty buckets at the end are left out."""

    sum_us: int = 0
    counts: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        return sum(self.counts)


def ends_us(bucket: int) -> float:
    """Where a bucket ends; the last one has no end."""
    if bucket >= DOUBLINGS * 4:
        return float("inf")
    return (SHORTEST_US << (bucket // 4)) * (5 + bucket % 4) / 4


def begins_us(bucket: int) -> float:
    return ends_us(bucket - 1) if bucket else 0.0


def added(all: Iterable[Times]) -> Times:
    total, sum_us = [0] * (DOUBLINGS * 4 + 1), 0
    for times in all:
        sum_us += times.sum_us
        for bucket, count in enumerate(times.counts[: len(total)]):
            total[bucket] += count
    while total and not total[-1]:
        total.pop()
    return Times(sum_us, tuple(total))


def since(before: Times, after: Times) -> Times:
    """What came between two looks; all of `after` when counting began anew."""
    old = before.counts + (0,) * (len(after.counts) - len(before.counts))
    between = tuple(new - was for new, was in zip(after.counts, old, strict=False))
    if before.count > after.count or any(count < 0 for count in between):
        return after
    return Times(after.sum_us - before.sum_us, between)


def percentiles_us(times: Times, parts: Sequence[float]) -> list[float | None]:
    """The time that a part (0 to 1) of all did not exceed, straight lines inside a bucket; None: there is nothing."""
    return [_percentile(times, part) for part in parts]


def _percentile(times: Times, part: float) -> float | None:
    wanted, seen = part * times.count, 0
    if not times.count:
        return None
    for bucket, count in enumerate(times.counts):
        if count and seen + count >= wanted:
            begin, end = begins_us(bucket), ends_us(bucket)
            if end == float("inf"):
                return begin
            return begin + (end - begin) * max(0.0, wanted - seen) / count
        seen += count
    return None
