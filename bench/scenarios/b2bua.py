"""What a B2BUA call costs, INVITE to BYE on both legs, saturated: sippy and Tandem take turns."""

from scenarios import load, rival
from scenarios.figure import Figure, Missing, middle, spread
from scenarios.machine import Budget
from scenarios.product import Wanted, tandem

IDS = ("b2bua_us", "b2bua_sippy_ratio")
SECONDS = 6.0  # of the measured window, about
WINDOW, PEER_WINDOW = 64, 16  # calls in flight; sippy's queue only grows with more
MOST = 100_000  # calls in a window
WANTED = Wanted(carrier=True)


def measure(budget: Budget) -> list[Figure]:
    """Three turns each; a turn is a fresh server, a warm-up, a measured window."""
    load.build()
    ours: list[load.Load] = []
    peer: list[load.Load] = []
    why = ""
    seconds = budget.seconds(SECONDS)
    for turn in range(budget.repeats):
        if not why:
            try:
                with rival.sippy() as pid:
                    peer.append(saturate(f"sippy {turn + 1}", pid, PEER_WINDOW, seconds))
            except Missing as missing:
                why = str(missing)
        with tandem(WANTED) as product:
            ours.append(saturate(f"tandem {turn + 1}", product.pid, WINDOW, seconds))
    mine = [one.us_per_unit for one in ours]
    busy = min(one.core_percent for one in ours)
    method = (
        f"CPU of all Tandem processes per complete call (INVITE 100 180 200 ACK BYE 200, both legs), closed loop of {WINDOW}, one core"
        f" ({busy:.0f} % busy at least), journal on, from a trusted trunk through a user's forward to a carrier;"
        f" median of {len(mine)}, us min/median/max {spread(mine)}, calls/s {spread([one.per_second for one in ours])}"
    )
    figures = [Figure("b2bua_us", middle(mine), method, None, tuple(mine))]
    if why:
        return [*figures, Figure("b2bua_sippy_ratio", None, f"no peer: {why}", why)]
    theirs = [one.us_per_unit for one in peer]
    method += (
        f"; alternating with sippy 2.5.0 b2bua_simple, closed loop of {PEER_WINDOW}: {spread(theirs)}"
        f", calls/s {spread([one.per_second for one in peer])}"
    )
    ratio = middle(mine) / middle(theirs)
    return [*figures, Figure("b2bua_sippy_ratio", ratio, method, middle(theirs), tuple(mine))]


def saturate(name: str, pid: int, window: int, seconds: float) -> load.Load:
    """Warms up, guesses the rate, measures."""
    guess = load.run("call", pid, window=window, calls=200, uas=load.UAS)
    warm = int(max(200, min(MOST, guess.per_second * 2)))
    guess = load.run("call", pid, window=window, calls=warm, uas=load.UAS)
    calls = int(max(200, min(MOST, guess.per_second * seconds)))
    done = load.run("call", pid, window=window, calls=calls, uas=load.UAS)
    print(f"  {name}: {done}", flush=True)
    if done.completed < calls * 0.99:
        raise Missing(f"{name}: only {done.completed} of {calls} calls completed: {done}")
    return done
