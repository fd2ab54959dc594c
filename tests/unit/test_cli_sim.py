"""`tandem sim` from a terminal: many seeds, and one as a ladder."""

import subprocess
import sys


def sim(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tandem.cli", "sim", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_seeds_that_break_nothing_are_counted() -> None:
    done = sim("--seconds", "0.5")
    assert (0, "") == (done.returncode, done.stderr)
    assert " 0 broken" in done.stdout


def test_a_seed_is_shown_as_a_ladder_and_is_the_same_twice() -> None:
    once, twice = sim("--seed", "1"), sim("--seed", "1")
    assert 0 == once.returncode
    for word in ("INVITE", "200 OK", "node 1 dies", "node 2 takes over"):
        assert word in once.stdout
    assert once.stdout == twice.stdout
