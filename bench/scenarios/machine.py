"""The machine that a run is on: its cores, its name, its commit, and how to run a child pinned to a core."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

HOME = Path(__file__).resolve().parents[2]  # the checkout
BENCH = HOME / "bench"
SERVER_CORE, LOAD_CORE = 0, 1
NICE = int(os.environ.get("BENCH_NICE", "0"))  # -20 as root: disturbed less by other work
STOP_SECONDS = 12.0


class Budget(Struct):
    """How long and how often: --quick halves what can be halved, and says so in the method."""

    quick: bool = False

    @property
    def repeats(self) -> int:
        return 3  # a median of less is none

    def seconds(self, whole: float) -> float:
        return whole / 2 if self.quick else whole


def pinned(core: int) -> Callable[[], None]:
    """For preexec_fn: an own session, on one core."""

    def first() -> None:
        os.setsid()
        os.sched_setaffinity(0, {core})
        if NICE:
            with contextlib.suppress(OSError):
                os.nice(NICE)
                Path("/proc/self/autogroup").write_text(str(NICE))

    return first


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """Ends a child that `pinned` put into its own session, with all that it started."""
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def commit() -> str:
    """The checkout's commit; with + when files differ from it."""
    head = _git("rev-parse", "--short=12", "HEAD")
    return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def machine() -> str:
    """Processor, cores, memory, kernel."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {gib:.0f} GiB, Linux {os.uname().release}"


def load_average() -> str:
    return Path("/proc/loadavg").read_text().split()[0]


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(HOME), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else "unknown"
