"""A relay is gone for good under a crowd's calls: call control moves them to another one. How long audio is gone, and for whom it stays so."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import quantiles

from phones.call import SDP, Call
from phones.crowd import Crowd, Script
from phones.phone import Phone
from phones.voice import Ear, Voices

from scenarios.figure import Figure, Missing, middle, spread
from scenarios.machine import HOME, LOAD_CORE, SERVER_CORE, Budget, pinned, stop_group
from scenarios.product import DOMAIN, PASSWORD, Tandem, Wanted, tandem
from scenarios.restart import LISTEN

IDS = ("reinvite_gap_ms",)
CALLS = 200
KEPT_SECONDS = 3.0  # of talk before
HEALED_SECONDS = 6.0  # and after
DEAD_SECONDS = 1.0  # silence at the end: nobody is heard
RELAYS = {"one": 30_000, "two": 40_000}  # first ports
USERS = 60


class Spoken(Call):
    """A call with audio: each phone has an ear."""

    def __init__(self, name: str, caller: Phone, callee: Phone, near: Ear, far: Ear) -> None:
        super().__init__(name, caller, callee)
        self.ears = near, far

    def near_sdp(self) -> str:
        return with_port(super().near_sdp(), self.ears[0])

    def far_sdp(self) -> str:
        return with_port(super().far_sdp(), self.ears[1])

    def near_told(self, body: str) -> None:
        self.ears[0].told(body)

    def far_told(self, body: str) -> None:
        self.ears[1].told(body)


def with_port(sdp: str, ear: Ear) -> str:
    return sdp.replace("m=audio 40000", f"m=audio {ear.port}")


assert "m=audio 40000" in SDP


def measure(budget: Budget) -> list[Figure]:
    runs = [asyncio.run(once()) for _ in range(budget.repeats)]
    gaps = [gap for gap, _, _, _ in runs]
    return [
        Figure(
            "reinvite_gap_ms",
            middle(gaps),
            f"{CALLS} calls of {USERS} phones on UDP, through call control and one of two relays; kill -9 of that relay, which"
            " nobody starts again: call control gives it up and asks both phones of each call again; p99 over ears of the longest"
            f" silence, ms min/median/max {spread(gaps)}; median {spread([m for _, m, _, _ in runs])};"
            f" ears with no audio in the last second, worst {max(dead for _, _, dead, _ in runs)} of {2 * CALLS};"
            f" the generator was at most {max(late for _, _, _, late in runs):.0f} ms late",
            None,
            tuple(gaps),
        )
    ]


async def once() -> tuple[float, float, int, float]:
    """(p99 and median of the longest silences in ms, dead ears, lateness of the generator in ms)."""
    os.sched_setaffinity(0, {LOAD_CORE})
    voices = Voices()
    with tandem(
        Wanted(users=USERS, allow=("127.0.0.1/32",), listen=LISTEN, more=settings())
    ) as product:
        processes = {"one": start(product, "one")}
        try:
            return await asyncio.wait_for(kill(product, voices, processes), 120)
        finally:
            for process in processes.values():
                stop_group(process)
            os.sched_setaffinity(0, range(os.cpu_count() or 1))


async def kill(
    product: Tandem, voices: Voices, processes: dict[str, subprocess.Popen[bytes]]
) -> tuple[float, float, int, float]:
    def make(name: str, caller: Phone, callee: Phone) -> Call:
        return Spoken(name, caller, callee, voices.ear(), voices.ear())

    script = Script(talking=CALLS, ringing=0, phones=USERS // 2)
    crowd = Crowd(script, DOMAIN, PASSWORD, make)
    await crowd.open()
    await crowd.set_up()
    processes["two"] = start(product, "two")
    voices.start()
    await asyncio.sleep(KEPT_SECONDS)
    moved = {ear.port: ear.aims for ear in voices.ears}
    voices.listen()
    os.killpg(processes["one"].pid, signal.SIGKILL)
    await asyncio.sleep(HEALED_SECONDS)
    now = time.monotonic()
    longest = [1e3 * max(ear.longest, now - ear.last) for ear in voices.ears]
    dead = sum(now - ear.last > DEAD_SECONDS for ear in voices.ears)
    stayed = sum(ear.aims == moved[ear.port] for ear in voices.ears)
    late = 1e3 * voices.late
    voices.close()
    crowd.close()
    found = quantiles(longest, n=100)[98], middle(longest), dead, late
    print(
        f"  gap median {found[1]:.0f} ms, p99 {found[0]:.0f} ms, dead {dead}, not asked again {stayed},"
        f" generator late {late:.0f} ms",
        flush=True,
    )
    return found


def settings() -> str:
    relays = "".join(
        f'[[media.relays]]\nname = "{name}"\nplace = "unix:{place(name)}"\n' for name in RELAYS
    )
    return f'[relay]\nenabled = false\n[media]\npolicy = "relay"\n{relays}'


def place(name: str) -> Path:
    return Path(f"/tmp/tandem-bench-{os.getpid()}-{name}.sock")


def start(product: Tandem, name: str) -> subprocess.Popen[bytes]:
    """A relay of no supervisor."""
    config = {
        "interfaces": [{"address": "127.0.0.1"}],
        "ports": {"min": RELAYS[name], "max": RELAYS[name] + 9_999},
        "ng": {"unix": str(place(name))},
        "threads": 1,
        "state": str(product.directory / name),
    }
    file = product.directory / f"{name}.json"
    file.write_text(json.dumps(config))
    with open(product.directory / f"{name}.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tandem.relay", str(file)],
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(HOME / "src")},
            preexec_fn=pinned(SERVER_CORE),
        )
    deadline = time.monotonic() + 10
    while not place(name).exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise Missing(f"relay {name} does not start: {file.with_suffix('.log').read_text()}")
        time.sleep(0.02)
    return process
