"""Paced RTP through a relay: sets calls up, runs rtpgen on its own core, measures the relay meanwhile."""

import json
import os
import subprocess
import sys
import time
from typing import Any

from msgspec import Struct
from peers import cpumeter

from scenarios.figure import Missing
from scenarios.machine import HOME, LOAD_CORE, SERVER_CORE, pinned
from scenarios.ng import Ng, Side, set_up
from scenarios.relays import NG, RTPGEN, Relay

SOCKETS = 32  # of each side; flows share them, told apart by SSRC
A, B = "127.0.0.2", "127.0.0.3"
FIRST_PORT = 30_000
WARM_SECONDS = 1.0


class Run(Struct, frozen=True):
    """One run of rtpgen, and what the relay spent on it."""

    said: dict[str, Any]
    cpu_us: float
    core_percent: float
    packets: float  # relayed while it was measured
    kib: float  # per call, grown since before the first one

    @property
    def us_per_packet(self) -> float:
        return self.cpu_us / max(1.0, self.packets)

    @property
    def p99_us(self) -> float:
        return float(self.said["lat_us"]["p99"])

    def __str__(self) -> str:
        said = self.said
        return (
            f"{self.us_per_packet:.2f} us a packet, {said['pps_sent']:.0f}/s, loss {said['loss_pct']:.3f} %,"
            f" delay p50 {said['lat_us']['p50']} p99 {said['lat_us']['p99']} us, core {self.core_percent:.0f} %,"
            f" {self.kib:.1f} KiB a call, generator {said['gen_core_pct']:.0f} %,"
            f" SRTP good {said['srtp_auth_ok']} bad {said['srtp_auth_bad']}, silent {said['silent_flows']}"
        )


def build() -> None:
    """Compiles the generator; a no-op when it is there."""
    words = ["cargo", "build", "--release", "--locked", "-q"]
    try:
        done = subprocess.run(words, cwd=RTPGEN, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Missing("cargo: it builds the load generator; https://rustup.rs") from None
    if done.returncode:
        raise Missing(f"rtpgen does not build: {done.stderr[-500:]}")


def calls(count: int, *, first: int = 0, srtp: bool = False) -> list[str]:
    """Sets calls up at the relay that listens; lines for rtpgen."""
    ng, lines = Ng(NG), []
    for number in range(first, first + count):
        port = FIRST_PORT + 2 * (number % SOCKETS)
        lines += set_up(ng, number, Side(A, port), Side(B, port), srtp=srtp)
    ng.close()
    return lines


def generator(lines: list[str], run: str, *options: str) -> subprocess.Popen[str]:
    """rtpgen, after its warm-up: it counts from now on."""
    with open(f"{run}/flows", "w") as file:
        file.write("\n".join(lines) + "\n")
    words = [str(RTPGEN / "target" / "release" / "rtpgen"), f"{run}/flows", *options]
    words += ["--warm", str(WARM_SECONDS)]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, preexec_fn=pinned(LOAD_CORE)
    )
    assert process.stdout
    process.stdout.readline()
    return process


def secured(
    kind: str, count: int, seconds: float, *, sequence: int = 100
) -> subprocess.Popen[str] | None:
    """As many calls to a phone with SRTP, keyed by "dtls" (with ICE) or "sdes"; they are up when `counted` says so."""
    if not count:
        return None
    words = [kind, str(count), str(seconds), str(WARM_SECONDS), str(sequence)]
    environ = {**os.environ, "PYTHONPATH": str(HOME / "src")}
    return subprocess.Popen(
        [sys.executable, str(RTPGEN.parent / "secure_calls.py"), *words],
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
        preexec_fn=pinned(LOAD_CORE),
    )


def counted(process: subprocess.Popen[str]) -> None:
    """Until its warm-up is over."""
    assert process.stdout
    if process.stdout.readline() != "COUNTING\n":
        raise Missing("secure_calls failed: are the packages of requirements/bench.txt there?")


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate()
    lines = out.strip().splitlines()
    if not lines:
        raise Missing("a generator failed")
    said: dict[str, Any] = json.loads(lines[-1])
    return said


def carry(relay: Relay, count: int, seconds: float, *, srtp: bool = False) -> Run:
    """`count` calls of G.711, both ways, for so long."""
    pids = cpumeter.children([relay.process.pid])
    before = cpumeter.pss_kib(pids)
    lines = calls(count, srtp=srtp)
    process = generator(lines, relay.run, "--seconds", str(seconds))
    meter, began = cpumeter.Meter([relay.process.pid], SERVER_CORE), time.monotonic()
    time.sleep(seconds - 0.2)
    cpu, core = meter.stop()
    measured = time.monotonic() - began
    grown = (cpumeter.pss_kib(pids) - before) / count
    said = result(process)
    packets = said["pps_sent"] * measured * (1 - said["loss_pct"] / 100)
    return Run(said, cpu, core, packets, grown)
