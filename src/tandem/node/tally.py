"""What relays measured of the calls that have ended, summed up for metrics. Pure."""

from collections.abc import Sequence
from typing import Any

from tandem.records.model import Quality

MOS = (
    2.0,
    2.5,
    3.0,
    3.5,
    4.0,
    4.2,
    4.4,
)  # upper ends of the buckets; beyond the last one: all others
JITTER = (1.0, 5.0, 10.0, 20.0, 40.0, 80.0)  # ms
LOSS = (0.0, 0.1, 0.5, 1.0, 3.0, 10.0)  # percent
ROUND_TRIP = (10.0, 25.0, 50.0, 100.0, 200.0, 400.0)  # ms


class Histogram:
    """How many values are in which bucket."""

    def __init__(self, ends: Sequence[float]) -> None:
        self.ends = ends
        self.counts = [0] * (len(ends) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        place = next((n for n, end in enumerate(self.ends) if value <= end), len(self.ends))
        self.counts[place] += 1
        self.sum += value

    def plain(self) -> dict[str, Any]:
        return {"ends": list(self.ends), "counts": list(self.counts), "sum": round(self.sum, 3)}


class Tally:
    """Of the streams that came from phones. What is not known (no RTCP, no codec that the E-model knows) is not counted."""

    def __init__(self) -> None:
        self.packets = self.lost = 0
        self.mos, self.jitter = Histogram(MOS), Histogram(JITTER)
        self.loss, self.round_trip = Histogram(LOSS), Histogram(ROUND_TRIP)

    def add(self, streams: Sequence[Quality]) -> None:
        for stream in streams:
            if stream.direction != "in" or not stream.packets:
                continue
            self.packets += stream.packets
            self.lost += stream.lost
            self.jitter.add(stream.jitter_ms)
            self.loss.add(100 * stream.lost / (stream.packets + stream.lost))
            if stream.mos:
                self.mos.add(stream.mos)
            if stream.rtt_ms:
                self.round_trip.add(stream.rtt_ms)

    def plain(self) -> dict[str, Any]:
        return {
            "packets": self.packets,
            "lost": self.lost,
            "mos": self.mos.plain(),
            "jitter_milliseconds": self.jitter.plain(),
            "loss_percent": self.loss.plain(),
            "round_trip_milliseconds": self.round_trip.plain(),
        }
