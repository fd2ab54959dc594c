"""A relay is killed under load and started again at once on the same address: how long audio is gone, and whether all of it comes back."""

import time
from collections.abc import Callable

from msgspec import Struct

from scenarios import flows, relays
from scenarios.figure import Figure, middle, spread
from scenarios.machine import Budget
from scenarios.relays import Relay

IDS = ("restart_gap_ms", "restart_dead", "restart_gap_1000_ratio", "wrap_dead")
PLAIN, SRTP = 200, 50
MANY = 1_000
SECONDS = 10.0
KILL_AFTER = 4.0
KEPT_SECONDS = 6.0  # before the kill: what changes rarely is written every 5 s
REDIS_PORT = 6_390
BEFORE_WRAP = 65_536 - 250  # the first sequence number: 5 s before the wrap
WRAP_SECONDS, WRAP_KILL = 18.0, 12.0


class Death(Struct, frozen=True):
    """What one kill did to the flows that it met."""

    p99_ms: float
    median_ms: float
    dead: int  # flows without audio at the end, or that do not authenticate

    def __str__(self) -> str:
        return f"gap median {self.median_ms:.0f} ms, p99 {self.p99_ms:.0f} ms, dead {self.dead}"


def measure(budget: Budget) -> list[Figure]:
    flows.build()
    mixed = [death("tandem", PLAIN, SRTP) for _ in range(budget.repeats)]
    pairs = [(death("rtpengine", MANY, 0), death("tandem", MANY, 0)) for _ in range(budget.repeats)]
    wraps = [(wrap("rtpengine"), wrap("tandem")) for _ in range(budget.repeats)]
    what = f"{PLAIN} plain and {SRTP} SRTP calls"
    how = "kill -9 of the relay, its successor started at once on the same address and journal"
    gaps, many = [one.p99_ms for one in mixed], [ours.median_ms for _, ours in pairs]
    theirs = [peer.median_ms for peer, _ in pairs]
    return [
        Figure(
            "restart_gap_ms",
            middle(gaps),
            f"{how}, {what}, the p99 over flows of the longest silence, ms min/median/max {spread(gaps)}",
            None,
            tuple(gaps),
        ),
        Figure(
            "restart_dead",
            float(max(one.dead for one in mixed)),
            f"the same runs: flows without audio in the last second, or whose packets do not authenticate, worst of {len(mixed)}",
        ),
        Figure(
            "restart_gap_1000_ratio",
            middle(many) / middle(theirs),
            f"{how}, {MANY} plain calls, median over flows of the longest silence, ms: Tandem {spread(many)},"
            f" rtpengine with Redis {spread(theirs)}; dead flows: Tandem {max(o.dead for _, o in pairs)},"
            f" rtpengine {max(p.dead for p, _ in pairs)}",
            middle(theirs),
            tuple(many),
        ),
        Figure(
            "wrap_dead",
            float(max(ours.dead for _, ours in wraps)),
            f"{how}, {SRTP} SRTP calls {WRAP_KILL - 5:.0f} s past a wrap of their sequence numbers: flows dead after it, worst of"
            f" {len(wraps)}; rtpengine with Redis: {', '.join(str(peer.dead) for peer, _ in wraps)} of {2 * SRTP}",
            float(max(peer.dead for peer, _ in wraps)),
        ),
    ]


def death(name: str, plain: int, srtp: int) -> Death:
    return _with(name, lambda relay: _die(relay, plain, srtp, SECONDS, KILL_AFTER))


def wrap(name: str) -> Death:
    options = ("--seq", str(BEFORE_WRAP))
    return _with(name, lambda relay: _die(relay, 0, SRTP, WRAP_SECONDS, WRAP_KILL, *options))


def _with(name: str, run: Callable[[Relay], Death]) -> Death:
    if name == "tandem":
        with relays.tandem() as relay:
            found = run(relay)
    else:
        with relays.redis(REDIS_PORT), relays.rtpengine(redis=REDIS_PORT) as relay:
            found = run(relay)
    print(f"  {name}: {found}", flush=True)
    return found


def _die(relay: Relay, plain: int, srtp: int, seconds: float, kill: float, *options: str) -> Death:
    lines = flows.calls(plain) + flows.calls(srtp, first=plain, srtp=True)
    process = flows.generator(lines, relay.run, "--seconds", str(seconds + KEPT_SECONDS), *options)
    time.sleep(kill + KEPT_SECONDS)
    relay.kill()
    relay.start()
    said = flows.result(process)
    gap = said["max_gap_ms"]
    return Death(
        gap["p99"], gap["median"], said["flows_dead_at_end"] + said["flows_refused_at_end"]
    )
