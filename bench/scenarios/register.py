"""What a registration costs, new and refreshed, in CPU and memory: Kamailio's usrloc and Tandem take turns."""

from peers import cpumeter

from scenarios import load, rival
from scenarios.figure import Figure, Missing, middle, spread
from scenarios.machine import Budget
from scenarios.product import Wanted, tandem

IDS = ("register_new_ratio", "register_refresh_ratio", "registration_b")
USERS = 100_000
WINDOW = 64  # requests in flight: saturates one core
WARM = 200  # registrations before the first measurement, of the same users
SETTLE_SECONDS = 1.0
WANTED = Wanted(users=USERS, allow=("127.0.0.1/32",))


def measure(budget: Budget) -> list[Figure]:
    """Three turns each; a turn is a fresh server, all users once, all users again."""
    load.build()
    peer: list[tuple[float, float, float]] = []
    ours: list[tuple[float, float, float]] = []
    why = ""
    for turn in range(budget.repeats):
        if not why:
            try:
                with rival.kamailio() as pid:
                    peer.append(turn_of(f"kamailio {turn + 1}", pid))
            except Missing as missing:
                why = str(missing)
        with tandem(WANTED) as product:
            ours.append(turn_of(f"tandem {turn + 1}", product.pid))
    figures = []
    for n, id, what in (
        (0, "register_new_ratio", "first"),
        (1, "register_refresh_ratio", "second"),
    ):
        mine = [turn[n] for turn in ours]
        theirs = [turn[n] for turn in peer]
        method = (
            f"CPU per registration (REGISTER, 401, REGISTER, 200; MD5) of all processes, {what} pass over {USERS} distinct users (the second one refreshes: same Call-ID and Contact, CSeq counted up),"
            f" closed loop of {WINDOW}, one core, journal on, 127.0.0.1 on the allow list (no rate limit for the one source, every other"
            f" protection on); alternating, {len(mine)} turns each; us per registration min/median/max: Tandem {spread(mine)}"
        )
        if why:
            figures.append(Figure(id, None, f"{method}; no peer: {why}", why, tuple(mine)))
            continue
        method += f", Kamailio {spread(theirs)} (tlsf, usrloc in memory, no database)"
        ratio = middle(mine) / middle(theirs)
        figures.append(Figure(id, ratio, method, middle(theirs), tuple(mine)))
    bytes_each = [turn[2] for turn in ours]
    method = (
        f"growth of the proportional set size of all processes from {WARM} to {USERS} registrations, per registration;"
        f" median of {len(ours)}, min/median/max {spread(bytes_each)}"
    )
    figures.append(Figure("registration_b", middle(bytes_each), method, None, tuple(bytes_each)))
    return figures


def turn_of(name: str, pid: int) -> tuple[float, float, float]:
    """CPU us per new registration, per refresh, and bytes per registration."""
    load.run("register", pid, window=WINDOW, users=USERS, calls=WARM)
    before = cpumeter.pss_kib(cpumeter.children([pid]))
    fresh = load.run("register", pid, window=WINDOW, users=USERS, calls=USERS)
    print(f"  {name} new: {fresh}", flush=True)
    after = cpumeter.pss_kib(cpumeter.children([pid]))
    again = load.run("register", pid, window=WINDOW, users=USERS, calls=USERS)
    print(f"  {name} refresh: {again}", flush=True)
    for one in (fresh, again):
        if one.completed < USERS * 0.999:
            raise Missing(f"{name}: only {one.completed} of {USERS} registered: {one}")
    return fresh.us_per_unit, again.us_per_unit, (after - before) * 1024 / (USERS - WARM)
