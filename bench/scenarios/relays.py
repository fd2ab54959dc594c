"""The relays that are compared: Tandem's and rtpengine in userspace, each on the server's core with one thread for media."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from scenarios.figure import Missing
from scenarios.machine import BENCH, HOME, SERVER_CORE, pinned, stop_group
from scenarios.ng import Ng
from scenarios.rival import need, scratch

NG = ("127.0.0.1", 2223)
PORTS = (20_000, 60_000)
READY_SECONDS = 10.0
RTPENGINE = (
    "rtpengine --foreground --table=-1 --interface=127.0.0.1 --listen-ng=127.0.0.1:2223"
    f" --port-min={PORTS[0]} --port-max={PORTS[1]} --num-threads=1 --log-level=3 --log-stderr"
    " --delete-delay=0 --timeout=600 --silent-timeout=600"
)


class Relay:
    """A relay that can be killed and started again with what it keeps."""

    def __init__(self, name: str, words: list[str], run: str) -> None:
        self.name, self.words, self.run = name, words, run
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "PYTHONPATH": str(HOME / "src")}
        with open(f"{self.run}/{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                self.words, stdout=log, stderr=log, env=environ, preexec_fn=pinned(SERVER_CORE)
            )
        return self.process

    def ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            ng = Ng(NG)
            ng.socket.settimeout(0.1)
            try:
                if ng.ask("ping").get("result") == b"pong":
                    return
            except OSError:
                time.sleep(0.05)
            finally:
                ng.close()
        with open(f"{self.run}/{self.name}.log") as log:
            raise Missing(f"{self.name} does not start: {log.read()[-600:]}")

    def kill(self) -> None:
        """As kill -9 does; returns when it is gone."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def tandem(*, keeps: bool = True, kernel: str = "off") -> Iterator[Relay]:
    """Ours. `keeps`: with its journal, as in service. `kernel`: "off" leaves every packet to the sockets, on loopback too."""
    with scratch() as run:
        config = {
            "interfaces": [{"address": "127.0.0.1"}],
            "ports": {"min": PORTS[0], "max": PORTS[1]},
            "ng": {"udp": [f"{NG[0]}:{NG[1]}"]},
            "threads": 1,
            "delete_delay": 0,
            "timeout": 600,
            "kernel": kernel,
            **({"state": f"{run}/state"} if keeps else {}),
        }
        with open(f"{run}/relay.json", "w") as file:
            json.dump(config, file)
        relay = Relay(
            "tandem", [sys.executable, "-P", "-m", "tandem.relay", f"{run}/relay.json"], run
        )
        yield from _served(relay)


@contextmanager
def rtpengine(*, redis: int = 0) -> Iterator[Relay]:
    """Debian's. `redis`: the port of a Redis that keeps its calls."""
    need("rtpengine", "rtpengine-daemon")
    with scratch() as run:
        words = RTPENGINE.split()
        if redis:
            words += [f"--redis=127.0.0.1:{redis}/1", "--redis-num-threads=2"]
        yield from _served(Relay("rtpengine", words, run))


@contextmanager
def redis(port: int) -> Iterator[None]:
    """An empty Redis that writes no files."""
    program = need("redis-server", "redis-server")
    with scratch() as run:
        words = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", run]
        process = subprocess.Popen(
            [*words, "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
            preexec_fn=pinned(SERVER_CORE),
        )
        try:
            time.sleep(0.5)
            yield
        finally:
            stop_group(process)


def _served(relay: Relay) -> Iterator[Relay]:
    try:
        relay.ready()
        yield relay
    finally:
        stop_group(relay.process)


RTPGEN = BENCH / "peers" / "rtp" / "rtpgen"
