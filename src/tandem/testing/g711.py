"""G.711 for test phones: 16-bit samples to and from bytes of either law (ITU-T G.711). Slow and plain."""

import array
from bisect import bisect
from itertools import pairwise

PCMU, PCMA = 0, 8  # payload types (RFC 3551 6)


def _from_mu(byte: int) -> int:
    byte = ~byte & 0xFF
    sample = (((byte & 0x0F) << 3) + 0x84 << (byte >> 4 & 7)) - 0x84
    return -sample if byte & 0x80 else sample


def _from_a(byte: int) -> int:
    byte ^= 0x55
    exponent, mantissa = byte >> 4 & 7, (byte & 0x0F) << 4
    sample = mantissa + 8 if exponent == 0 else mantissa + 0x108 << exponent - 1
    return sample if byte & 0x80 else -sample


_SAMPLES = {PCMU: [_from_mu(n) for n in range(256)], PCMA: [_from_a(n) for n in range(256)]}
# Each law's samples in order, with their bytes: the nearest one is between two middles.
_SORTED = {
    codec: sorted((s, byte) for byte, s in enumerate(all_)) for codec, all_ in _SAMPLES.items()
}
_MIDDLES = {
    codec: [(one + other) / 2 for (one, _), (other, _) in pairwise(all_)]
    for codec, all_ in _SORTED.items()
}


def decode(payload: bytes, codec: int) -> bytes:
    table = _SAMPLES[codec]
    return array.array("h", [table[byte] for byte in payload]).tobytes()


def encode(pcm: bytes, codec: int) -> bytes:
    known, middles = _SORTED[codec], _MIDDLES[codec]
    return bytes(known[bisect(middles, sample)][1] for sample in array.array("h", pcm))
