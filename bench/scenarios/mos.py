"""Our E-model held against ViSQOL: speech through our codecs with losses, what the model says of it and what ViSQOL hears.

The example `losses` of crates/tandem-rtp makes the sounds. The curve is drawn to docs/concepts/mos.svg.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from statistics import mean
from typing import Any

from msgspec import Struct

from scenarios.cargo import built
from scenarios.figure import Figure, Missing
from scenarios.machine import BENCH, HOME, Budget
from scenarios.mos_plot import drawn

IDS = ("mos_rank_corr", "mos_abs_error")
SPEECH = BENCH / "speech" / "austen.wav"
PLOT = HOME / "docs" / "concepts" / "mos.svg"
SEEDS, QUICK_SEEDS = 24, 4  # of each loss
CHANCE = 1.0  # mean packets of a run of losses that come by chance; the other curve has 3


class Point(Struct, frozen=True):
    """A loss of a curve: the means over its seeds."""

    codec: str
    conceal: bool
    run: float  # mean packets of a run of losses
    loss: int  # percent
    ours: float
    visqol: float


def measure(budget: Budget) -> list[Figure]:
    """The rank is that of each curve of losses by chance, with concealment and without; the error that of receivers that conceal, as the
    relay's model takes them to be. What else was found stands in the method."""
    seeds = QUICK_SEEDS if budget.quick else SEEDS
    points = curve(seeds)
    PLOT.write_text(drawn([(p.codec, p.conceal, p.run, p.loss, p.ours, p.visqol) for p in points]))
    concealed = [p for p in points if p.conceal]
    curves = {
        f"{name}{'' if conceal else ' without'}": rank_corr(
            pattern(of(points, name, conceal=conceal), CHANCE)
        )
        for name in names(points)
        for conceal in (True, False)
    }
    mixed = {name: rank_corr(of(concealed, name)) for name in names(concealed)}
    errors = {name: error(of(concealed, name)) for name in names(concealed)}
    silent = "; ".join(
        f"{name} {error(of(points, name, conceal=False)):.2f}" for name in names(points)
    )
    how = (
        f"7 s of read speech by PCMU, G.722 and Opus (16 kHz, 24 kbit/s, no FEC), 0, 1, 3, 5 and 10 % of packets lost, by chance and in runs"
        f" of 3 at the mean, {seeds} seeds each, through the jitter buffer and concealment of a leg; ViSQOL 3 for speech at 16 kHz with its"
        " lattice model, PCMU against speech of its own band; E-model from the losses that there were, no delay"
    )
    rank = Figure(
        "mos_rank_corr",
        min(curves.values()),
        f"{how}. Spearman over the 5 points of a curve of losses by chance, with concealment and without, the lowest of the six:"
        f" {said(curves)}. In no figure: losses by chance and in runs in one rank, the 9 points of a codec: {said(mixed)}; all 27 points of"
        f" the three codecs: {rank_corr(concealed):.3f}",
        runs=tuple(curves.values()),
    )
    apart = Figure(
        "mos_abs_error",
        error(concealed),
        f"the same run. Mean of |E-model MOS - ViSQOL MOS-LQO| over all 27 points, no mapping between the scales; by codec {said(errors)},"
        f" largest {max(abs(p.ours - p.visqol) for p in concealed):.2f}. Without concealment (silence for a lost packet), not in the figure:"
        f" {silent}. The curve: {PLOT.relative_to(HOME)}",
        runs=tuple(errors.values()),
    )
    return [rank, apart]


def curve(seeds: int) -> list[Point]:
    """Makes the sounds, has ViSQOL hear each."""
    try:
        import visqol  # noqa: F401
    except ImportError as error:
        raise Missing(
            "ViSQOL is not here: `./tandem bench rtp` installs requirements/bench.txt"
        ) from error
    program = built("example", "losses")
    with tempfile.TemporaryDirectory(prefix="losses") as place:
        text = subprocess.run(
            [program, str(SPEECH), place, str(seeds)], capture_output=True, text=True, check=True
        ).stdout
        cases = [json.loads(line) for line in text.splitlines()]
        pairs = [(f"{place}/{case['reference']}", f"{place}/{case['file']}") for case in cases]
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            heard = list(pool.map(hear, pairs, chunksize=8))
    found: dict[tuple[str, bool, float, int], list[tuple[float, float]]] = {}
    for case, score in zip(cases, heard, strict=True):
        key = (case["codec"], case["conceal"], case["run"], case["loss"])
        found.setdefault(key, []).append((case["mos"], score))
    return [
        Point(*key, mean(ours for ours, _ in scores), mean(theirs for _, theirs in scores))
        for key, scores in found.items()
    ]


@cache
def judge() -> Any:
    """ViSQOL, once a process."""
    from visqol import VisqolApi

    api = VisqolApi()
    api.create(mode="speech", use_lattice_model=True)
    return api


def hear(pair: tuple[str, str]) -> float:
    return float(judge().measure(*pair).moslqo)


def names(points: Sequence[Point]) -> list[str]:
    return list(dict.fromkeys(p.codec for p in points))


def of(points: Sequence[Point], codec: str, *, conceal: bool = True) -> list[Point]:
    return [p for p in points if p.codec == codec and p.conceal is conceal]


def pattern(points: Sequence[Point], run: float) -> list[Point]:
    """Losses of one kind; no loss is of both."""
    return [p for p in points if p.run == run or p.loss == 0]


def said(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())


def error(points: Sequence[Point]) -> float:
    return mean(abs(p.ours - p.visqol) for p in points)


def rank_corr(points: Sequence[Point]) -> float:
    """Spearman: Pearson over ranks, ties at their mean."""
    ours, theirs = ranked([p.ours for p in points]), ranked([p.visqol for p in points])
    middle = (len(points) - 1) / 2
    product = sum((a - middle) * (b - middle) for a, b in zip(ours, theirs, strict=True))
    squares = [sum((rank - middle) ** 2 for rank in ranks) for ranks in (ours, theirs)]
    return float(product / (squares[0] * squares[1]) ** 0.5)


def ranked(values: Sequence[float]) -> list[float]:
    return [mean(n for n, other in enumerate(sorted(values)) if other == value) for value in values]
