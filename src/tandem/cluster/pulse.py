"""The sign that a child's loop still turns: a file that it touches. What becomes of one that hangs is the supervisor's."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

VARIABLE = "TANDEM_PULSE"  # the file's path, in the child's environment
BEAT_SECONDS = 1.0
LOOK_SECONDS = 2.5
SILENT_LOOKS = 4  # in a row, then it hangs: 10 s without a sign


def pulse_path(run: Path, child: str) -> Path:
    return run / f"{child}.pulse"


async def beat(turns: Callable[[], object]) -> None:
    """Touches the file while the loop turns; `turns` does not return when something else hangs."""
    named = os.environ.get(VARIABLE)
    while named:
        turns()
        _touch(named)
        await asyncio.sleep(BEAT_SECONDS)


def _touch(named: str) -> None:
    """Of a local file system; where that hangs, so does the journal."""
    Path(named).touch()


class Pulse:
    """What a supervisor has seen of one child's file. It counts its own looks: a machine that slept proves nothing."""

    def __init__(self) -> None:
        self.seen, self.silent = 0, 0

    def begins(self, file: Path) -> None:
        """Another process has the name; until its first sign it may take its time."""
        file.unlink(missing_ok=True)
        self.seen, self.silent = 0, 0

    def hangs(self, file: Path) -> bool:
        """One look, LOOK_SECONDS after the last."""
        try:
            at = file.stat().st_mtime_ns
        except OSError:
            return False
        self.silent = self.silent + 1 if at == self.seen else 0
        self.seen = at
        return self.silent >= SILENT_LOOKS
