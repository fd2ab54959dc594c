"""How much longer others' calls take to set up while one source sends garbage: p99 with the flood, to without."""

import time

from scenarios import load
from scenarios.figure import Figure, Missing, middle, spread
from scenarios.machine import Budget
from scenarios.product import Wanted, tandem

IDS = ("flood_setup_ratio",)
RATE = 20  # others' calls/s
SECONDS = 15.0
BAD_RATE = 20_000  # messages/s
ATTACKER = "127.0.0.66:0"
# 127.0.0.1 only, so that the attacker is a stranger
WANTED = Wanted(carrier=True)


def measure(budget: Budget) -> list[Figure]:
    """Three pairs: without, then with the flood; the source may be banned in between, as it would be."""
    load.build()
    seconds = budget.seconds(SECONDS)
    calm: list[float] = []
    flooded: list[float] = []
    sent: list[float] = []
    for turn in range(budget.repeats):
        with tandem(WANTED) as product:
            load.run("call", product.pid, window=8, calls=400, uas=load.UAS)
            calm.append(setup(product.pid, seconds))
            flood = load.start("flood", local=ATTACKER, rate=BAD_RATE, seconds=seconds + 2)
            time.sleep(1.0)
            flooded.append(setup(product.pid, seconds))
            sent.append(float(load.finish(flood)["per_second"]))
        print(
            f"  turn {turn + 1}: p99 {calm[-1]:.0f} us, in the flood {flooded[-1]:.0f} us, {sent[-1]:.0f} bad/s",
            flush=True,
        )
    ratios = [b / a for a, b in zip(calm, flooded, strict=True)]
    method = (
        f"p99 from INVITE to 200 of {RATE} calls/s from a trusted trunk, while 127.0.0.66 sends {middle(sent):.0f} bad messages/s (RFC 4475's,"
        f" cut ones, noise, INVITEs and REGISTERs without credentials), to without; median of {len(ratios)} ratios {spread(ratios)};"
        f" us {spread(calm)} and {spread(flooded)}"
    )
    return [Figure(IDS[0], middle(ratios), method, None, tuple(ratios))]


def setup(pid: int, seconds: float) -> float:
    """p99, microseconds."""
    done = load.run("call", pid, rate=RATE, calls=int(RATE * seconds), uas=load.UAS)
    if done.completed < RATE * seconds * 0.99:
        raise Missing(f"others' calls failed: {done}")
    return done.p99_us
