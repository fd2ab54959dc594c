"""Runs the steps of `check` and `test`: commands in a checkout, each with its time; the output of one that fails. No policy."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from tandem.config import BadConfig

FAILED_LINES = 200  # printed of a step that failed


class Step(Struct, frozen=True):
    """One command, run in the checkout."""

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str] = {}


class Done(Struct, frozen=True):
    """A step that ran."""

    step: Step
    status: int
    seconds: float
    output: str


def checkout() -> Path:
    """The checkout that ./tandem runs from; raises BadConfig in an installed wheel."""
    home = os.environ.get("TANDEM_HOME", "")
    if not home or not Path(home, "pyproject.toml").is_file():
        raise BadConfig("test and check need a checkout: run ./tandem in it")
    return Path(home)


def python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)


def run(step: Step, *, quiet: bool) -> Done:
    """Quiet: the output is kept and printed only on failure; else it is also passed on as it comes."""
    began = time.monotonic()
    environ = {**os.environ, **step.environ}
    kept: list[str] = []
    try:
        process = subprocess.Popen(
            step.command,
            cwd=checkout(),
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        return Done(step, 127, 0.0, f"{step.command[0]}: {error.strerror}")
    assert process.stdout
    with process.stdout:
        for line in process.stdout:
            kept.append(line)
            if not quiet:
                print(line, end="", flush=True)
    status = process.wait()
    done = Done(step, status, time.monotonic() - began, "".join(kept))
    word = "ok    " if status == 0 else "FAILED"
    print(f"{word} {done.seconds:7.1f} s  {step.name}", flush=True)
    if status and quiet:
        print("".join(kept[-FAILED_LINES:]), flush=True)
    return done


def run_lanes(lanes: Sequence[Sequence[Step]]) -> list[Done]:
    """Each lane in order, the lanes beside each other; all steps run, whatever failed before."""
    done: list[Done] = []
    threads = [
        threading.Thread(target=lambda lane=lane: done.extend(run(s, quiet=True) for s in lane))
        for lane in lanes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done
