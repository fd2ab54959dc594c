"""`tandem status`: what runs, since when, how often it was restarted, and what the call node says."""

import json
import time
from typing import Annotated, Any

from cyclopts import Parameter

from tandem.cli.ask import NoNode, Problem, ask
from tandem.cluster.processes import State, alive, children, read_state
from tandem.config import Config, load

AsJson = Annotated[
    bool, Parameter(name=("--json", "--as-json"), negative="", help="For programs: JSON.")
]


UNSAID = ("ready", "relay_away")  # gauges that have a place of their own


def status(*, as_json: AsJson = False) -> int:
    """Show what runs. Exit status 0: all is up; 1: something is missing; 3: Tandem does not run here."""
    config = load()
    state = read_state(config.run)
    if state is None or not any(map(alive, state.processes)):
        print(
            '{"up": false}'
            if as_json
            else f"Tandem does not run here (data: {config.data}); `tandem up` starts it."
        )
        return 3
    rows = processes(state)
    node, why = _node(config.control_socket)
    all_there = (
        len(rows)
        == len(children(config.sip.edges, relay=config.relay.enabled, turn=config.turn.enabled)) + 1
    )
    complete = all(p["alive"] for p in rows) and all_there and not why
    if as_json:
        print(
            json.dumps(
                {
                    "up": complete,
                    "processes": rows,
                    "node": node,
                    "why": why,
                    "listens": state.listens,
                }
            )
        )
        return 0 if complete else 1
    print("process     pid       up for      starts  last death")
    for p in rows:
        up = span(time.time() - p["started_at"]) if p["alive"] else "DEAD"
        print(f"{p['name']:<11} {p['pid']:<9} {up:<11} {p['starts']:<7} {p['last_death'] or '-'}")
    if not alive(state.supervisor):
        print("            nothing is restarted without a supervisor: `tandem up` starts one")
    print("listening  ", " ".join(state.listens), f"http:{state.http}")
    print("media      ", media(config, node))
    if why:
        print("node       ", why)
    else:
        gauges = [f"{value} {key}" for key, value in node.items() if key not in UNSAID]
        print("node        ready,", ", ".join(gauges))
    return 0 if complete else 1


def processes(state: State) -> list[dict[str, Any]]:
    rows = [("supervisor", state.supervisor, state.started_at, 1, "")]
    rows += [
        (n, c.process, c.started_at, c.starts, c.last_death) for n, c in state.children.items()
    ]
    return [
        {
            "name": name,
            "pid": process.pid,
            "alive": alive(process),
            "started_at": at,
            "starts": starts,
            "last_death": death,
        }
        for name, process, at, starts, death in rows
    ]


def _node(control_socket: Any) -> tuple[dict[str, Any], str]:
    try:
        ping = ask(control_socket, "ping")
        stats = ask(control_socket, "stats")
    except (NoNode, Problem) as error:
        return {}, str(error)
    gauges = stats.get("gauges", stats)
    named = ("calls", "registrations", "rows", "relay_away")
    shown = {key: gauges[key] for key in named if key in gauges}
    reasons = ", ".join(ping.get("reasons", []))
    return {"ready": bool(ping.get("ready")), **shown}, "" if ping.get(
        "ready"
    ) else reasons or "not ready"


def media(config: Config, node: dict[str, Any]) -> str:
    """By which way the media of calls passes."""
    if not config.asked_relays:
        return "direct: no relay is configured ([relay] enabled, or [media] relay)"
    away = ", which does not answer" if node.get("relay_away") else ""
    more = f" and {len(config.media.relays)} more" if config.media.relays else ""
    first = "the relay of this machine" if config.relay.enabled else "no relay of this machine"
    return f"{config.media.policy}, by {config.media.relay or first}{more}{away}"


def span(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 86400} d {whole % 86400 // 3600} h {whole % 3600 // 60} min"
