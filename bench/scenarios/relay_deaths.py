"""A relay is killed under load and started again at once on the same address: how long audio is gone, and whether all of it comes back."""

import time
from collections.abc import Callable
from statistics import median

from msgspec import Struct

from scenarios import flows, relays
from scenarios.figure import Figure, middle, spread
from scenarios.machine import Budget
from scenarios.relays import Relay

IDS = ("restart_gap_ms", "restart_dead", "restart_gap_1000_ratio", "wrap_dead")
MANY = 1_000
KILL_AFTER, SECONDS = 4.0, 10.0
KEPT_SECONDS = 6.0  # before the kill: what changes rarely is written every 5 s
REDIS_PORT = 6_390
WRAP_KILL, WRAP_SECONDS = 12.0, 18.0
BEFORE_WRAP = 65_536 - 250  # the first sequence number: 5 s before the wrap


class Load(Struct, frozen=True):
    """Calls of a run. `reported` and `dtls` ones have RTCP too, at half a second; in the others' place rtpgen is fast, and sends none."""

    plain: int = 0
    srtp: int = 0
    dtls: int = 0
    reported: int = 0  # with SRTP by SDES

    def __str__(self) -> str:
        parts = (
            (self.plain, "plain"),
            (self.srtp, "SRTP"),
            (self.dtls, "DTLS (with ICE and SRTCP)"),
            (self.reported, "SRTP with SRTCP"),
        )
        return ", ".join(f"{count} {what}" for count, what in parts if count) + " calls"


MIXED, PLAIN, WRAPPED = Load(200, 50, 20), Load(MANY), Load(srtp=50, reported=10)


class Death(Struct, frozen=True):
    """What one kill did to the flows that it met."""

    p99_ms: float
    median_ms: float
    dead: int  # flows without audio at the end, or that do not authenticate
    mute: int  # flows whose reports do not come or do not authenticate, and calls without consent to ICE
    dtls_p99_ms: float

    def __str__(self) -> str:
        dtls = f" (DTLS {self.dtls_p99_ms:.0f} ms)" if self.dtls_p99_ms else ""
        return (
            f"gap median {self.median_ms:.0f} ms, p99 {self.p99_ms:.0f} ms{dtls},"
            f" dead {self.dead}, without reports {self.mute}"
        )


def measure(budget: Budget) -> list[Figure]:
    flows.build()
    mixed = [death("tandem", MIXED) for _ in range(budget.repeats)]
    pairs = [(death("rtpengine", PLAIN), death("tandem", PLAIN)) for _ in range(budget.repeats)]
    wraps = [(wrap("rtpengine"), wrap("tandem")) for _ in range(budget.repeats)]
    how = "kill -9 of the relay, its successor started at once on the same address and journal"
    gaps, many = [one.p99_ms for one in mixed], [ours.median_ms for _, ours in pairs]
    theirs = [peer.median_ms for peer, _ in pairs]
    return [
        Figure(
            "restart_gap_ms",
            middle(gaps),
            f"{how}, {MIXED}, the p99 over flows of the longest silence, ms min/median/max {spread(gaps)};"
            f" of the DTLS calls alone {spread([one.dtls_p99_ms for one in mixed])}",
            None,
            tuple(gaps),
        ),
        Figure(
            "restart_dead",
            float(max(one.dead + one.mute for one in mixed)),
            "the same runs: flows without audio in the last second or whose packets do not authenticate, DTLS flows whose SRTCP does"
            f" not come, does not authenticate or repeats an index, DTLS calls without consent; worst of {len(mixed)}",
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
            float(max(ours.dead + ours.mute for _, ours in wraps)),
            f"{how}, {WRAPPED} {WRAP_KILL + KEPT_SECONDS + flows.WARM_SECONDS - 5:.0f} s past a wrap of their sequence numbers: of"
            f" {2 * (WRAPPED.srtp + WRAPPED.reported)} flows those without audio or authentication after it, of {2 * WRAPPED.reported}"
            f" those whose SRTCP does not come, does not authenticate or repeats an index, worst of {len(wraps)}; rtpengine with Redis:"
            f" {', '.join(f'{peer.dead} and {peer.mute}' for peer, _ in wraps)}",
            float(max(peer.dead + peer.mute for peer, _ in wraps)),
        ),
    ]


def death(name: str, load: Load) -> Death:
    return _with(name, lambda relay: _die(relay, load, SECONDS, KILL_AFTER, 0))


def wrap(name: str) -> Death:
    return _with(name, lambda relay: _die(relay, WRAPPED, WRAP_SECONDS, WRAP_KILL, BEFORE_WRAP))


def _with(name: str, run: Callable[[Relay], Death]) -> Death:
    if name == "tandem":
        with relays.tandem(kernel="auto") as relay:  # as in service
            found = run(relay)
    else:
        with relays.redis(REDIS_PORT), relays.rtpengine(redis=REDIS_PORT) as relay:
            found = run(relay)
    print(f"  {name}: {found}", flush=True)
    return found


def _die(relay: Relay, load: Load, seconds: float, kill: float, sequence: int) -> Death:
    """`sequence`: the first one of all streams; 0: each has its own."""
    seconds += KEPT_SECONDS
    kind = "dtls" if load.dtls else "sdes"
    secured = flows.secured(
        kind, load.dtls + load.reported, seconds, **({"sequence": sequence} if sequence else {})
    )
    if secured is not None:
        flows.counted(secured)
    try:
        lines = flows.calls(load.plain) + flows.calls(load.srtp, first=load.plain, srtp=True)
        options = ("--seq", str(sequence)) if sequence else ()
        process = flows.generator(lines, relay.run, "--seconds", str(seconds), *options)
        time.sleep(kill + KEPT_SECONDS)
        relay.kill()
        relay.start()
        said = flows.result(process)
        more = flows.result(secured) if secured is not None else {}
    finally:
        if secured is not None:
            secured.kill()
            secured.wait()
    own = more.get("gaps_ms", [])
    gaps = sorted(said["gaps_ms"] + own)
    return Death(
        _p99(gaps),
        median(gaps),
        said["flows_dead_at_end"] + said["flows_refused_at_end"] + more.get("dead", 0),
        more.get("reports_dead", 0) + more.get("consent_dead", 0),
        _p99(sorted(own)) if load.dtls else 0.0,
    )


def _p99(gaps: list[float]) -> float:
    return gaps[min(len(gaps) - 1, int(len(gaps) * 0.99))] if gaps else 0.0
