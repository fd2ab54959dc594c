"""A real media relay in a directory of its own, for tests that ask it, send media through it and kill it. It knows no calls.

with RunningRelay(tmp_path) as relay:
    answer = relay.ask("offer", call_id="c1", from_tag="a", sdp=offer)
    relay.kill()
    relay.up()
"""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tandem.testing.ports import free_port

READY_SECONDS = 10.0
ANSWER_SECONDS = 3.0


class RunningRelay:
    """One relay on loopback. `config` stands over the usual one (crates/tandem-media/src/config.rs)."""

    def __init__(self, base: Path, ng_port: int = 0, **config: Any) -> None:
        self.base = base
        self.ng = ("127.0.0.1", ng_port or free_port())
        self.config: dict[str, Any] = {
            "interfaces": [{"address": "127.0.0.1"}],
            "ports": {"min": 22_000, "max": 26_999},
            "ng": {"udp": ["{}:{}".format(*self.ng)]},
            "state": str(base / "state"),
            "threads": 1,
            "delete_delay": 0,
            **config,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()

    def up(self) -> float:
        """Starts it; the seconds until it answered."""
        file = self.base / "relay.json"
        file.write_text(json.dumps(self.config))
        began = time.monotonic()
        with (self.base / "relay.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tandem.relay", str(file)], stdout=log, stderr=log
            )
        while True:
            assert self.process.poll() is None, self.log()
            assert time.monotonic() - began < READY_SECONDS, self.log()
            try:
                if self.ask("ping", seconds=0.1)["result"] == "pong":
                    return time.monotonic() - began
            except OSError:
                time.sleep(0.005)

    def ask(self, command: str, *, seconds: float = ANSWER_SECONDS, **fields: Any) -> Any:
        """One ng command in JSON; `call_id=` is call-id. Raises TimeoutError."""
        asked = {"command": command, **{key.replace("_", "-"): v for key, v in fields.items()}}
        cookie = f"{os.getpid()}_{time.monotonic_ns()}_{next(self._numbers)}".encode()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(seconds)
            asker.connect(self.ng)
            asker.send(cookie + b" " + json.dumps(asked).encode())
            while True:
                answer = asker.recv(65_536)
                if answer.startswith(cookie + b" "):
                    return json.loads(answer[len(cookie) + 1 :])

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """And waits for its end."""
        assert self.process
        self.process.send_signal(number)
        self.process.wait(READY_SECONDS)

    def log(self) -> str:
        return (self.base / "relay.log").read_text()

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process and self.process.poll() is None:
            self.kill(signal.SIGTERM)
