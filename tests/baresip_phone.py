"""Debian's baresip as a process of its own: one account, a tone for a microphone, an ear at its loudspeaker. Not a test itself."""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from rtp_phone import RATE, Ear
from tandem.testing.machine import Machine
from tandem.testing.phones import until
from tandem.testing.tones import wav

BARESIP = shutil.which("baresip")
MODULES = "/usr/lib/baresip/modules"
READY_SECONDS, EVENT_SECONDS, END_SECONDS = 10.0, 15.0, 2.0
TONE_SECONDS = 60  # of its microphone; no call is longer
LISTEN_SECONDS = 0.02
LOUDSPEAKER_RATE = 48_000  # a pipe is emptied page by page: 43 ms of sound
PIPE_BYTES, AHEAD_SECONDS = 4_096, 0.1
EVENTS_KEPT = 10_000
PORTS = 40  # that one phone takes
CONFIG = """\
sip_listen 127.0.0.1:{sip}
rtp_ports {rtp}-{rtp_end}
net_interface 127.0.0.1
audio_source aufile,{base}/tone.wav
audio_player alsa,ear
audio_alert aubridge,alert
audio_channels 1-1
ausrc_srate 8000
auplay_srate {rate}
module_path {modules}
module g711.so
module aufile.so
module aubridge.so
module alsa.so
module srtp.so
module ctrl_tcp.so
module_app account.so
module_app menu.so
statmode_default off
ctrl_tcp_listen 127.0.0.1:{control}
"""
ALSA = """\
pcm.ear {{ type file; slave.pcm {{ type null }}; file "{base}/ear"; format raw }}
"""


class BaresipPhone:
    """async with BaresipPhone(base, account, port=21_400, hz=1000, listens_to=440) as phone: it takes PORTS ports from there on."""

    def __init__(self, base: Path, account: str, *, port: int, hz: int, listens_to: int) -> None:
        self.base, self.port, self.hz, self.listens_to = base, port, hz, listens_to
        self.control = port + 2  # the next one is its SIP over TLS
        self.ear = Ear((listens_to,))
        self.events: list[dict[str, Any]] = []
        base.mkdir()
        (base / "tone.wav").write_bytes(wav(hz, RATE, seconds=TONE_SECONDS))
        (base / "accounts").write_text(account + "\n")
        (base / "contacts").write_text("")
        ports = {"sip": port, "control": self.control, "rtp": port + 4, "rtp_end": port + PORTS}
        words = {"base": base, "modules": MODULES, "rate": LOUDSPEAKER_RATE}
        (base / "config").write_text(CONFIG.format(**ports, **words))
        (base / "asound.conf").write_text(ALSA.format(base=base))

    async def __aenter__(self) -> Self:
        os.mkfifo(self.base / "ear")
        self.loudspeaker = os.open(self.base / "ear", os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(self.loudspeaker, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self.process = self._start()
        try:
            await self._connect()
        except BaseException:
            self._kill()
            raise
        self.tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._listen())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        self.writer.close()
        self.process.terminate()  # it unregisters
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self.process.wait, END_SECONDS)
        self._kill()

    def log(self) -> str:
        return (self.base / "log").read_text(errors="replace")

    async def registered(self) -> None:
        # its event may be older than our connection
        await until(lambda: " 200 OK " in self.log(), EVENT_SECONDS, "baresip is registered")

    async def call(self, uri: str) -> None:
        """Returns when the INVITE is on its way."""
        self.say("dial", uri)
        await self.event("CALL_LOCAL_SDP")

    async def answer(self) -> None:
        await self.event("CALL_INCOMING")
        self.say("accept")
        await self.event("CALL_ESTABLISHED")

    async def established(self) -> None:
        await self.event("CALL_ESTABLISHED")

    async def hangup(self) -> None:
        self.say("hangup")
        await self.ended()

    async def ended(self) -> None:
        await self.event("CALL_CLOSED")

    async def hears(self, within: float) -> None:
        """Its peer's tone for a second, which begins within so many."""
        await self.ear.hears(self.listens_to, within=within)

    async def hears_nothing(self, seconds: float) -> None:
        """No tone in all that time."""
        known = len(self.ear.windows)
        await asyncio.sleep(seconds)
        assert not [w for _, w in self.ear.windows[known:] if w.has(self.listens_to)]

    def say(self, command: str, params: str = "") -> None:
        """A command of its menu."""
        text = json.dumps({"command": command, "params": params})
        self.writer.write(f"{len(text)}:{text},".encode())

    async def event(self, kind: str) -> dict[str, Any]:
        """The first of this kind, which may have been long ago."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVENT_SECONDS):
                while True:
                    for event in self.events:
                        if event.get("type") == kind:
                            return event
                    await asyncio.sleep(0.02)
        kinds = [event.get("type") for event in self.events]
        raise AssertionError(f"no {kind} in {kinds}\n{self.log()[-3000:]}")

    def _start(self) -> subprocess.Popen[bytes]:
        words = [str(BARESIP), "-f", str(self.base), "-v"]
        environ = {**os.environ, "ALSA_CONFIG_PATH": str(self.base / "asound.conf")}
        with (self.base / "log").open("wb") as log:
            return subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.base, env=environ
            )

    async def _connect(self) -> None:
        async with asyncio.timeout(READY_SECONDS):
            while True:
                with contextlib.suppress(OSError):
                    self.reader, self.writer = await asyncio.open_connection(
                        "127.0.0.1", self.control
                    )
                    return
                assert self.process.poll() is None, self.log()
                await asyncio.sleep(0.02)

    async def _read(self) -> None:
        """Netstrings of JSON."""
        while True:
            length = int((await self.reader.readuntil(b":"))[:-1])
            told = json.loads(await self.reader.readexactly(length))
            await self.reader.readexactly(1)
            if told.get("event") and len(self.events) < EVENTS_KEPT:
                self.events.append(told)

    async def _listen(self) -> None:
        """At the pace of a sound card: baresip's thread waits for us."""
        bytes_a_second = 2 * LOUDSPEAKER_RATE
        due, last = 0.0, time.monotonic()
        while True:
            await asyncio.sleep(LISTEN_SECONDS)
            now = time.monotonic()
            due = min(due + bytes_a_second * (now - last), bytes_a_second * AHEAD_SECONDS)
            last = now
            with contextlib.suppress(BlockingIOError):
                pcm = os.read(self.loudspeaker, int(due) & ~1)
                due -= len(pcm)
                self.ear.take(pcm, LOUDSPEAKER_RATE)

    def _kill(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.loudspeaker)


def account(machine: Machine, name: str, *options: str) -> str:
    """The line of a user's phone that registers."""
    user = machine.users[name]
    words = [
        f"<sip:{name}@{user.domain}>", f"auth_pass={user.password}", "regint=600",
        f'outbound="sip:{machine.address()};transport=udp"', *options,
    ]  # fmt: skip
    return ";".join(words)
