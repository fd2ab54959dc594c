"""Tones and the search for them (Goertzel), on 16-bit samples. Pure: no clock, no socket."""

import array
import math
import struct

from msgspec import Struct

WINDOW_SECONDS = 0.1  # one measurement; 10 Hz of resolution
AMPLITUDE = 8_000  # of 32,767: -12 dBFS, far from clipping after G.711
HEARD_SHARE = 0.5  # a tone is heard in a window when it has this share of the window's energy ...
HEARD_DBFS = -30.0  # ... and at least this level


class Window(Struct, frozen=True):
    """What one window held: the level of all of it, and each tone's share of the energy (0 to 1)."""

    dbfs: float
    shares: dict[int, float]

    def has(self, hz: int) -> bool:
        return self.dbfs >= HEARD_DBFS and self.shares.get(hz, 0.0) >= HEARD_SHARE


def tone(hz: int, rate: int, first: int, samples: int) -> bytes:
    """Samples `first` to `first + samples` of a sine, so that pieces join without a click."""
    step = 2 * math.pi * hz / rate
    wave = (round(AMPLITUDE * math.sin(step * n)) for n in range(first, first + samples))
    return array.array("h", wave).tobytes()


def goertzel_share(samples: "array.array[int]", rate: int, hz: int) -> float:
    """The tone's share of the energy of the samples: 1.0 is a clean sine, 0.0 silence or others."""
    energy = sum(sample * sample for sample in samples)
    if not energy:
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * hz / rate)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + coefficient * last - before
    power = last * last + before * before - coefficient * last * before
    return min(1.0, 2 * power / (len(samples) * energy))


def measure(pcm: bytes, rate: int, tones: tuple[int, ...]) -> Window:
    samples = array.array("h", pcm)
    mean = sum(s * s for s in samples) / max(1, len(samples))
    dbfs = 10 * math.log10(mean / (32_768.0**2)) if mean else -120.0
    return Window(round(dbfs, 1), {hz: round(goertzel_share(samples, rate, hz), 3) for hz in tones})


def wav(hz: int, rate: int, *, seconds: int) -> bytes:
    """A file of one tone, mono; whole seconds of a whole frequency join without a click when it is played again."""
    pcm = tone(hz, rate, 0, rate * seconds)
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    data = b"data" + struct.pack("<I", len(pcm)) + pcm
    return b"RIFF" + struct.pack("<I", len(head) + len(data)) + head + data
