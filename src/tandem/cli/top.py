"""`tandem top`: a running edge, or all of Tandem on this machine, live in the terminal."""

import json as format
import os
import select
import sys
import termios
import time
import tty
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from tandem.cli.ask import NoNode, Problem, ask
from tandem.cli.desk import Json, fail
from tandem.cli.edge_ask import ConfigFile, ask_edge
from tandem.cluster.processes import alive, read_state
from tandem.config import BadConfig
from tandem.config import load as load_product
from tandem.edge.config import EdgeConfig, config_file
from tandem.edge.config import load as load_edge
from tandem.edge.model.view import EdgeView, WorkerView, joined, worker_view
from tandem.watch.board import one_frame, screen
from tandem.watch.rates import Moment, Shown, plain, shown

WHILE_SECONDS = 30.0  # over which percentiles are taken
HISTORY = 240  # points of the small curve
FRAME_SECONDS = 1.0
CONTROL_SECONDS = 2.0
Look = Callable[[], Moment]


def top(
    *,
    config: ConfigFile = "",
    once: bool = False,
    json: Json = False,
    seconds: float = FRAME_SECONDS,
) -> int:
    """Watch pools, servers, rates, reply codes, latency, connections, bans and workers, live. q quits.

    Parameters
    ----------
    once: print one frame and end.
    seconds: between two looks.
    """
    look = _look(config)
    try:
        if once or json or not (sys.stdout.isatty() and sys.stdin.isatty()):
            return _once(look, seconds, as_json=json)
        return _live(look, seconds)
    except (NoNode, Problem) as error:
        fail(str(error))


def _once(look: Look, seconds: float, *, as_json: bool) -> int:
    before = look()
    time.sleep(seconds)
    seen = shown(before, look(), before)
    if as_json:
        print(format.dumps(plain(seen)))
        return 0
    console = Console(highlight=False)
    for line in one_frame(seen, console.width):
        console.print(line, overflow="ellipsis", no_wrap=True)
    return 0


def _live(look: Look, seconds: float) -> int:
    console = Console(highlight=False)
    moments: deque[Moment] = deque([look()])
    history: deque[float] = deque(maxlen=HISTORY)
    with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        paused, first = False, True
        while True:
            key = pressed(0.2 if first else seconds)
            first = False
            if key == "q":
                return 0
            paused ^= key == "p"
            if paused:
                continue
            try:
                now = look()
            except (NoNode, Problem) as error:  # it may come back: the screen stays
                live.update(
                    Text(f"\n  {error}\n\n  waiting for it; q quits", "yellow"), refresh=True
                )
                continue
            while len(moments) > 1 and now.at - moments[0].at > WHILE_SECONDS:
                moments.popleft()
            seen = shown(moments[-1], now, moments[0])
            moments.append(now)
            history.append(seen.received)
            live.update(_page(seen, history, console), refresh=True)


def _page(seen: Shown, history: deque[float], console: Console) -> Text:
    lines = screen(seen, list(history), console.width, console.height)
    return Text("\n").join(lines)


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Waits so long for a key; "" without one."""
    fd = sys.stdin.fileno()
    old = termios.tcgetattr(fd)

    def pressed(seconds: float) -> str:
        ready, _, _ = select.select([fd], [], [], seconds)
        return os.read(fd, 16).decode(errors="replace")[:1].lower() if ready else ""

    try:
        tty.setcbreak(fd)
        yield pressed
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, old)


# --- what is looked at -----------------------------------------------------------------------------------------------


def _look(named: str) -> Look:
    """An edge that is named, or runs here; else all of Tandem."""
    file = config_file(named)
    if named or file.exists():
        edge = load_edge(file)
        state = read_state(edge.run)
        if named or (state is not None and alive(state.supervisor)):
            return lambda: _edge(edge)
    product = load_product()
    state = read_state(product.run)
    if state is None or not any(map(alive, state.processes)):
        raise BadConfig(
            "nothing runs here: `tandem up` or `tandem edge run` starts something; --config names an edge"
        )
    return _product


def _edge(edge: EdgeConfig) -> Moment:
    view = msgspec.convert(ask_edge(edge, "view"), EdgeView, strict=False)
    ready = ask_edge(edge, "ready")
    return Moment(
        at=time.monotonic(),
        view=view,
        name=f"edge {edge.tree.edge.id}",
        ready=bool(ready["ready"]),
        reasons=tuple(ready["reasons"]),
        cpu=_cpu(view),
    )


def _product() -> Moment:
    """Edges by their own control sockets, the rest by the node's."""
    config = load_product()
    workers: list[WorkerView] = []
    missing: dict[str, str] = {}
    for edge in config.edge_numbers:
        try:
            told = ask(
                config.edge_control(edge), "view", seconds=CONTROL_SECONDS, who=f"edge {edge}"
            )
            workers.append(worker_view(told))
        except (NoNode, Problem) as error:
            missing[str(edge)] = str(error)
    gauges: dict[str, float] = {}
    try:
        ping = ask(config.control_socket, "ping", patience=CONTROL_SECONDS)
        gauges = ask(config.control_socket, "stats", patience=CONTROL_SECONDS).get("gauges", {})
        ready, reasons = bool(ping.get("ready")), tuple(ping.get("reasons", ()))
    except (NoNode, Problem):
        ready, reasons = False, ("the call node does not answer",)
    view = joined(time.time_ns() // 1000, workers, missing)
    return Moment(
        at=time.monotonic(), view=view, name=f"tandem {config.node.id}", ready=ready, reasons=reasons,
        cpu=_cpu(view), gauges=gauges,
    )  # fmt: skip


def _cpu(view: EdgeView) -> dict[int, float]:
    """Seconds that each worker has used, from /proc."""
    tick, found = os.sysconf("SC_CLK_TCK"), {}
    for worker in view.workers:
        fields = _stat(worker.pid)
        if fields:
            found[worker.pid] = (int(fields[11]) + int(fields[12])) / tick
    return found


def _stat(pid: int) -> list[Any]:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []
