"""What a call over TLS costs an edge, and what an idle TLS connection weighs."""

import json
import subprocess
import sys
from typing import Any

from peers import cpumeter

from scenarios import load
from scenarios.figure import Figure, Missing, middle, spread
from scenarios.front import TLS_PORT, front
from scenarios.machine import BENCH, LOAD_CORE, SERVER_CORE, Budget, pinned, stop_group

IDS = ("edge_tls_calls_us", "edge_conn_kib")
CONNECTIONS = 50  # that call, one after the other
SECONDS = 6.0
IDLE = 2_000


def measure(budget: Budget) -> list[Figure]:
    """Three windows of calls; then connections that rest."""
    load.build()
    seconds = budget.seconds(SECONDS)
    farm = subprocess.Popen(
        load.command("uas", uas=",".join(load.FARM), seconds=120),
        stdout=subprocess.DEVNULL,
        preexec_fn=pinned(LOAD_CORE),
    )
    try:
        with front(tls=True) as edge:
            calling(1.0)
            runs = []
            for _ in range(budget.repeats):
                meter = cpumeter.Meter([edge.pid], SERVER_CORE)
                said = calling(seconds)
                cpu, _ = meter.stop()
                if said["failed"] or not said["completed"]:
                    raise Missing(f"calls over TLS failed: {said}")
                runs.append((cpu / said["completed"], said["completed"] / said["seconds"]))
        weights = []
        for _ in range(budget.repeats):
            with front(tls=True) as edge:  # a new one: memory that was freed is used again
                weights.append(resting(edge.pid))
    finally:
        stop_group(farm)
    us = [run[0] for run in runs]
    print(f"  calls over TLS {spread(us)} us, idle connection {spread(weights)} KiB", flush=True)
    return [
        Figure(
            IDS[0],
            middle(us),
            f"CPU of the edge process per complete call over TLS 1.3, {CONNECTIONS} connections that call one after the other, to a pool of two"
            f" over UDP; median of {len(us)}, min/median/max {spread(us)}, at {spread([run[1] for run in runs])} calls/s; handshakes counted",
            None,
            tuple(us),
        ),
        Figure(
            IDS[1],
            middle(weights),
            f"growth of a new edge's proportional set size per connection with {IDLE} idle TLS 1.3 connections, each after one OPTIONS;"
            f" median of {len(weights)} {spread(weights)}",
            None,
            tuple(weights),
        ),
    ]


def calling(seconds: float) -> dict[str, Any]:
    """Connections that call for so long."""
    process = phones("call", CONNECTIONS, seconds)
    out, err = process.communicate(timeout=seconds + 60)
    return said(out, err)


def resting(pid: int) -> float:
    """KiB of each."""
    before = cpumeter.pss_kib([pid])
    process = phones("rest", IDLE, 60)
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "resting":
            _, err = process.communicate(timeout=5)
            raise Missing(f"connections failed: {err[-400:]}")
        return (cpumeter.pss_kib([pid]) - before) / IDLE
    finally:
        process.kill()
        process.wait()


def phones(what: str, many: int, seconds: float) -> subprocess.Popen[str]:
    """In a process of their own, on the load's core."""
    words = [
        sys.executable,
        str(BENCH / "phones" / "tls_calls.py"),
        what,
        str(TLS_PORT),
        str(many),
        str(seconds),
    ]
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=pinned(LOAD_CORE),
    )


def said(out: str, err: str) -> dict[str, Any]:
    lines = out.strip().splitlines()
    if not lines:
        raise Missing(f"the TLS phones failed: {err.strip()[-400:]}")
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer
