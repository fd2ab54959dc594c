"""What a message and a call cost an edge before a pool of two, saturated: Kamailio's dispatcher and Tandem's edge take turns."""

from scenarios import load, rival
from scenarios.figure import Figure, Missing, middle, spread
from scenarios.front import front
from scenarios.machine import Budget

IDS = ("edge_forward_ratio", "edge_call_ratio", "edge_call_stateless_ratio")
SECONDS = 4.0  # of the measured window, about
WARM_SECONDS = 1.5
WINDOW = 64  # in flight: saturates one core
MOST = 1_000_000  # units in a window
CALLS_MIB = 4096  # Kamailio's transactions linger 5 s
UAS = ",".join(load.FARM)


def measure(budget: Budget) -> list[Figure]:
    """Three turns each; a turn is a fresh server, a warm-up, a measured window."""
    load.build()
    seconds = budget.seconds(SECONDS)
    runs: dict[str, list[load.Load]] = {}

    def turn(name: str, mode: str, pid: int) -> None:
        runs.setdefault(name, []).append(
            saturate(f"{name} {len(runs.get(name, ())) + 1}", mode, pid, seconds)
        )

    why = ""
    for _ in range(budget.repeats):
        if not why:
            try:
                with rival.balancer("STATELESS", shared_mib=256) as pid:
                    turn("kamailio options", "options", pid)
                    turn("kamailio stateless calls", "call", pid)
                with rival.balancer(shared_mib=CALLS_MIB) as pid:
                    turn("kamailio calls", "call", pid)
            except Missing as missing:
                why = str(missing)
        with front() as edge:
            turn("tandem options", "options", edge.pid)
        with front() as edge:
            turn("tandem calls", "call", edge.pid)
    call = "complete calls (INVITE 100 180 200 ACK BYE 200), transaction-stateful for the INVITE"
    return [
        ratio(
            IDS[0],
            "OPTIONS and its 200",
            runs,
            "tandem options",
            "kamailio options",
            "forward()",
            why,
        ),
        ratio(
            IDS[1], call, runs, "tandem calls", "kamailio calls", "t_relay() and dispatcher", why
        ),
        ratio(
            IDS[2],
            call,
            runs,
            "tandem calls",
            "kamailio stateless calls",
            "forward() with Record-Route",
            why,
        ),
    ]


def ratio(
    id: str, what: str, runs: dict[str, list[load.Load]], ours: str, theirs: str, how: str, why: str
) -> Figure:
    """The CPU of one unit, to the peer's."""
    mine = [one.us_per_unit for one in runs[ours]]
    method = (
        f"CPU per unit of the edge process, {what}, pool of two over UDP, closed loop of {WINDOW}, one core"
        f" ({min(one.core_percent for one in runs[ours]):.0f} % busy at least), 127.0.0.1 on the allow list (no rate limit for the one"
        f" source, every other protection on); alternating, {len(mine)} turns each; us min/median/max: Tandem {spread(mine)},"
        f" {spread([one.per_second for one in runs[ours]])}/s"
    )
    if why or theirs not in runs:
        return Figure(id, None, f"{method}; no peer: {why}", why, tuple(mine))
    peer = [one.us_per_unit for one in runs[theirs]]
    method += f"; Kamailio {how} {spread(peer)} (tlsf, round robin), {spread([one.per_second for one in runs[theirs]])}/s"
    return Figure(id, middle(mine) / middle(peer), method, middle(peer), tuple(mine))


def saturate(name: str, mode: str, pid: int, seconds: float) -> load.Load:
    """Warms up, guesses the rate, measures."""
    done = load.run(mode, pid, window=WINDOW, calls=2_000, uas=UAS)
    for wanted in (WARM_SECONDS, seconds):
        units = int(max(2_000, min(MOST, done.per_second * wanted)))
        done = load.run(mode, pid, window=WINDOW, calls=units, uas=UAS)
    print(f"  {name}: {done}", flush=True)
    if done.completed < units * 0.99:
        raise Missing(f"{name}: only {done.completed} of {units} completed: {done}")
    return done
