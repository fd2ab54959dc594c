"""`tandem logs`: the last lines of each process's log, and what follows."""

import sys
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tandem.cluster.processes import children
from tandem.config import load

TAIL_BYTES = 256 * 1024  # looked at for the last lines
FOLLOW_SECONDS = 0.25


def logs(
    *names: str,
    lines: Annotated[int, Parameter(name=["--lines", "-n"])] = 20,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"])] = False,
) -> int:
    """Print the last lines of the logs.

    Parameters
    ----------
    names: supervisor, edge (edge-2 ...), node, web; all of them if none is named.
    lines: so many of each.
    follow: go on until interrupted.
    """
    config = load()
    known = (
        "supervisor",
        *children(config.sip.edges, relay=config.relay.enabled, turn=config.turn.enabled),
    )
    for name in names:
        if name not in known:
            print(f"tandem: logs: {name!r} is not one of {', '.join(known)}", file=sys.stderr)
            return 2
    directory = config.log_dir
    paths = [directory / f"{name}.log" for name in names or known]
    if not any(path.exists() for path in paths):
        print(f"tandem: no logs in {directory}: `tandem up` starts Tandem", file=sys.stderr)
        return 1
    at = {path: _tail(path, lines) for path in paths}
    while follow:
        time.sleep(FOLLOW_SECONDS)
        for path in paths:
            at[path] = _more(path, at[path])
    return 0


def _tail(path: Path, lines: int) -> int:
    """Prints them; returns the size seen."""
    if not path.exists():
        return 0
    size = path.stat().st_size
    with path.open("rb") as log:
        log.seek(max(0, size - TAIL_BYTES))
        for line in log.read(TAIL_BYTES).splitlines()[-lines:] if lines > 0 else ():
            _print(path, line)
    return size


def _more(path: Path, seen: int) -> int:
    if not path.exists():
        return 0
    size = path.stat().st_size
    with path.open("rb") as log:
        log.seek(seen if size >= seen else 0)  # smaller: it was rotated
        for line in log.read(size - log.tell()).splitlines():
            _print(path, line)
    return size


def _print(path: Path, line: bytes) -> None:
    print(f"{path.stem:<10} {line.decode(errors='replace')}", flush=True)
