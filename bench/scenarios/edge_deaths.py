"""kill -9 of one of two edges, and of one of two members, under calls: which of them fail."""

import subprocess
import time
from typing import Any

from scenarios import load
from scenarios.figure import Figure, middle
from scenarios.front import HOST, front
from scenarios.machine import LOAD_CORE, Budget, pinned, stop_group

IDS = ("edge_kill_lost", "bad_members_hit")
RUNS = 3
CALLERS = ",".join(
    f"{HOST}:{port}" for port in range(6000, 6016)
)  # the kernel spreads them over both edges
EDGE_RATE, EDGE_CALLS, EDGE_KILL_SECONDS = 300, 2_400, 4.0
RING_MS, HOLD_MS = 300, 1_500
MEMBER_RATE, MEMBER_CALLS, MEMBER_KILL_SECONDS = 1_000, 8_000, 3.0
FREE = 3  # calls that may find it out
TIMEOUT_MS = 10_000  # of a caller; more than a member's time for its first word


def measure(budget: Budget) -> list[Figure]:
    """Three runs each; the worst counts."""
    del budget
    load.build()
    edges = [edge_killed() for _ in range(RUNS)]
    members = [member_killed() for _ in range(RUNS)]
    worst = max(members, key=lambda run: run["hit"])
    beyond = [run["answered"] + run["setup_seen"] for run in edges]
    inside = [run["setup_unseen"] for run in edges]
    return [
        Figure(
            IDS[0],
            max(beyond),
            f"kill -9 of one of two workers that share a UDP port, restarted at once on its own socket, {EDGE_RATE} calls/s (ringing"
            f" {RING_MS} ms, talking {HOLD_MS} ms) from 16 ports through a pool of two; both sides repeat as RFC 3261 says;"
            f" lost: answered, or the INVITE had reached the member; worst of {RUNS} runs {beyond};"
            f" not counted: INVITEs that no member saw, they sat in the dead process {inside}",
            None,
            tuple(float(n) for n in beyond),
        ),
        Figure(
            IDS[1],
            max(0, worst["hit"] - FREE),
            f"kill -9 of one of two members at {MEMBER_RATE} calls/s: of the calls begun after it, those that failed, less {FREE};"
            f" worst of {RUNS} runs, failed {[run['hit'] for run in members]}; set-up p99 {middle([run['p99_ms'] for run in members]):.0f} ms,"
            f" longest {max(run['max_ms'] for run in members):.0f} ms; calls of before that were up on it cannot hang up:"
            f" {[run['before'] for run in members]}",
            None,
            tuple(float(run["hit"]) for run in members),
        ),
    ]


def edge_killed() -> dict[str, int]:
    """By what had become of the calls that failed."""
    with front(workers=2) as edge:
        calls = load.start(
            "call",
            rate=EDGE_RATE,
            calls=EDGE_CALLS,
            ring_ms=RING_MS,
            hold_ms=HOLD_MS,
            timeout_ms=TIMEOUT_MS,
            local=CALLERS,
            uas=",".join(load.FARM),
            repeat_200=1,
        )
        time.sleep(EDGE_KILL_SECONDS)
        edge.kill(1)
        edge.start(1)
        said = load.finish(calls)
    lost: dict[str, Any] = said["lost"]
    print(
        f"  edge: {said['completed']} of {EDGE_CALLS}, lost {lost['answered']} answered, {lost['setup_seen']} + {lost['setup_unseen']} in"
        f" set-up; repeats {said['retrans']}, of 200s {said['uas']['re200']}, codes {said['codes']}",
        flush=True,
    )
    return {name: int(lost[name]) for name in ("answered", "setup_seen", "setup_unseen")} | {
        "open": said["open"]
    }


def member_killed() -> dict[str, float]:
    """How many of the calls begun after its death failed."""
    members = [server(address) for address in load.FARM]
    try:
        with front():
            calls = load.start("call", rate=MEMBER_RATE, calls=MEMBER_CALLS, timeout_ms=TIMEOUT_MS)
            time.sleep(MEMBER_KILL_SECONDS)
            killed = time.monotonic_ns()
            members[1].kill()
            said = load.finish(calls)
    finally:
        for member in members:
            stop_group(member)
    began = said["lost"]["began_ns"]
    hit = sum(at > killed for at in began) + said["open"]
    answer = said["answer"] or {}
    print(
        f"  member: {said['completed']} of {MEMBER_CALLS}, {hit} failed after, {len(began) - hit} before it; codes {said['codes']}, {answer}",
        flush=True,
    )
    return {
        "hit": hit,
        "before": len(began) - hit,
        "p99_ms": float(answer.get("p99_us", 0)) / 1000,
        "max_ms": float(answer.get("max_us", 0)) / 1000,
    }


def server(address: str) -> subprocess.Popen[bytes]:
    """A member of its own."""
    seconds = MEMBER_CALLS / MEMBER_RATE + 60
    words = load.command("uas", uas=address, seconds=seconds)
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, preexec_fn=pinned(LOAD_CORE))
