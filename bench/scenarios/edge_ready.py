"""How long an edge takes from exec to its first forwarded message: new, and killed under ten thousand calls that it carried."""

import os
import socket
import time

from scenarios import load
from scenarios.figure import Figure, Missing, middle, spread
from scenarios.front import HOST, PORT, Front, front, options
from scenarios.machine import LOAD_CORE, Budget

IDS = ("edge_ready_ms",)
STARTS = 5
KILLS = 3
FLOWS = 10_000
SETUP_RATE = 2_500  # calls/s
HOLD_MS = 7_000  # the first hangs up after the last kill
KILL_EVERY_SECONDS = 0.8
PROBE_SECONDS = 0.001
GIVE_UP_SECONDS = 10.0


def measure(budget: Budget) -> list[Figure]:
    """The larger of both medians counts."""
    del budget
    load.build()
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {LOAD_CORE})
    try:
        fresh = []
        for _ in range(STARTS):
            with front() as edge:
                edge.kill(1)
                fresh.append(first_forwarded(edge, *load.FARM))
        killed, said = under_calls()
    finally:
        os.sched_setaffinity(0, cores)
    print(f"  new {spread(fresh)} ms, under {FLOWS} calls {spread(killed)} ms", flush=True)
    lost = said["failed"] + said["open"]
    method = (
        f"exec of the worker, with its socket from the supervisor, to the first of the OPTIONS sent every {PROBE_SECONDS * 1000:g} ms at a"
        f" server behind it; median of {STARTS} starts, min/median/max {spread(fresh)}; and of {KILLS} after kill -9 with {FLOWS} calls up"
        f" {spread(killed)}, which then hung up through it ({said['completed']} of {FLOWS} did)"
    )
    if lost:
        return [Figure(IDS[0], None, f"{lost} calls could not hang up after the kills; {method}")]
    return [Figure(IDS[0], max(middle(fresh), middle(killed)), method, None, (*fresh, *killed))]


def first_forwarded(edge: Front, *farm: str) -> float:
    """Starts worker 1 and waits for its first message at a member; milliseconds."""
    servers = [bound(address) for address in farm]
    try:
        return started(edge, servers)
    finally:
        for server in servers:
            server.close()


def started(edge: Front, servers: list[socket.socket]) -> float:
    """Requests are sent all the time: they wait in the socket, as they would in a real restart."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        at = edge.start(1)
        deadline = at + GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            probe.sendto(options(probe, f"sip:ready@{HOST}:{PORT}"), (HOST, PORT))
            for server in servers:
                if arrived(server):
                    return (time.monotonic() - at) * 1000
            time.sleep(PROBE_SECONDS)
    raise Missing(f"nothing was forwarded in {GIVE_UP_SECONDS:g} s: {edge.last_lines(1)}")


def arrived(server: socket.socket) -> bool:
    """Whether one of ours did; probes of the edge itself do not count."""
    try:
        while True:
            if server.recv(4096).startswith(b"OPTIONS sip:ready@"):
                return True
    except BlockingIOError:
        return False


def bound(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((host, int(port)))
    server.setblocking(False)
    return server


def under_calls() -> tuple[list[float], dict[str, int]]:
    """A third member hears the probes; the calls go to the two that the load generator plays."""
    with front() as edge:
        calls = load.start(
            "call",
            rate=SETUP_RATE,
            calls=FLOWS,
            hold_ms=HOLD_MS,
            timeout_ms=8000,
            uas=",".join(load.FARM),
            repeat_200=1,
        )
        time.sleep(FLOWS / SETUP_RATE + 0.5)
        found = []
        for _ in range(KILLS):
            edge.kill(1)
            found.append(answered(edge))
            time.sleep(KILL_EVERY_SECONDS)
        return found, load.finish(calls)


def answered(edge: Front) -> float:
    """As `started`, but to the 200 of the load generator's servers: a little more."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        probe.setblocking(False)
        at = edge.start(1)
        while time.monotonic() < at + GIVE_UP_SECONDS:
            probe.sendto(options(probe, f"sip:ready@{HOST}:{PORT}"), (HOST, PORT))
            try:
                if probe.recv(4096).startswith(b"SIP/2.0 200"):
                    return (time.monotonic() - at) * 1000
            except (BlockingIOError, ConnectionRefusedError):
                time.sleep(PROBE_SECONDS)
    raise Missing(f"nothing was forwarded in {GIVE_UP_SECONDS:g} s: {edge.last_lines(1)}")
