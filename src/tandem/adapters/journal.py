"""The Store of one machine: rows in memory, a journal on disk (crates/tandem-store). Only the opening is here."""

from pathlib import Path
from typing import Literal

from tandem import _core, ports


def open_journal(directory: Path, sync: Literal["batch", "before"] = "batch") -> ports.Store:
    """Opens or makes the directory. `sync`: fdatasync within 50 ms of a write, or before a save returns.

    Raises OSError: in use (by whom), damaged (file and byte), or what the operating system said.
    """
    return _core.Store(str(directory), sync)
