"""`./tandem fuzz`: builds the fuzz targets of crates/fuzz and runs them for a while. A finding is printed and kept."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tandem.cli.steps import Step, checkout, run
from tandem.config import BadConfig

FOUND = "target/fuzz"  # new inputs and findings, by target
BINARIES = "target/x86_64-unknown-linux-gnu/release"
MEMORY_MIB = 2048  # of one target; more is a finding


def fuzz(target: str = "all", *, seconds: int = 60) -> int:
    """Feed a parser inputs that nobody would send. Needs a nightly Rust compiler (rustup toolchain install nightly).

    Parameters
    ----------
    target: a file of crates/fuzz/fuzz_targets without its ending; all: one after the other.
    seconds: how long each target runs, at least 1.
    """
    home = checkout()
    names = target_names(home)
    if target != "all" and target not in names:
        raise BadConfig(f"target: there is no {target!r}; there are: all, {', '.join(names)}")
    if seconds < 1:
        raise BadConfig(f"--seconds: {seconds} is below 1")
    return run_targets(home, names if target == "all" else [target], seconds)


def target_names(home: Path) -> list[str]:
    return sorted(path.stem for path in (home / "crates/fuzz/fuzz_targets").glob("*.rs"))


def run_targets(home: Path, names: list[str], seconds: int) -> int:
    """0 when nothing was found. Raises BadConfig without a nightly compiler."""
    if not nightly():
        raise BadConfig("fuzz needs a nightly Rust compiler: rustup toolchain install nightly")
    print("tandem: building the fuzz targets", file=sys.stderr)
    built = run(Step("fuzz targets built", ("sh", "crates/fuzz/build.sh")), quiet=True)
    if built.status:
        return 1
    failed = [name for name in names if run_target(home, name, seconds)]
    print(f"{len(names) - len(failed)} of {len(names)} targets found nothing")
    return 1 if failed else 0


def run_target(home: Path, name: str, seconds: int) -> int:
    found, seeds = home / FOUND / name, home / "crates/fuzz/corpus" / name
    found.mkdir(parents=True, exist_ok=True)
    command = [str(home / "crates/fuzz" / BINARIES / name), f"-max_total_time={seconds}"]
    command += [f"-rss_limit_mb={MEMORY_MIB}", f"-artifact_prefix={found}/finding-", str(found)]
    command += [str(seeds)] if seeds.is_dir() else []
    return run(Step(f"fuzz {name}, {seconds} s", tuple(command)), quiet=True).status


def nightly() -> bool:
    if shutil.which("cargo") is None:
        return False
    asked = subprocess.run(
        ("cargo", "+nightly", "--version"), capture_output=True, env=os.environ, check=False
    )
    return asked.returncode == 0
