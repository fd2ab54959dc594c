"""The load generator: builds sipgen, runs it on its own core beside a server, and measures the server's CPU meanwhile."""

import json
import subprocess
from typing import Any

from msgspec import Struct
from peers import cpumeter

from scenarios.figure import Missing
from scenarios.machine import BENCH, LOAD_CORE, SERVER_CORE, pinned

SIPGEN = BENCH / "peers" / "sip" / "sipgen"
TARGET = "127.0.0.1:5060"
UAS = "127.0.0.1:7001"
FARM = ("127.0.0.1:7001", "127.0.0.1:7002")  # of a pool
LOAD_SECONDS_MOST = 240


class Load(Struct, frozen=True):
    """One run of sipgen, and what the server spent on it."""

    said: dict[str, Any]
    cpu_us: float  # of the server's processes, all of them together
    core_percent: float  # how busy the server's core was

    @property
    def completed(self) -> int:
        return int(self.said["completed"])

    @property
    def us_per_unit(self) -> float:
        return self.cpu_us / max(1, self.completed)

    @property
    def per_second(self) -> float:
        return self.completed / float(self.said["elapsed_s"])

    @property
    def p99_us(self) -> float:
        return float((self.said["answer"] or {"p99_us": float("nan")})["p99_us"])

    @property
    def clean(self) -> bool:
        """All completed, and nobody repeated anything."""
        said = self.said
        return (
            not said["failed"] and not said["open"] and not said["retrans"] and not said["timeouts"]
        )

    def __str__(self) -> str:
        state = "clean" if self.clean else f"failed {self.said['failed']}, repeats "
        if not self.clean:
            state += f"{self.said['retrans']}, codes {self.said['codes']}"
        return (
            f"{self.completed} done, {self.us_per_unit:.1f} us each, {self.per_second:.0f}/s,"
            f" core {self.core_percent:.0f} %, {state}"
        )


def build() -> None:
    """Compiles the generator; a no-op when it is there."""
    try:
        done = subprocess.run(
            ["cargo", "build", "--release", "--locked", "-q"],
            cwd=SIPGEN,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise Missing("cargo: it builds the load generator; https://rustup.rs") from None
    if done.returncode:
        raise Missing(f"the load generator does not build: {done.stderr[-500:]}")


def command(mode: str, **options: object) -> list[str]:
    """sipgen's arguments: hold_ms=500 is --hold-ms 500."""
    words = [str(SIPGEN / "target" / "release" / "sipgen"), mode]
    for name, value in {"target": TARGET, **options}.items():
        words += ["--" + name.replace("_", "-"), str(value)]
    return words


def run(mode: str, server: int, **options: object) -> Load:
    """Runs to its end. `server`: the process whose tree is measured."""
    meter = cpumeter.Meter([server], SERVER_CORE)
    done = subprocess.run(
        command(mode, **options),
        capture_output=True,
        text=True,
        preexec_fn=pinned(LOAD_CORE),
        timeout=LOAD_SECONDS_MOST,
        check=False,
    )
    cpu, core = meter.stop()
    return Load(said(done.stdout, done.stderr), cpu, core)


def start(mode: str, **options: object) -> subprocess.Popen[str]:
    """Runs beside what follows; `finish` waits for it."""
    return subprocess.Popen(
        command(mode, **options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=pinned(LOAD_CORE),
    )


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a started run said at its end."""
    try:
        out, err = process.communicate(timeout=LOAD_SECONDS_MOST)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Missing("the load generator did not end in time") from None
    return said(out, err)


def said(out: str, err: str) -> dict[str, Any]:
    """The one line of JSON."""
    lines = out.strip().splitlines()
    if not lines:
        raise Missing(f"the load generator failed: {err.strip()[-400:]}")
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer
