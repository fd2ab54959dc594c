"""`tandem reload`: a running Tandem reads tandem.toml again; says what that restarts. A bad file changes nothing."""

import os
import signal
import sys
import time
from pathlib import Path

from tandem.cluster.processes import Reload, State, alive, read_state
from tandem.config import load

ANSWER_SECONDS = 5.0  # for the supervisor to read a file and open sockets
NOT_RUNNING = 3


def reload() -> int:
    """Read tandem.toml again: only what a change concerns is restarted. Exit status 2: the file is refused; 3: Tandem does not run here."""
    config = load()
    return told(config.run, "Tandem does not run here; `tandem up` starts it.")


def told(run: Path, missing: str) -> int:
    """Tells the supervisor of a run directory, and says what came of it."""
    state = read_state(run)
    if state is None or not alive(state.supervisor):
        print(f"tandem: {missing}", file=sys.stderr)
        return NOT_RUNNING
    done = ask(run, state)
    if done is None:
        print(f"tandem: no answer from the supervisor in {ANSWER_SECONDS:g} s", file=sys.stderr)
        return 1
    if done.refused:
        print(f"tandem: {done.refused} (nothing has changed)", file=sys.stderr)
        return 2
    print(
        "read again;", f"restarted: {', '.join(done.restarts)}" if done.restarts else "no restarts"
    )
    return 0


def ask(run: Path, state: State) -> Reload | None:
    """SIGHUP, and what the supervisor writes about it."""
    os.kill(state.supervisor.pid, signal.SIGHUP)
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        now = read_state(run)
        if now is not None and now.reload.count > state.reload.count:
            return now.reload
        time.sleep(0.02)
    return None
