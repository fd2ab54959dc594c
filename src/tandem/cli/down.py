"""`tandem down`: stops the supervisor, which stops its children. Data stays."""

import os
import signal
import sys
import time

from tandem.cluster.processes import alive, read_state
from tandem.config import load

DOWN_SECONDS = 25.0  # two rounds of the supervisor's STOP_SECONDS, and a margin


def down() -> int:
    """Stop Tandem on this machine: calls are kept in the journal, phones see no answer until the next `up`."""
    config = load()
    state = read_state(config.run)
    if state is None:
        print("Tandem does not run here.")
        return 0
    living = [process for process in state.processes if alive(process)]
    if alive(state.supervisor):
        os.kill(state.supervisor.pid, signal.SIGTERM)
    else:  # its supervisor was killed; the children went on alone
        for process in living:
            os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while any(alive(process) for process in living):
        if time.monotonic() > deadline:
            pids = ", ".join(str(process.pid) for process in living if alive(process))
            print(f"tandem: still running after {DOWN_SECONDS:g} s: {pids}", file=sys.stderr)
            return 1
        time.sleep(0.02)
    print("Tandem is down. Its data stays in", config.data)
    return 0
