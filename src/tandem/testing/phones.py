"""Soft phones (baresip) that register, call, speak a tone each and measure what they hear. For demo and tests, not for people.

async with Phones("127.0.0.1", sip_port=5080) as phones:
    alice = await phones.phone("alice", password, registrar="127.0.0.1:5060", hz=440)
    await alice.register()
    call = await alice.call("sip:bob@demo.tandem.test")
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

from baresip import Account, Call, CallState, Config, Runtime, UserAgent
from baresip.errors import AudioNotActive, AudioRestarted, StaleHandleError
from msgspec import Struct

from tandem.testing.tones import WINDOW_SECONDS, Window, measure, tone

HZ = (440, 1000)  # what phones speak, and look for
FRAME_SECONDS = 0.02
AHEAD_SECONDS = 0.06  # written ahead of the clock: three frames
WINDOWS_KEPT = 36_000  # an hour
MESSAGES_KEPT = 10_000
INCOMING_SECONDS = 10.0
CALLS_AT_ONCE = 64

Transport = Literal["udp", "tcp", "tls"]


class Message(Struct, frozen=True):
    """A SIP message as the phones' stack sent or received it."""

    at: int  # microseconds since 1970
    sent: bool  # by a phone
    transport: str
    local: str  # the phone's address and port
    remote: str
    text: str


class Heard(Struct):
    """What one side of a call heard, window by window."""

    windows: list[tuple[float, Window]]  # seconds since 1970 of the window's end

    def share(self, hz: int, since: float = 0.0, until: float = float("inf")) -> float:
        """Part of the windows in which the tone was there."""
        chosen = [w for at, w in self.windows if since <= at <= until]
        return sum(w.has(hz) for w in chosen) / len(chosen) if chosen else 0.0

    def seconds(self, since: float = 0.0, until: float = float("inf")) -> float:
        return WINDOW_SECONDS * sum(since <= at <= until for at, _ in self.windows)

    def dbfs(self, hz: int) -> float:
        """Mean level of the windows with the tone; -120 when there are none."""
        levels = [w.dbfs for _, w in self.windows if w.has(hz)]
        return round(sum(levels) / len(levels), 1) if levels else -120.0


class PhoneCall:
    """One phone's side of a call, with its tone and its ear."""

    def __init__(self, call: Call, hz: int) -> None:
        self.call = call
        self.hz = hz
        self.heard = Heard([])
        self._spoken = 0  # samples
        self._pending = b""
        self._task = asyncio.create_task(self._talk())

    @property
    def state(self) -> CallState:
        return self.call.state

    async def answer(self) -> None:
        await self.call.answer()
        await self.established()

    async def established(self, seconds: float = 15.0) -> None:
        """Raises baresip.CallFailed (with the status) or CallTimeout."""
        await self.call.wait_established(seconds)

    async def hold(self) -> None:
        await self.call.hold()

    async def resume(self) -> None:
        await self.call.resume()

    async def hangup(self) -> None:
        with contextlib.suppress(StaleHandleError):
            await self.call.hangup()

    async def ended(self, seconds: float = 10.0) -> None:
        """Until it is closed on this side. Raises TimeoutError."""
        await until(lambda: self.call.state is CallState.CLOSED, seconds, "the call is closed")

    @property
    def lost(self) -> float:
        """Part of the packets sent to us that never came; of an ended call."""
        stats = self.call.final_stats
        if stats is None:
            return 0.0
        return float(stats.rx_lost / max(1, stats.rx_packets + stats.rx_lost))

    async def _talk(self) -> None:
        """Keeps AHEAD_SECONDS of the tone in the stack's buffer, and empties the other one."""
        while self.call.state is not CallState.CLOSED:
            with contextlib.suppress(AudioNotActive, AudioRestarted):
                self._frame()
            await asyncio.sleep(FRAME_SECONDS / 2)

    def _frame(self) -> None:
        info = self.call.audio.info()
        if info.tx_ready:
            missing = round(AHEAD_SECONDS * info.tx_sample_rate) - info.tx_buffered // 2
            if missing > 0:
                taken = self.call.audio.write(
                    tone(self.hz, info.tx_sample_rate, self._spoken, missing)
                )
                self._spoken += taken // 2
        if info.rx_ready:
            self._listen(info.rx_sample_rate, self.call.audio.read(65_536))

    def _listen(self, rate: int, pcm: bytes) -> None:
        size = 2 * round(rate * WINDOW_SECONDS)
        self._pending += pcm
        while len(self._pending) >= size:
            window, self._pending = self._pending[:size], self._pending[size:]
            if len(self.heard.windows) < WINDOWS_KEPT:
                self.heard.windows.append((time.time(), measure(window, rate, HZ)))


class Phone:
    """One account on one transport; its calls come by `call()` and `incoming()`."""

    def __init__(self, name: str, agent: UserAgent, hz: int) -> None:
        self.name = name
        self.agent = agent
        self.hz = hz
        self.arrived: asyncio.Queue[PhoneCall] = asyncio.Queue()
        agent.on_incoming(lambda call: self.arrived.put_nowait(PhoneCall(call, hz)))

    async def register(self, seconds: float = 10.0) -> None:
        """Raises baresip.RegistrationError with the status."""
        await self.agent.register(timeout=seconds)

    async def unregister(self, seconds: float = 10.0) -> None:
        await self.agent.unregister(timeout=seconds)

    async def call(self, uri: str, headers: dict[str, str] | None = None) -> PhoneCall:
        """Returns when the INVITE is sent; `established()` waits for the answer."""
        return PhoneCall(await self.agent.dial(uri, headers), self.hz)

    async def incoming(self, seconds: float = INCOMING_SECONDS) -> PhoneCall:
        """The next call for this phone; it rings (180 is sent). Raises TimeoutError."""
        return await asyncio.wait_for(self.arrived.get(), seconds)


class Phones:
    """The SIP stack of this process (baresip allows one) and its phones."""

    def __init__(self, host: str, sip_port: int, rtp_ports: tuple[int, int], ca: str = "") -> None:
        self.host = host
        self.messages: list[Message] = []
        self._runtime = Runtime()
        extra = f"sip_listen {host}:{sip_port}\nrtp_ports {rtp_ports[0]}-{rtp_ports[1]}\n"
        if ca:
            extra += f"sip_cafile {ca}\nsip_verify_server yes\n"
        self._config = Config(
            net_interface=host,
            max_concurrent_calls=CALLS_AT_ONCE,
            sip_trace=True,
            native_log_level="error",
            extra_config_text=extra,
        )

    async def phone(
        self,
        name: str,
        password: str,
        *,
        domain: str,
        registrar: str = "",
        hz: int = HZ[0],
        transport: Transport = "udp",
        auth_user: str | None = None,
        expires_seconds: int = 600,
    ) -> Phone:
        """A phone that is not registered yet. `registrar` is host:port of the edge; "": it calls directly."""
        account = Account(
            user=name,
            domain=domain,
            password=password,
            registrar=f"{registrar};transport={transport}" if registrar else None,
            reg_interval=expires_seconds if registrar else 0,
            transport=transport,
            auth_user=auth_user,
        )
        return Phone(name, await UserAgent.create(self._runtime, account), hz)

    async def start(self) -> None:
        logger = logging.getLogger("baresip.native.sip")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        self._keeper = _Keeper(self.messages)
        logger.addHandler(self._keeper)
        await self._runtime.start(self._config)

    async def close(self) -> None:
        """Unregisters nobody: a registration that outlives its phone is a case of its own."""
        await self._runtime.close()
        logging.getLogger("baresip.native.sip").removeHandler(self._keeper)


@asynccontextmanager
async def phones(
    host: str = "127.0.0.1",
    *,
    sip_port: int,
    rtp_ports: tuple[int, int],
    ca: str = "",
) -> AsyncIterator[Phones]:
    """A running stack, closed at the end."""
    stack = Phones(host, sip_port, rtp_ports, ca)
    await stack.start()
    try:
        yield stack
    finally:
        await stack.close()


async def until(fact: Callable[[], bool], seconds: float, sentence: str) -> None:
    """Raises TimeoutError with the sentence."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {sentence}")
        await asyncio.sleep(0.01)


class _Keeper(logging.Handler):
    """Turns the stack's trace records into messages."""

    def __init__(self, kept: list[Message]) -> None:
        super().__init__()
        self.kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        head, _, text = record.getMessage().partition("\n")
        match head.split():
            case [("TX" | "RX") as way, transport, source, "->", target] if text.strip():
                sent = way == "TX"
                local, remote = (source, target) if sent else (target, source)
                if len(self.kept) < MESSAGES_KEPT:
                    at = int(record.created * 1_000_000)
                    self.kept.append(Message(at, sent, transport.lower(), local, remote, text))
