"""What run/supervisor.json says: which processes are Tandem's. It reads and writes that file and /proc; it starts nothing."""

import os
from pathlib import Path

import msgspec
from msgspec import Struct

CHILDREN = (
    "edge",
    "relay",
    "node",
    "web",
    "turn",
)  # in the order of their start; the edges stop last


def edges(count: int) -> tuple[str, ...]:
    """Names of so many edge processes of one machine."""
    return ("edge", *(f"edge-{n}" for n in range(2, count + 1)))


def children(edge_count: int, *, relay: bool = True, turn: bool = False) -> tuple[str, ...]:
    """All children of a supervisor with so many edges, a media relay or none, TURN or none."""
    none = {name for name, there in (("relay", relay), ("turn", turn)) if not there}
    return (*edges(edge_count), *(name for name in CHILDREN[1:] if name not in none))


class Process(Struct, frozen=True):
    """A process, named so that a reused number is not mistaken for it."""

    pid: int
    ticks: int  # start time in clock ticks since boot, /proc/<pid>/stat field 22


class Child(Struct, frozen=True):
    """A child; its process may be dead and waiting for its next start. `fds` are socket numbers inside it, by the name of the socket."""

    process: Process
    started_at: float  # seconds since 1970
    starts: int  # how often it was started, the first time included
    fds: dict[str, int] = {}
    last_death: str = ""


class Reload(Struct, frozen=True):
    """What the last SIGHUP did."""

    count: int = 0  # since the supervisor began
    restarts: tuple[str, ...] = ()
    refused: str = ""  # why the configuration was not taken


class State(Struct, frozen=True):
    """The whole file."""

    supervisor: Process
    started_at: float
    config: str  # path of tandem.toml
    children: dict[str, Child] = {}
    listens: tuple[str, ...] = ()  # bound addresses, like udp:0.0.0.0:5060
    http: str = ""
    reload: Reload = Reload()

    @property
    def processes(self) -> list[Process]:
        return [self.supervisor, *(child.process for child in self.children.values())]


def start_ticks(pid: int) -> int | None:
    """None if there is no such process, or only its zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def this_process() -> Process:
    pid = os.getpid()
    return Process(pid, start_ticks(pid) or 0)


def alive(process: Process) -> bool:
    return start_ticks(process.pid) == process.ticks


def state_path(run: Path) -> Path:
    return run / "supervisor.json"


def read_state(run: Path) -> State | None:
    """None if Tandem never ran here, or the file is not ours."""
    try:
        return msgspec.json.decode(state_path(run).read_bytes(), type=State)
    except (OSError, msgspec.MsgspecError):
        return None


def write_state(run: Path, state: State) -> None:
    fresh = state_path(run).with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=2))
    fresh.replace(state_path(run))
