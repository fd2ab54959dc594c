"""kill -9 of the call node at moments drawn by lot, while phones on TCP and TLS say things once: which had no effect."""

import asyncio
import os
import random
import time
from collections import Counter

from phones.crowd import Party
from phones.phone import Phone
from phones.told import KINDS, Told

from scenarios.figure import Figure, Missing
from scenarios.machine import LOAD_CORE, Budget
from scenarios.product import DOMAIN, PASSWORD, Tandem, Wanted, tandem

IDS = ("link_lost",)
KILLS, QUICK_KILLS = 50, 10
PHONES = 8  # callers, and as many callees: every pair of TCP and TLS
EACH = 4  # calls of each kind a round
PORTS = {"TCP": 5060, "TLS": 5061}
LISTEN = ("tcp:127.0.0.1:5060", "tls:127.0.0.1:5061")
WANTED = Wanted(users=2 * PHONES, allow=("127.0.0.1/32",), listen=LISTEN)
BEFORE_SECONDS, AFTER_SECONDS = 0.03, 0.15  # when things are said, to the kill
ROUND_SECONDS = 2.6  # five deaths in ten seconds would make the supervisor wait
READY_SECONDS = 10.0
EFFECT_SECONDS = 32.0  # 64*T1
SHOWN = 6
SEED = 5


def measure(budget: Budget) -> list[Figure]:
    """One run of all kills."""
    kills = QUICK_KILLS if budget.quick else KILLS
    said, lost, slowest = asyncio.run(run(kills))
    kinds = Counter(reason for reason in lost).most_common(SHOWN)
    return [
        Figure(
            "link_lost",
            len(lost),
            f"own call node killed by kill -9 {kills} times under {PHONES} callers and {PHONES} callees on TCP and TLS, whose connections stay; from"
            f" {BEFORE_SECONDS * 1000:.0f} ms before to {AFTER_SECONDS * 1000:.0f} ms after each kill, at moments drawn by lot, they say"
            f" {', '.join(KINDS)} once each in {EACH} calls of each kind (BYE and INFO from either side): {said} messages; without effect: no answer"
            f" in {EFFECT_SECONDS:.0f} s, a wrong one, or the other side does not hear it; the slowest took {slowest:.2f} s"
            + "".join(f"; {n} x {what}" for what, n in kinds),
        )
    ]


async def run(kills: int) -> tuple[int, list[str], float]:
    """Messages said, those without effect, and the slowest effect in seconds."""
    with tandem(WANTED) as product:
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {LOAD_CORE})
        stage = Stage()
        try:
            await stage.open()
            for round_ in range(kills):
                await stage.round(product, round_)
            await stage.settled(stage.calls, EFFECT_SECONDS)
        finally:
            stage.close()
            os.sched_setaffinity(0, cores)
    lost = [f"{one.kind}: {one.missing}" for one in stage.calls if one.missing]
    print(f"  {len(stage.calls)} said, {len(lost)} without effect: {Counter(lost)}", flush=True)
    if os.environ.get("BENCH_SHOW"):
        for one in stage.calls:
            if one.missing:
                print("   ", one.name, one.call_id, one.missing, one.near, one.far, flush=True)
    return len(stage.calls), lost, stage.slowest


class Stage(Party[Told]):
    """The phones, and every call that there was."""

    def __init__(self) -> None:
        self.lot = random.Random(SEED)
        kinds = [list(PORTS)[n % 2] for n in range(PHONES)]
        shifted = [list(PORTS)[n // 2 % 2] for n in range(PHONES)]
        both = [*kinds, *shifted]
        phones = [
            Phone(f"user{n}", DOMAIN, PASSWORD, kind, PORTS[kind]) for n, kind in enumerate(both)
        ]
        super().__init__(phones[:PHONES], phones[PHONES:])
        self.slowest = 0.0

    async def round(self, product: Tandem, number: int) -> None:
        """Sets up, kills while things are said, sees to the rest."""
        began = time.monotonic()
        calls = []
        for n in range(EACH * len(KINDS)):
            calls.append(self.begin(KINDS[n % len(KINDS)], by_callee=n >= EACH * len(KINDS) // 2))
            await asyncio.sleep(0.01)
        await self.until(lambda: all(call.is_ready for call in calls), calls)
        loop = asyncio.get_running_loop()
        for call in calls:
            loop.call_later(self.lot.uniform(0, BEFORE_SECONDS + AFTER_SECONDS), call.says)
        await asyncio.sleep(BEFORE_SECONDS)
        product.kill("node")
        await asyncio.sleep(AFTER_SECONDS + 0.1)
        await self.settled(calls, 1.5)
        for call in calls:
            if call.kind in ("PRACK", "INFO") and not call.missing:
                call.ends()
        self.calls += calls
        await asyncio.sleep(max(0.1, began + ROUND_SECONDS - time.monotonic()))

    def begin(self, kind: str, *, by_callee: bool) -> Told:
        number = len(self.named)
        callee = self.callees[(number // 5) % PHONES]
        call = Told(f"c{number}", self.callers[(number // 3) % PHONES], callee, kind, by_callee)
        self.named[call.name] = call
        call.invite()
        return call

    async def until(self, ready, calls: list[Told]) -> None:  # type: ignore[no-untyped-def]
        end = time.monotonic() + READY_SECONDS
        while not ready():
            if time.monotonic() > end:
                states = Counter(f"{c.kind} {c.near.status}" for c in calls if not c.is_ready)
                raise Missing(f"not all calls could be set up: {states}")
            await asyncio.sleep(0.02)

    async def settled(self, calls: list[Told], seconds: float) -> None:
        """Until all had their effect, at most so long."""
        end = time.monotonic() + seconds
        open_ = [call for call in calls if call.missing]
        while open_ and time.monotonic() < end:
            await asyncio.sleep(0.02)
            done = [call for call in open_ if not call.missing]
            self.slowest = max([self.slowest, *(time.time() - call.said_at for call in done)])
            open_ = [call for call in open_ if call.missing]

    def close(self) -> None:
        for phone in (*self.callers, *self.callees):
            phone.close()
