"""keys.json on disk: read, and replaced whole or not at all, by one writer at a time. What becomes of keys is the model's."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tandem.config import BadConfig

SECRET_BYTES = 16


def read_keys(path: Path) -> dict[str, Any]:
    """Raises BadConfig that names the file."""
    try:
        found = json.loads(path.read_text())
        assert isinstance(found, dict) and found["signing"]
    except (OSError, ValueError, AssertionError, KeyError) as error:
        raise BadConfig(f"{path}: not usable as keys.json: {error!r}") from error
    return found


def write_keys(path: Path, keys: dict[str, Any]) -> None:
    """A crash leaves the old file or the new one."""
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(keys, out)
        out.flush()
        os.fsync(out.fileno())
    new.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextlib.contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Waits for others that change the same file."""
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
