"""Noise suppression on a leg: how much quieter pauses become, what it does to the speech, what it costs. The example `denoise` of
crates/tandem-rtp adds the noise and measures; nothing here listens.
"""

import json
import subprocess
from statistics import mean
from typing import Any

from scenarios.cargo import built
from scenarios.figure import Figure, middle
from scenarios.machine import BENCH, SERVER_CORE, Budget, pinned

IDS = ("denoise_pause_db", "denoise_core_percent")
SPEECH = BENCH / "speech" / "austen.wav"
RUN_SECONDS = 300
TURN_NS = 20_000_000
STEADY = ("white", "pink")
CALLS = (8_000, 16_000)  # Hz of G.711, of G.722 and of most Opus
LOUD = (0, 5)  # dB of speech over noise, where somebody would ask for it


def measure(_: Budget) -> list[Figure]:
    rows = run(built("example", "denoise"))
    wanted = [
        r for r in rows if r["noise"] in STEADY and r["rate"] in CALLS and r["ratio_db"] in LOUD
    ]
    pauses = [r["pauses_db"] for r in wanted]
    costs = [100 * r["turn_ns"] / TURN_NS for r in rows if r["rate"] in CALLS]
    gains = "; ".join(
        f"{noise} {ratio:g} dB {mean(after(rows, noise, ratio)):+.1f}"
        for noise in (*STEADY, "babble")
        for ratio in (*LOUD, 15)
    )
    babble = mean(r["pauses_db"] for r in rows if r["noise"] == "babble")
    return [
        Figure(
            "denoise_pause_db",
            min(pauses),
            "6 s of read speech with white and pink noise at 0 and 5 dB, at 8 and 16 kHz, after the first second: noise in the pauses"
            f" before and after, the least of the eight. Four voices at once fall by {babble:.1f} dB only. What the speech gains (SI-SDR"
            f" after less before, dB, both rates): {gains}",
            runs=tuple(pauses),
        ),
        Figure(
            "denoise_core_percent",
            middle(costs),
            "the same run on the server's core: time of a turn of 20 ms, resampled to 48 kHz and back; one leg, median of all cases",
            runs=tuple(costs),
        ),
    ]


def after(rows: list[dict[str, Any]], noise: str, ratio: float) -> list[float]:
    return [
        r["after_db"] - r["before_db"]
        for r in rows
        if r["noise"] == noise and r["ratio_db"] == ratio and r["rate"] in CALLS
    ]


def run(program: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [program, str(SPEECH)],
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=True,
        preexec_fn=pinned(SERVER_CORE),
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
