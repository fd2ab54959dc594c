"""What an edge adds to the time from INVITE to 200 at 3,000 calls/s: Kamailio, Tandem's edge and no proxy at all take turns."""

from scenarios import load, rival
from scenarios.edge_cpu import CALLS_MIB, UAS
from scenarios.figure import Figure, Missing, middle, spread
from scenarios.front import HOST, front
from scenarios.machine import Budget

IDS = ("edge_latency_ratio",)
RATE = 3_000  # calls/s
SECONDS = 4.0
RUNS = 5
OURS = 5062  # both are up all the time; who rests costs nothing
LEAST_US = 1.0  # what is added cannot be told from nothing


def measure(budget: Budget) -> list[Figure]:
    """Five interleaved runs of each."""
    load.build()
    seconds = budget.seconds(SECONDS)
    direct: list[float] = []
    peer: list[float] = []
    ours: list[float] = []
    with rival.balancer(shared_mib=CALLS_MIB) as kamailio, front(OURS) as edge:
        p99(edge.pid, f"{HOST}:{OURS}", 1.0)
        p99(kamailio, load.TARGET, 1.0)
        for run in range(RUNS):
            direct.append(p99(edge.pid, load.FARM[0], seconds))
            peer.append(p99(kamailio, load.TARGET, seconds))
            ours.append(p99(edge.pid, f"{HOST}:{OURS}", seconds))
            print(
                f"  run {run + 1}: p99 direct {direct[-1]:.0f}, Kamailio {peer[-1]:.0f}, Tandem {ours[-1]:.0f} us",
                flush=True,
            )
    added = [max(LEAST_US, ours[n] - direct[n]) for n in range(RUNS)]
    theirs = [max(LEAST_US, peer[n] - direct[n]) for n in range(RUNS)]
    ratios = [mine / other for mine, other in zip(added, theirs, strict=True)]
    method = (
        f"p99 of INVITE to 200 at the caller, {RATE} calls/s open loop, {seconds:g} s, through a pool of two over UDP, less the p99 of the same"
        f" load without a proxy; Kamailio t_relay and dispatcher on the same core; median of {RUNS} interleaved ratios {spread(ratios)};"
        f" added us: Tandem {spread(added)}, Kamailio {spread(theirs)}, without a proxy {spread(direct)}"
    )
    return [Figure(IDS[0], middle(ratios), method, middle(theirs), tuple(ratios))]


def p99(pid: int, target: str, seconds: float) -> float:
    """Microseconds."""
    calls = int(RATE * seconds)
    done = load.run("call", pid, target=target, rate=RATE, calls=calls, uas=UAS)
    if done.completed < calls * 0.99:
        raise Missing(f"{target}: only {done.completed} of {calls} calls completed: {done}")
    return done.p99_us
