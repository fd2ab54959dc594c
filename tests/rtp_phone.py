"""A plain phone below SIP: one RTP stream of G.711 each way, a tone out, an ear in. It speaks no signalling. Not a test itself."""

import asyncio
import struct
import time
from typing import Self

from tandem.testing.g711 import PCMA, PCMU, decode, encode
from tandem.testing.tones import WINDOW_SECONDS, Window, measure, tone

RATE = 8_000
NAMES = {PCMU: "PCMU", PCMA: "PCMA"}
PACKET_SECONDS = 0.02
PACKET_SAMPLES = round(RATE * PACKET_SECONDS)
WINDOW_BYTES = 2 * round(RATE * WINDOW_SECONDS)
WINDOWS_KEPT = 36_000


class Ear:
    """What was heard, window by window."""

    def __init__(self, tones: tuple[int, ...]) -> None:
        self.tones = tones
        self.windows: list[tuple[float, Window]] = []  # monotonic seconds of the window's end
        self._pending = b""

    def take(self, pcm: bytes, rate: int = RATE) -> None:
        """Mono samples of 16 bits."""
        size = WINDOW_BYTES * rate // RATE
        self._pending += pcm
        while len(self._pending) >= size and len(self.windows) < WINDOWS_KEPT:
            window, self._pending = self._pending[:size], self._pending[size:]
            self.windows.append((time.monotonic(), measure(window, rate, self.tones)))

    async def hears(self, hz: int, *, within: float, windows: int = 10) -> float:
        """Until that many windows in a row from now on hold the tone; the seconds to the first of them."""
        began = time.monotonic()
        while True:
            recent = [(at, w) for at, w in self.windows if at > began + WINDOW_SECONDS]
            run: list[float] = []
            for at, window in recent:
                run = [*run, at] if window.has(hz) else []
                if len(run) == windows:
                    return run[0] - began
            if time.monotonic() - began > within + windows * WINDOW_SECONDS:
                raise AssertionError(f"{hz} Hz not heard: {[w for _, w in recent[-20:]]}")
            await asyncio.sleep(0.02)


class RtpPhone(asyncio.DatagramProtocol):
    """async with RtpPhone(440, listens_to=(1000,)) as phone: phone.aim = ("127.0.0.1", 22000)"""

    def __init__(self, hz: int, *, listens_to: tuple[int, ...], codec: int = PCMU) -> None:
        self.hz, self.codec, self.ear = hz, codec, Ear(listens_to)
        self.aim: tuple[str, int] | None = None
        self.port = 0
        self.received = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self.port = self.transport.get_extra_info("sockname")[1]
        self.talk = asyncio.create_task(self._talk())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.talk.cancel()
        self.transport.close()

    def description(self) -> str:
        lines = (
            "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
            f"m=audio {self.port} RTP/AVP {self.codec}", f"a=rtpmap:{self.codec} {NAMES[self.codec]}/8000", "a=sendrecv", "",
        )  # fmt: skip
        return "\r\n".join(lines)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) > 12 and data[0] >> 6 == 2 and data[1] & 0x7F == self.codec:
            self.received += 1
            self.ear.take(decode(data[12:], self.codec))

    async def _talk(self) -> None:
        began, number = time.monotonic(), 0
        while True:
            if self.aim is not None:
                samples = tone(self.hz, RATE, number * PACKET_SAMPLES, PACKET_SAMPLES)
                head = struct.pack(
                    "!BBHII", 0x80, self.codec, number & 0xFFFF, number * PACKET_SAMPLES, 7
                )
                self.transport.sendto(head + encode(samples, self.codec), self.aim)
            number += 1
            await asyncio.sleep(max(0.0, began + number * PACKET_SECONDS - time.monotonic()))
