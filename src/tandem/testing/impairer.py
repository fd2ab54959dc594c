"""A bad network for one stream of datagrams: loss, delay, jitter and reordering on loopback, the same for the same seed. No netem, no root.

async with Impairer(to=("127.0.0.1", 22_000), out=Weather(loss=0.05, jitter_ms=30), seed=1) as bad:
    phone.aim = bad.address
"""

import asyncio
import random
from collections.abc import Callable
from typing import Self

from msgspec import Struct

SPREAD = 3.0  # delays of an even spread from 0 to D differ by D/3 on average: RFC 3550's jitter
WAITING_DATAGRAMS = 4_096

Address = tuple[str, int]
Take = Callable[[bytes, Address], None]


class Weather(Struct, frozen=True):
    """What happens to the datagrams of one direction."""

    loss: float = 0.0  # share that never arrives
    jitter_ms: float = 0.0  # as RFC 3550 6.4.1 measures it; datagrams overtake each other
    delay_ms: float = 0.0  # of every datagram


class Fate:
    """Decides about one datagram after the other. Pure: the same seed, the same fates."""

    def __init__(self, weather: Weather, seed: int) -> None:
        self.weather = weather
        self.dropped = self.passed = 0
        self._random = random.Random(seed)

    def next(self) -> float | None:
        """Seconds that the next one is on its way; None: it is lost."""
        lost, late = self._random.random(), self._random.random()
        if lost < self.weather.loss:
            self.dropped += 1
            return None
        self.passed += 1
        return (self.weather.delay_ms + SPREAD * self.weather.jitter_ms * late) / 1_000


class Impairer:
    """Stands between whoever sends to `address` first and `to`. `out` is towards `to`, `back` the other way."""

    def __init__(
        self, *, to: Address, out: Weather, back: Weather | None = None, seed: int = 1
    ) -> None:
        self.to = to
        self.out, self.back = Fate(out, seed), Fate(back or Weather(), seed + 1)
        self.address: Address = ("", 0)
        self.waiting = 0
        self._near: Address | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        here = ("127.0.0.1", 0)
        self._inside, _ = await loop.create_datagram_endpoint(
            lambda: _Side(self._from_near), local_addr=here
        )
        self._outside, _ = await loop.create_datagram_endpoint(
            lambda: _Side(self._from_far), local_addr=here
        )
        self.address = self._inside.get_extra_info("sockname")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._inside.close()
        self._outside.close()

    def _from_near(self, data: bytes, source: Address) -> None:
        self._near = source
        self._carry(self._outside, data, self.to, self.out)

    def _from_far(self, data: bytes, source: Address) -> None:
        if self._near is not None and source == self.to:
            self._carry(self._inside, data, self._near, self.back)

    def _carry(self, side: asyncio.DatagramTransport, data: bytes, to: Address, fate: Fate) -> None:
        seconds = fate.next()
        if seconds is None:
            return
        if not seconds:
            side.sendto(data, to)
        elif self.waiting < WAITING_DATAGRAMS:
            self.waiting += 1
            asyncio.get_running_loop().call_later(seconds, self._arrive, side, data, to)

    def _arrive(self, side: asyncio.DatagramTransport, data: bytes, to: Address) -> None:
        self.waiting -= 1
        if not side.is_closing():
            side.sendto(data, to)


class _Side(asyncio.DatagramProtocol):
    def __init__(self, take: Take) -> None:
        self.take = take

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.take(data, addr)
