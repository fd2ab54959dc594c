"""`./tandem bench WHAT`: runs the scenarios of a bench one after another, prints what they found, keeps it under bench/results/."""

import argparse
import importlib
import json
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parent.parent / "src"))

from scenarios.figure import TARGETS, Figure, Missing
from scenarios.machine import BENCH, Budget, commit, load_average, machine
from scenarios.product import forget_databases

# in the order of their run; what needs a quiet machine most comes first
SCENARIOS = {
    "sip": (
        "index",
        "register",
        "b2bua",
        "edge_cpu",
        "edge_latency",
        "edge_tls",
        "held",
        "flood",
        "ready",
        "edge_ready",
        "edge_deaths",
        "restart",
        "link_lost",
        "torture",
        "svwar",
        "fuzz",
    ),
    "rtp": (
        "relay",
        "kernel_relay",
        "relay_deaths",
        "relay_lost",
        "audio",
        "denoise",
        "echo",
        "mos",
    ),
}


def main() -> int:
    """0: all that was measured meets its target; 1: something does not, or could not be measured."""
    parser = argparse.ArgumentParser(prog="tandem bench")
    parser.add_argument("what", choices=SCENARIOS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    ids = {id for id, target in TARGETS.items() if target.bench == arguments.what}
    wanted = {id for id in arguments.only.split(",") if id} or ids
    if unknown := wanted - ids:
        print(f"tandem: --only: no figure {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    if arguments.json:  # progress goes where it does not disturb
        sys.stdout, out = sys.stderr, sys.stdout
    else:
        out = sys.stdout
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what runs is ended on the way out
    began, load_before = time.monotonic(), load_average()
    try:
        figures = run(arguments.what, wanted, Budget(quick=arguments.quick))
    finally:
        forget_databases()
    figures.sort(key=lambda figure: list(TARGETS).index(figure.id))
    shown = {figure.id: plain(figure) for figure in figures}
    about = {
        "bench": arguments.what,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "load_before": load_before,
        "seconds": round(time.monotonic() - began),
        "quick": arguments.quick,
    }
    text = table(figures, about)
    keep(text, {"about": about, **shown})
    print(json.dumps(shown, indent=2) if arguments.json else text, file=out)
    return 0 if all(f.verdict in ("must", "stretch") for f in figures) else 1


def run(what: str, wanted: set[str], budget: Budget) -> list[Figure]:
    """Every scenario that has a wanted id; one that fails costs only its own figures."""
    figures: list[Figure] = []
    for name in SCENARIOS[what]:
        scenario = importlib.import_module(f"scenarios.{name}")
        ids = [id for id in scenario.IDS if id in wanted]
        if not ids:
            continue
        began = time.monotonic()
        print(f"{name}: {', '.join(ids)}", flush=True)
        try:
            found = [f for f in scenario.measure(budget) if f.id in wanted]
        except Missing as missing:
            found = [Figure(id, None, str(missing)) for id in ids]
        except Exception as error:
            found = [Figure(id, None, f"{type(error).__name__}: {error}") for id in ids]
        figures += found
        for figure in found:
            value = "-" if figure.value is None else f"{figure.value:.4g} {figure.unit}"
            print(f"  {figure.id}: {value} ({figure.verdict})", flush=True)
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
    return figures


def plain(figure: Figure) -> dict[str, Any]:
    """One object of the JSON."""
    return {
        "value": figure.value,
        "unit": figure.unit,
        "peer": figure.peer,
        "method": figure.method,
        "limit": "at least" if TARGETS[figure.id].least else "at most",
        "must": TARGETS[figure.id].must,
        "stretch": TARGETS[figure.id].stretch,
        "verdict": figure.verdict,
        "runs": list(figure.runs),
    }


def table(figures: list[Figure], about: dict[str, Any]) -> str:
    """For people: the figures, then how each was measured."""
    head = f"{'id':<24}{'value':>10} {'unit':<6}{'peer':>10}  {'must':>6} {'stretch':>8}  verdict"
    lines = [
        f"Tandem, bench {about['bench']}, commit {about['commit']}, {about['at']}, {about['seconds']} s{', quick' if about['quick'] else ''}",
        f"{about['machine']}; load average before: {about['load_before']}",
        "",
        head,
        "-" * len(head),
    ]
    for f in figures:
        target = TARGETS[f.id]
        value = "-" if f.value is None else f"{f.value:.4g}"
        peer = f"{f.peer:.4g}" if isinstance(f.peer, float) else "-"
        lines.append(
            f"{f.id:<24}{value:>10} {f.unit:<6}{peer:>10} {'>' if target.least else ' '}{target.must:>6g} {target.stretch:>8g}  {f.verdict}"
        )
    lines += ["", "How", *(f"{f.id}: {f.method}" for f in figures)]
    return "\n".join(lines)


def keep(text: str, shown: dict[str, Any]) -> None:
    """bench/results/<time>-<commit>.json and .txt."""
    directory = BENCH / "results"
    directory.mkdir(exist_ok=True)
    about = shown["about"]
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{about['bench']}-{about['commit'].rstrip('+')}"
    (directory / f"{name}.json").write_text(json.dumps(shown, indent=2) + "\n")
    (directory / f"{name}.txt").write_text(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
