"""What a relayed packet costs over interfaces: rtpengine in userspace and Tandem's kernel path take turns in a network namespace.

The load is in our namespace on its own core, the relay in another one, joined by a pair of interfaces. What comes to the relay's end is
steered to the server's core: all that the relay costs, in its process and outside of any, is how much less that core is idle.
"""

import contextlib
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from scenarios import flows, relays
from scenarios.figure import Figure, Missing, middle, spread
from scenarios.machine import HOME, LOAD_CORE, SERVER_CORE, Budget, pinned, stop_group
from scenarios.ng import Ng, Side, set_up
from scenarios.rival import need, scratch
from tandem.testing.netns import Apart, missing

IDS = ("kernel_relay_ratio",)
SECONDS = 6.0
LOADS = (400, 1_000)  # calls
QUIET_SECONDS = 60.0
RESTS = 0.95  # of the time, a core that nothing else works on; ticks of 10 ms are counted
NG_PORT = 2_223
FIRST_PORT = 20_000  # of the relay's in the example's list
FILES = 16_384  # two sockets a call
FORWARD = HOME / "target" / "release" / "examples" / "forward"


class Run(Struct, frozen=True):
    said: dict[str, Any]
    busy_us: float  # of the relay's core
    seconds: float

    @property
    def packets(self) -> float:
        return float(self.said["pps_sent"]) * self.seconds * (1 - self.said["loss_pct"] / 100)

    @property
    def us_per_packet(self) -> float:
        return self.busy_us / max(1.0, self.packets)

    def __str__(self) -> str:
        return (
            f"{self.us_per_packet:.2f} us a packet, {self.said['pps_sent']:.0f}/s, loss {self.said['loss_pct']:.3f} %, delay p50"
            f" {self.said['lat_us']['p50']} p99 {self.said['lat_us']['p99']} us, generator {self.said['gen_core_pct']:.0f} %"
        )


def measure(budget: Budget) -> list[Figure]:
    """Alternating; a turn is a fresh namespace, a relay, its calls, a warm-up, a measured window."""
    if why := missing():
        raise Missing(f"network namespaces: {why}")
    need("rtpengine", "rtpengine-daemon")
    flows.build()
    build()
    costs: dict[tuple[str, int], list[float]] = {}
    for _ in range(budget.repeats):
        for count in LOADS:
            past = carry("past", count, budget.seconds(SECONDS))
            for name in ("rtpengine", "tandem"):
                run = carry(name, count, budget.seconds(SECONDS))
                print(f"  {name} {count}: {run}; past it {past.us_per_packet:.2f} us", flush=True)
                own = run.us_per_packet - past.us_per_packet
                costs.setdefault((name, count), []).append(own)
    ratios, said = [], []
    for count in LOADS:
        ours, theirs = costs["tandem", count], costs["rtpengine", count]
        ratios.append(middle(ours) / middle(theirs))
        said.append(
            f"{count} calls: Tandem {spread(ours)}, rtpengine {spread(theirs)}, ratio {ratios[-1]:.3f}"
        )
    method = (
        "busy time of the relay's core per relayed packet, less what it has when the load goes past the relay, us min/median/max; G.711"
        " 20 ms both ways over a pair of interfaces, streams forwarded by the eBPF program at the ingress (tc), rtpengine in userspace;"
        f" alternating; {'; '.join(said)}"
    )
    peer = middle(costs["rtpengine", LOADS[-1]])
    return [Figure("kernel_relay_ratio", max(ratios), method, peer, tuple(ratios))]


def build() -> None:
    words = ["cargo", "build", "--release", "--locked", "-q", "-p", "tandem-kernel"]
    done = subprocess.run(
        [*words, "--example", "forward"], cwd=HOME, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Missing(f"the kernel path's example does not build: {done.stderr[-500:]}")


def carry(name: str, count: int, seconds: float) -> Run:
    """`count` calls for so long through rtpengine, Tandem, or past both."""
    relay = {"rtpengine": rtpengine, "tandem": tandem, "past": past}[name]
    with Apart() as apart, scratch() as place:
        steer(apart)
        with relay(apart, count, place) as lines:
            quiet()
            process = flows.generator(lines, place, "--seconds", str(seconds))
            idle, began = idle_us(), time.monotonic()
            time.sleep(seconds - 0.2)
            idle, passed = idle_us() - idle, time.monotonic() - began
            return Run(flows.result(process), passed * 1e6 - idle, passed)


@contextmanager
def rtpengine(apart: Apart, count: int, place: str) -> Iterator[list[str]]:
    words = [*apart.words, *relays.RTPENGINE.replace("127.0.0.1", apart.host).split()]
    process = start(words, f"{place}/rtpengine.log")
    try:
        ng = Ng((apart.host, NG_PORT))
        until(ng)
        lines: list[str] = []
        for number in range(count):
            lines += set_up(ng, number, *sides(apart, number))
        ng.close()
        yield lines
    finally:
        stop_group(process)


@contextmanager
def tandem(apart: Apart, count: int, place: str) -> Iterator[list[str]]:
    lines, streams = [], []
    for number in range(count):
        a, b = (f"{side.host}:{side.port}" for side in sides(apart, number))
        to_a, to_b = (f"{apart.host}:{FIRST_PORT + 4 * number + 2 * n}" for n in (0, 1))
        lines += [f"{a} {to_a} {b} -", f"{b} {to_b} {a} -"]
        streams += [f"{to_a} {a} {to_b} {b}", f"{to_b} {b} {to_a} {a}"]
    Path(f"{place}/streams").write_text("\n".join(streams) + "\n")
    words = [*apart.words, str(FORWARD), f"{place}/streams", "inside"]
    process = start(words, f"{place}/forward.log", keep=True)
    try:
        deadline = time.monotonic() + relays.READY_SECONDS
        while "ready" not in (said := Path(f"{place}/forward.log").read_text()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Missing(f"the kernel path does not start: {said[-500:]}")
            time.sleep(0.05)
        yield lines
    finally:
        stop_group(process)


@contextmanager
def past(apart: Apart, count: int, place: str) -> Iterator[list[str]]:
    lines = []
    for number in range(count):
        a, b = (f"{side.host}:{side.port}" for side in sides(apart, number))
        lines += [f"{a} {b} {b} -", f"{b} {a} {a} -"]
    yield lines


def sides(apart: Apart, number: int) -> tuple[Side, Side]:
    port = flows.FIRST_PORT + 2 * (number % flows.SOCKETS)
    return Side(apart.outside[0], port), Side(apart.outside[1], port)


def steer(apart: Apart) -> None:
    """What comes to an end of the pair is worked on by its side's core."""
    path = "/sys/class/net/{}/queues/rx-0/rps_cpus"
    apart.run("sh", "-c", f"echo {1 << SERVER_CORE:x} > {path.format('inside')}")
    Path(path.format(apart.pair)).write_text(f"{1 << LOAD_CORE:x}")


def start(words: list[str], log: str, *, keep: bool = False) -> subprocess.Popen[bytes]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(FILES, hard)), hard))
    with open(log, "wb") as file:
        return subprocess.Popen(
            words,
            stdin=subprocess.PIPE if keep else subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            preexec_fn=pinned(SERVER_CORE),
        )


def until(ng: Ng) -> None:
    ng.socket.settimeout(0.2)
    deadline = time.monotonic() + relays.READY_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if ng.ask("ping").get("result") == b"pong":
                ng.socket.settimeout(5.0)
                return
        time.sleep(0.05)
    raise Missing("rtpengine does not answer in a network namespace")


def quiet() -> None:
    """Waits until the core rests, for what others do there would be taken for the relay's."""
    deadline = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < deadline:
        idle, began = idle_us(), time.monotonic()
        time.sleep(0.5)
        if idle_us() - idle >= RESTS * (time.monotonic() - began) * 1e6:
            return
    raise Missing("the machine is not quiet: other work runs on the relay's core")


def idle_us() -> float:
    """Of the server's core: the kernel takes the time of its idle, while it only samples what is busy."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{SERVER_CORE} "):
            fields = line.split()
            return (int(fields[4]) + int(fields[5])) * 1e4
    raise Missing(f"no core {SERVER_CORE}")
