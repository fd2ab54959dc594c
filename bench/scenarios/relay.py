"""What a relayed packet costs and how late it comes, plain and by SRTP: rtpengine in userspace and Tandem take turns."""

from scenarios import flows, relays
from scenarios.figure import Figure, Missing, middle, spread
from scenarios.machine import Budget

IDS = ("relay_ratio", "relay_latency_ratio", "srtp_ratio", "relay_calls_ratio", "relay_kib")
SECONDS = 6.0
PLAIN = (400, 1_000)  # calls
SRTP = 400
LATENCY_RUNS = 5
LATE_US = 2_000.0  # p99 beyond which a core carries too many calls
STEP = 100  # calls, in the search for how many a core carries
LADDER = (600, 3_000)


def measure(budget: Budget) -> list[Figure]:
    """Alternating; a turn is a fresh relay, its calls, a warm-up, a measured window."""
    flows.build()
    runs: dict[tuple[str, int, bool], list[flows.Run]] = {}

    def turn(name: str, count: int, srtp: bool) -> None:
        with relays.tandem() if name == "tandem" else relays.rtpengine() as relay:
            run = flows.carry(relay, count, budget.seconds(SECONDS), srtp=srtp)
        runs.setdefault((name, count, srtp), []).append(run)
        print(f"  {name} {count}{' srtp' if srtp else ''}: {run}", flush=True)

    plans = [(count, False) for count in PLAIN] + [(SRTP, True)]
    for n in range(max(budget.repeats, LATENCY_RUNS)):
        for count, srtp in plans:
            if n < budget.repeats or (count, srtp) == (PLAIN[-1], False):
                for name in ("rtpengine", "tandem"):
                    turn(name, count, srtp)
    return [
        cost("relay_ratio", runs, [(count, False) for count in PLAIN]),
        latency(runs),
        cost("srtp_ratio", runs, [(SRTP, True)]),
        most(budget),
        memory(runs),
    ]


Runs = dict[tuple[str, int, bool], list[flows.Run]]


def cost(id: str, runs: Runs, loads: list[tuple[int, bool]]) -> Figure:
    """The worst of the loads counts."""
    ratios, said, mine = [], [], []
    for count, srtp in loads:
        ours = [run.us_per_packet for run in runs["tandem", count, srtp]]
        theirs = [run.us_per_packet for run in runs["rtpengine", count, srtp]]
        ratios.append(middle(ours) / middle(theirs))
        mine += ours
        said.append(
            f"{count} calls: Tandem {spread(ours)}, rtpengine {spread(theirs)}, ratio {ratios[-1]:.3f}"
        )
    method = (
        "CPU of the relay's process per relayed packet, us min/median/max, G.711 20 ms both ways, sockets of loopback, one core, one media thread,"
        f" SRTP (AES_CM_128_HMAC_SHA1_80) {'on one leg' if loads[0][1] else 'off'}, journal on; alternating; {'; '.join(said)}"
    )
    peer = middle([run.us_per_packet for run in runs["rtpengine", *loads[-1]]])
    return Figure(id, max(ratios), method, peer, tuple(mine))


def latency(runs: Runs) -> Figure:
    key = (PLAIN[-1], False)
    ours = [run.p99_us for run in runs["tandem", *key]]
    theirs = [run.p99_us for run in runs["rtpengine", *key]]
    method = (
        f"p99 from the sending clock to the kernel's receive stamp through the relay, {key[0]} plain calls on one core,"
        f" {len(ours)} interleaved runs, us min/median/max: Tandem {spread(ours)}, rtpengine {spread(theirs)}"
    )
    return Figure(
        "relay_latency_ratio", middle(ours) / middle(theirs), method, middle(theirs), tuple(ours)
    )


def memory(runs: Runs) -> Figure:
    ours = [run.kib for run in runs["tandem", PLAIN[-1], False]]
    theirs = [run.kib for run in runs["rtpengine", PLAIN[-1], False]]
    method = (
        f"growth of the process's PSS from before the first of {PLAIN[-1]} plain calls to the end of the run, per call, KiB:"
        f" Tandem {spread(ours)}, rtpengine {spread(theirs)}"
    )
    return Figure("relay_kib", middle(ours), method, middle(theirs), tuple(ours))


def most(budget: Budget) -> Figure:
    """Halving between the rungs of the ladder; a rung holds when two of three runs lose nothing and are on time."""
    found = {name: limit(name, budget) for name in ("rtpengine", "tandem")}
    method = (
        f"most plain calls on one core without loss and with p99 within {LATE_US / 1000:g} ms, to {STEP} calls, best of two tries a"
        f" step: Tandem {found['tandem']}, rtpengine {found['rtpengine']}; at {LADDER[1]} the search ends"
    )
    if not found["rtpengine"]:
        raise Missing(method)
    return Figure(
        "relay_calls_ratio",
        found["tandem"] / found["rtpengine"],
        method,
        float(found["rtpengine"]),
        (float(found["tandem"]),),
    )


def limit(name: str, budget: Budget) -> int:
    low, high = 0, LADDER[1] // STEP + 1
    first = LADDER[0] // STEP
    while high - low > 1:
        steps = first if not low and first < high else (low + high) // 2
        if any(holds(name, steps * STEP, budget) for _ in range(2)):
            low = steps
        else:
            high = steps
        first = high if steps == first else first
    return low * STEP


def holds(name: str, count: int, budget: Budget) -> bool:
    with relays.tandem() if name == "tandem" else relays.rtpengine() as relay:
        run = flows.carry(relay, count, budget.seconds(SECONDS))
    print(f"  {name} {count}: {run}", flush=True)
    return run.said["lost"] == 0 and run.p99_us <= LATE_US
