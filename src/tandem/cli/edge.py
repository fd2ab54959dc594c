"""`tandem edge`: an edge alone, in front of other servers; run it, look at it, change its pools while it runs."""

import json
import os
import subprocess
import sys
import time
from typing import Annotated

from cyclopts import App, Parameter

from tandem.cli import edge_look, edge_member, edge_rules
from tandem.cli.ask import NoNode, Problem
from tandem.cli.desk import Json, refusals, show_rows
from tandem.cli.edge_ask import ConfigFile, ask_edge, config_of
from tandem.cli.reload import NOT_RUNNING
from tandem.cluster.processes import alive, read_state
from tandem.config import BadConfig
from tandem.edge.config import EdgeConfig, config_file, load
from tandem.edge.model.words import told

app = App(name="edge", help="Edges: SIP load balancers in front of other servers.")
app.command(edge_member.app)
app.command(edge_look.pools)
app.command(edge_look.view)
app.command(edge_look.drain)
app.command(edge_look.undrain)
app.command(edge_rules.limits)
app.command(edge_rules.changes)
app.command(edge_rules.abuse)
app.command(edge_rules.ban)
app.command(edge_rules.unban)

READY_SECONDS = 10.0  # from the start to all workers' answers
DOWN_SECONDS = 25.0  # two rounds of the supervisor's STOP_SECONDS, and a margin


@app.command
def init(file: str = "edge.toml") -> None:
    """Write a first, commented edge.toml: `tandem edge init`, then `tandem edge run`."""
    from tandem.edge.first import write_toml

    path = config_file(file)
    write_toml(path)
    print(f"wrote {path}")
    print(f"next: tandem edge check {file} | tandem edge run {file}")


@app.command
def check(
    file: str = "", *, json_: Annotated[bool, Parameter("--json", negative="")] = False
) -> None:
    """Check a file, and tell in words what an edge would do with it. Exit status 2: it is refused.

    Parameters
    ----------
    json_: For programs: what each worker is told.
    """
    from tandem.edge import truth
    from tandem.edge.first import check_files
    from tandem.edge.lists import warnings
    from tandem.edge.model.front import front, policy

    config = load(config_file(file))
    tree, why = truth.now(config)
    if why:
        raise BadConfig(why)
    check_files(config)
    if json_:
        print(
            json.dumps(
                {
                    "front": front(tree, config.asked_policy),
                    "policy": policy(tree),
                },
                indent=1,
            )
        )
        return
    print("\n".join(told(tree)))
    for warning in warnings(config, truth.read_changes(config.changes)):
        print(f"warning: {warning}", file=sys.stderr)


@app.command
def run(file: str = "", *, daemon: bool = False) -> int:
    """Run an edge until Ctrl-C or SIGTERM.

    Parameters
    ----------
    daemon: go into the background once it serves; `tandem edge stop` ends it.
    """
    from tandem.edge.first import make_data
    from tandem.edge.lists import read_lists

    config = load(config_file(file))
    state = read_state(config.run)
    if state is not None and alive(state.supervisor):
        print(f"this edge runs already (pid {state.supervisor.pid})")
        return 0
    read_lists(
        config, {}
    )  # a pool of nothing is no start; live changes that cannot be used only warn
    make_data(config)
    os.environ["TANDEM_EDGE_CONFIG"] = str(config.file)
    command = [sys.executable, "-P", "-m", "tandem.edge.supervisor", str(config.file)]
    if not daemon:
        os.execv(sys.executable, command)
    said = _begin(config, command)
    if said != "ready":
        raise BadConfig(said or f"the edge ended: see {config.log_dir / 'supervisor.log'}")
    return _serves(config)


def _serves(config: EdgeConfig) -> int:
    """Waits until it does, and says where."""
    from tandem.edge.summary import summary

    deadline, why = time.monotonic() + READY_SECONDS, "it starts"
    while time.monotonic() < deadline:
        state = read_state(config.run)
        try:
            seen = ask_edge(config, "view")
        except (NoNode, Problem) as error:
            why = str(error)
        else:
            if state is not None and not seen["missing"]:
                print("\n".join(summary(config, state.listens, state.http)))
                return 0
            why = "; ".join(seen["missing"].values()) or "it starts"
        time.sleep(0.05)
    print(f"tandem: the edge does not serve after {READY_SECONDS:g} s: {why}", file=sys.stderr)
    print(f"tandem: its logs are in {config.log_dir}", file=sys.stderr)
    return 1


def _begin(config: EdgeConfig, command: list[str]) -> str:
    reader, writer = os.pipe()
    with (config.log_dir / "supervisor.log").open("ab") as log:
        subprocess.Popen(
            [*command, str(writer)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(writer,),
            start_new_session=True,
        )
    os.close(writer)
    with os.fdopen(reader) as told:
        return told.read().strip()


@app.command
def stop(*, config: ConfigFile = "") -> int:
    """Stop a running edge. Live changes stay."""
    import signal

    edge = config_of(config)
    state = read_state(edge.run)
    living = [process for process in state.processes if alive(process)] if state else []
    if state is None or not living:
        print("this edge does not run")
        return 0
    for process in [state.supervisor] if alive(state.supervisor) else living:
        os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while any(map(alive, living)):
        if time.monotonic() > deadline:
            pids = ", ".join(str(one.pid) for one in living if alive(one))
            print(f"tandem: still running after {DOWN_SECONDS:g} s: {pids}", file=sys.stderr)
            return 1
        time.sleep(0.02)
    print("the edge is down")
    return 0


@app.command
def reload(*, config: ConfigFile = "") -> int:
    """Read edge.toml again. Pools, routes, limits and lists change live; other changes restart what they concern."""
    from tandem.cli.reload import told
    from tandem.edge.first import check_files

    edge = config_of(config)
    check_files(edge)
    return told(edge.run, f"this edge does not run ({edge.file})")


@app.command
def status(*, config: ConfigFile = "", json: Json = False) -> int:
    """Show the processes of an edge. Exit status 0: calls find their way; 1: they do not; 3: it does not run."""
    edge = config_of(config)
    state = read_state(edge.run)
    if state is None or not any(map(alive, state.processes)):
        print('{"up": false}' if json else f"this edge does not run ({edge.file})")
        return NOT_RUNNING
    from tandem.cli.status import processes

    rows = processes(state)
    with refusals():
        ready = ask_edge(edge, "ready")
    if json:
        import json as format

        print(format.dumps({"up": ready["ready"], **ready, "processes": rows, "listens": state.listens, "http": state.http}))  # fmt: skip
        return 0 if ready["ready"] else 1
    for row in rows:
        row["up for"] = _span(time.time() - row["started_at"]) if row["alive"] else "DEAD"
    show_rows(rows, ("name", "pid", "up for", "starts", "last_death"), as_json=False)
    print("listening  ", " ".join(state.listens), f"http:{state.http}" if state.http else "")
    print("ready      ", "yes" if ready["ready"] else "no", *(f"({r})" for r in ready["reasons"]))
    return 0 if ready["ready"] and all(row["alive"] for row in rows) else 1


def _span(seconds: float) -> str:
    from tandem.cli.status import span

    return span(seconds)
