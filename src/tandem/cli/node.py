"""`tandem node`: the call nodes."""

from cyclopts import App

from tandem.cli.ask import ask
from tandem.cli.desk import Json, refusals, show_rows
from tandem.config import load

app = App(name="node", help="Nodes: the processes that decide.")
COLUMNS = ("node", "ready", "calls", "registrations", "epoch", "started_at", "version", "reasons")


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List nodes with what they hold."""
    with refusals():
        socket = load().control_socket
        ping, gauges = ask(socket, "ping"), ask(socket, "stats").get("gauges", {})
        show_rows(
            [{**ping, **{n: gauges.get(n) for n in ("calls", "registrations")}}],
            COLUMNS,
            as_json=json,
        )


@app.command
def drain() -> None:
    """Take no new calls; those that are there go on until they end. `undrain`, or a stop and a start, ends it."""
    with refusals():
        left = ask(load().control_socket, "drain").get("calls", 0)
        print(f"draining; {left} calls are left")


@app.command
def undrain() -> None:
    """Take calls again."""
    with refusals():
        ask(load().control_socket, "undrain")
