"""What held calls cost: memory per talking call, and whether others' calls cost more CPU on top of many than of few."""

import subprocess
import time

from peers import cpumeter

from scenarios import load
from scenarios.figure import Figure, Missing, middle, spread
from scenarios.machine import Budget
from scenarios.product import Tandem, Wanted, tandem

IDS = ("call_kib", "growth_ratio")
FEW, MANY = 100, 10_000
SETUP_RATE = 400  # calls/s until MANY are talking
TOP_RATE = 50  # calls/s on top
TOP_SECONDS = 12.0
SETTLE_SECONDS = 3.0
HOLD_SECONDS = 100_000  # the load is ended, not the calls
HOLD_UAS, HOLD_LOCAL = "127.0.0.1:7001", "127.0.0.1:6000"
# the calls on top come from and go to ports of their own; they are answered by the holder's UAS
TOP_LOCAL = "127.0.0.1:6001"
WANTED = Wanted(carrier=True, calls=MANY + 1_000)


def measure(budget: Budget) -> list[Figure]:
    """Three turns, each a fresh Tandem: 0 calls, 100, then 10,000."""
    load.build()
    kib: list[float] = []
    few: list[float] = []
    many: list[float] = []
    for turn in range(budget.repeats):
        with tandem(WANTED) as product:
            load.run("call", product.pid, window=16, calls=500, uas=HOLD_UAS)
            time.sleep(SETTLE_SECONDS)
            empty = cpumeter.pss_kib(cpumeter.children([product.pid]))
            few.append(on_top(product, FEW, budget))
            full, cost = hold_many(product, budget)
            many.append(cost)
            kib.append((full - empty) / MANY)
        print(
            f"  turn {turn + 1}: {kib[-1]:.2f} KiB a call, {few[-1]:.0f} us on top of {FEW},"
            f" {many[-1]:.0f} us on top of {MANY}",
            flush=True,
        )
    memory = (
        f"proportional set size of all processes at {MANY} talking calls less at 0 (after 500 calls), per call;"
        f" median of {len(kib)}, min/median/max {spread(kib)}"
    )
    ratios = [b / a for a, b in zip(few, many, strict=True)]
    growth = (
        f"CPU of all processes per complete call at {TOP_RATE} calls/s (the idle cost of the same time taken off), on top of {MANY} talking"
        f" calls to on top of {FEW}, same process; limits.calls raised to {WANTED.calls}; median of {len(ratios)} ratios"
        f" {spread(ratios)}; us {spread(few)} and {spread(many)}"
    )
    return [
        Figure("call_kib", middle(kib), memory, None, tuple(kib)),
        Figure("growth_ratio", middle(ratios), growth, None, tuple(ratios)),
    ]


def on_top(product: Tandem, held: int, budget: Budget) -> float:
    """CPU us per call on top of `held` calls, which are set up, and hung up afterwards."""
    holder = hold(product, held)
    try:
        return cost_on_top(product, budget)
    finally:
        release(product, holder)


def hold_many(product: Tandem, budget: Budget) -> tuple[int, float]:
    """Memory at MANY calls, and the CPU per call on top of them."""
    holder = hold(product, MANY)
    try:
        time.sleep(SETTLE_SECONDS)
        full = cpumeter.pss_kib(cpumeter.children([product.pid]))
        return full, cost_on_top(product, budget)
    finally:
        holder.kill()
        holder.communicate()


def hold(product: Tandem, held: int) -> "subprocess.Popen[str]":
    """A generator that holds so many calls; returns when they all talk."""
    holder = load.start(
        "call",
        rate=SETUP_RATE,
        calls=held,
        hold_ms=HOLD_SECONDS * 1000,
        uas=HOLD_UAS,
        local=HOLD_LOCAL,
        timeout_ms=8000,
    )
    deadline = time.monotonic() + held / SETUP_RATE * 3 + 10
    found = 0
    while time.monotonic() < deadline:
        time.sleep(0.5)
        found = int(product.ask("stats")["gauges"].get("calls", 0))
        if found >= held:
            time.sleep(SETTLE_SECONDS)
            return holder
        if holder.poll() is not None:
            break
    holder.kill()
    holder.communicate()
    raise Missing(f"only {found} of {held} calls could be set up")


def release(product: Tandem, holder: "subprocess.Popen[str]") -> None:
    """The generator hangs up (SIGINT), or dies and Tandem is told to hang up; until no call is left."""
    import signal

    holder.send_signal(signal.SIGINT)
    try:
        holder.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        holder.kill()
        holder.communicate()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if int(product.ask("stats")["gauges"].get("calls", 0)) == 0:
            return
        time.sleep(0.5)
    raise Missing("calls stay after the phones have hung up")


def cost_on_top(product: Tandem, budget: Budget) -> float:
    """CPU per call of a steady rate, the idle cost taken off."""
    seconds = budget.seconds(TOP_SECONDS)
    meter = cpumeter.Meter([product.pid])
    time.sleep(seconds / 2)
    idle_per_second = meter.stop()[0] / (seconds / 2)
    done = load.run(
        "call",
        product.pid,
        rate=TOP_RATE,
        calls=int(TOP_RATE * seconds),
        local=TOP_LOCAL,
        timeout_ms=4000,
    )
    if done.completed < TOP_RATE * seconds * 0.99:
        raise Missing(f"calls on top failed: {done}")
    idle = idle_per_second * float(done.said["elapsed_s"])
    return (done.cpu_us - idle) / done.completed
