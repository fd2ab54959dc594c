"""`./tandem test`: all tests of Python and Rust with their coverage; below the committed floor is a failure."""

import json
import os
import re
import shutil
import time
import tomllib
from pathlib import Path

from tandem.cli.fuzz import run_targets, target_names
from tandem.cli.steps import Done, Step, checkout, python, run

FLOOR = "tests/coverage.toml"
COVERAGE_DIRECTORY = "target/coverage"  # instrumented builds stay apart from the others
NIGHTLY_FUZZ_SECONDS = 600  # of each target
CRATES = (
    "--workspace",
    "--exclude",
    "tandem-py",
    "--locked",
)  # tandem-py needs a Python to link to


def test(*arguments: str, nightly: bool = False) -> int:  # noqa: PT028 (a command, no test)
    """Run everything. Arguments go to pytest: `./tandem test tests/unit -k ladder` runs only these.

    Parameters
    ----------
    arguments: for pytest; with any of them Rust's tests and the coverage floor are left out.
    nightly: what takes minutes instead: 10,000 seeds, every pair of crash points, each fuzz target for ten minutes.
    """
    home = checkout()
    if nightly:
        return _nightly(home)
    if arguments:
        return run(Step("pytest", python("-m", "pytest", *arguments)), quiet=False).status
    began = time.monotonic()
    rust = run(_cargo(home), quiet=False)
    measured, rust_failed = _rust_coverage(home, rust)
    pytest = run(
        Step(
            "pytest",
            python("-m", "coverage", "run", "-m", "pytest", "-q", "--durations=10"),
        ),
        quiet=False,
    )
    python_branch = _python_coverage(home)
    print("\n--- closing lines")
    print("cargo  ", _cargo_closing(rust.output))
    print("pytest ", _last_line(pytest.output))
    failed = [d.step.name for d in (rust, pytest) if d.status] + rust_failed
    failed += _below_floor(home, {"python_branch": python_branch, "rust_lines": measured})
    print(
        f"{'FAILED: ' + '; '.join(failed) if failed else 'passed'} in {time.monotonic() - began:.0f} s"
    )
    return 1 if failed else 0


def _nightly(home: Path) -> int:
    steps = python("-m", "pytest", "-q", "-m", "nightly", "--timeout=3600")
    pytest = run(Step("nightly tests (pytest)", steps), quiet=False)
    fuzzed = run_targets(home, target_names(home), NIGHTLY_FUZZ_SECONDS)
    print("\n--- closing lines")
    print("pytest ", _last_line(pytest.output))
    print("fuzz   ", "something was found" if fuzzed else "nothing was found")
    return 1 if pytest.status or fuzzed else 0


def _cargo(home: Path) -> Step:
    environ = {
        "RUSTFLAGS": (os.environ.get("RUSTFLAGS", "") + " -C instrument-coverage").strip(),
        "CARGO_TARGET_DIR": str(home / COVERAGE_DIRECTORY),
        # without these two, the build of one run takes 10 GB of disk; a panic tells its line all the same
        "CARGO_INCREMENTAL": "0",
        "CARGO_PROFILE_DEV_DEBUG": "0",
        "LLVM_PROFILE_FILE": str(home / COVERAGE_DIRECTORY / "profiles" / "%p-%4m.profraw"),
    }
    shutil.rmtree(home / COVERAGE_DIRECTORY / "profiles", ignore_errors=True)
    return Step("cargo test", ("cargo", "test", *CRATES), environ)


def _cargo_closing(output: str) -> str:
    """cargo closes each test binary on its own; this adds them up."""
    results = re.findall(r"test result: (\w+)\. (\d+) passed; (\d+) failed; (\d+) ignored", output)
    passed, failed, ignored = (sum(int(r[n]) for r in results) for n in (1, 2, 3))
    word = "ok" if results and all(r[0] == "ok" for r in results) else "FAILED"
    return f"test result: {word}. {passed} passed; {failed} failed; {ignored} ignored; {len(results)} binaries"


def _last_line(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def _python_coverage(home: Path) -> float | None:
    """Percent of branches and lines together, as coverage.py counts with branch = true."""
    run(Step("coverage combine", python("-m", "coverage", "combine", "-q")), quiet=True)
    report = home / COVERAGE_DIRECTORY / "python.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    done = run(
        Step("coverage of Python", python("-m", "coverage", "json", "-q", "-o", str(report))),
        quiet=True,
    )
    if done.status:
        return None
    totals = json.loads(report.read_text())["totals"]
    branches = 100.0 * totals["covered_branches"] / max(1, totals["num_branches"])
    print(
        f"Python coverage: {totals['percent_covered']:.1f} % of lines and branches, {branches:.1f} % of branches"
    )
    return float(branches)


def _rust_coverage(home: Path, tested: Done) -> tuple[float | None, list[str]]:
    """Percent of lines, by LLVM's tools of the compiler's version."""
    tools = [_llvm(name) for name in ("llvm-profdata", "llvm-cov")]
    profiles = sorted((home / COVERAGE_DIRECTORY / "profiles").glob("*.profraw"))
    binaries = re.findall(r"Running .* \((.*)\)", tested.output)
    if None in tools or not profiles or not binaries:
        return None, ["coverage of Rust: no llvm-profdata and llvm-cov, or no profiles"]
    merged = home / COVERAGE_DIRECTORY / "merged.profdata"
    listing = home / COVERAGE_DIRECTORY / "profiles.txt"
    listing.write_text("\n".join(map(str, profiles)))
    merge = Step(
        "llvm-profdata",
        (
            str(tools[0]),
            "merge",
            "-sparse",
            "-failure-mode=all",
            "-f",
            str(listing),
            "-o",
            str(merged),
        ),
    )
    objects = [part for binary in binaries for part in ("--object", str(home / binary))][1:]
    ignored = r"--ignore-filename-regex=(/registry/|/rustc/|/tests/|\.cargo)"
    export = Step(
        "llvm-cov",
        (str(tools[1]), "export", "-summary-only", f"-instr-profile={merged}", ignored, *objects),
    )
    if run(merge, quiet=True).status:
        return None, ["llvm-profdata"]
    done = run(export, quiet=True)
    if done.status:
        return None, ["llvm-cov"]
    text = next(line for line in done.output.splitlines() if line.startswith("{"))
    lines = json.loads(text)["data"][0]["totals"]["lines"]
    print(f"Rust coverage: {lines['percent']:.1f} % of lines")
    return float(lines["percent"]), []


def _llvm(name: str) -> str | None:
    """The newest of the versions that read today's compiler's profiles."""
    for version in ("-22", "-23", "-21", ""):
        if found := shutil.which(name + version):
            return found
    return None


def _below_floor(home: Path, measured: dict[str, float | None]) -> list[str]:
    floor = tomllib.loads((home / FLOOR).read_text())
    return [
        f"{key} is {'unknown' if value is None else f'{value:.1f} %'}, the floor in {FLOOR} is {floor[key]} %"
        for key, value in measured.items()
        if value is None or value < floor[key]
    ]
