"""Findings of the parser fuzzers of crates/fuzz, each run for a bounded time. `tandem fuzz` is the long run."""

import subprocess
import tempfile
from pathlib import Path

from scenarios.figure import Figure, Missing
from scenarios.machine import HOME, LOAD_CORE, SERVER_CORE, Budget, pinned

IDS = ("fuzz_findings",)
CRATE = HOME / "crates" / "fuzz"
SECONDS = 30  # a target; two run at a time
BUILD_SECONDS = 900
MEMORY_MIB = 2048


def measure(budget: Budget) -> list[Figure]:
    """Every target from its committed corpus; what is found new stays in a scratch directory."""
    if not (CRATE / "build.sh").exists():
        raise Missing("crates/fuzz is not here")
    done = subprocess.run(
        ["sh", "build.sh"],
        cwd=CRATE,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if done.returncode:
        raise Missing(
            f"the fuzz targets need a nightly compiler (rustup toolchain install nightly): {done.stderr[-300:]}"
        )
    targets = sorted(path.stem for path in (CRATE / "fuzz_targets").glob("*.rs"))
    seconds = int(budget.seconds(SECONDS))
    findings: list[str] = []
    with tempfile.TemporaryDirectory(prefix="fuzz") as scratch:
        for pair in (targets[n : n + 2] for n in range(0, len(targets), 2)):
            running = [
                start(name, Path(scratch), seconds, core)
                for name, core in zip(pair, (SERVER_CORE, LOAD_CORE), strict=False)
            ]
            for name, process in zip(pair, running, strict=True):
                out, _ = process.communicate(timeout=seconds + 120)
                if process.returncode:
                    findings.append(f"{name}: {out[-300:].strip()}")
            print(f"  {', '.join(pair)}: {seconds} s, {len(findings)} findings so far", flush=True)
    method = (
        f"libFuzzer with debug assertions, {', '.join(targets)}, {seconds} s each (the long run of 10 minutes each is `tandem fuzz`)"
        f"{': ' + ' | '.join(findings) if findings else ''}"
    )
    return [Figure(IDS[0], float(len(findings)), method)]


def start(name: str, scratch: Path, seconds: int, core: int) -> "subprocess.Popen[str]":
    new = scratch / name
    new.mkdir()
    corpus = CRATE / "corpus" / name
    program = CRATE / "target" / "x86_64-unknown-linux-gnu" / "release" / name
    words = [
        str(program),
        f"-max_total_time={seconds}",
        f"-rss_limit_mb={MEMORY_MIB}",
        "-timeout=5",
    ]
    words += [f"-artifact_prefix={new}/", str(new), *([str(corpus)] if corpus.exists() else [])]
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=pinned(core),
    )
