"""One child of a supervisor: its process, and when it died lately. It starts nothing."""

import signal
import subprocess
from collections import deque

from tandem.cluster.processes import Process
from tandem.cluster.pulse import Pulse

BURST_DEATHS = 5  # so many deaths ...
BURST_SECONDS = 10.0  # ... in so long: the next start waits
BACKOFF_SECONDS = 1.0  # doubles with each further death
BACKOFF_MAX_SECONDS = 30.0


class Running:
    """A name, and the process that has it now."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process: Process | None = None
        self.last_process = Process(0, 0)
        self.popen: subprocess.Popen[bytes] | None = (
            None  # None: adopted, so its exit status is its new parent's
        )
        self.pidfd = -1
        self.started_at = 0.0
        self.starts = 0
        self.fds: dict[str, int] = {}
        self.last_death = ""
        self.died_at = 0.0  # time.time
        self.deaths: deque[float] = deque(maxlen=BURST_DEATHS)
        self.backoff = BACKOFF_SECONDS
        self.start_at = 0.0  # monotonic; when it waits for its next start
        self.kill_at = 0.0  # monotonic; after SIGTERM
        self.pulse = Pulse()
        self.hangs = False  # and is ended for it
        self.wanted = True  # False: it goes, and nobody follows it

    def delay(self, now: float) -> float:
        """Seconds to wait before the next start; `now` is the death's monotonic time."""
        self.deaths.append(now)
        if len(self.deaths) < BURST_DEATHS or now - self.deaths[0] > BURST_SECONDS:
            self.backoff = BACKOFF_SECONDS
            return 0.0
        wait, self.backoff = self.backoff, min(self.backoff * 2, BACKOFF_MAX_SECONDS)
        return wait


def reason(status: int) -> str:
    """Of a Popen return code."""
    if status >= 0:
        return f"exit {status}"
    return f"signal {-status} ({signal.Signals(-status).name})"
