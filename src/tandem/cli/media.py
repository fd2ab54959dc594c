"""`tandem media`: the media relays that calls can take; one at a time out of service."""

from typing import Any

from cyclopts import App

from tandem.cli.ask import ask
from tandem.cli.desk import Json, refusals, show_rows
from tandem.cli.status import span
from tandem.config import load

app = App(name="media", help="Media relays: which there are and how they do; drain them.")
COLUMNS = (
    "name", "state", "since", "region", "weight", "calls", "sessions", "kernel", "userspace", "loss", "milliseconds", "place",
)  # fmt: skip


@app.command
def status(*, json: Json = False) -> None:
    """List the relays: up, draining or down, our calls on each, and what it counts itself: calls, streams by way."""
    with refusals():
        rows: list[dict[str, Any]] = ask(load().control_socket, "relays.list")
        if not json:
            rows = [
                {
                    **row,
                    "loss": loss(row),
                    "since": span(row["seconds"]) if "seconds" in row else "",
                }
                for row in rows
            ]
        show_rows(rows, COLUMNS, as_json=json)


@app.command
def drain(name: str, *, move: bool = False) -> None:
    """Give a relay no new calls.

    Parameters
    ----------
    name: as `tandem media status` has it.
    move: the calls that it has go to others now, by re-INVITE; without it they stay until they end.
    """
    with refusals():
        calls = ask(load().control_socket, "relays.drain", name=name, move=move)["calls"]
    print(
        f"{name} takes no new calls; {calls} call{'s' * (calls != 1)} {'move' if move else 'left'}"
    )


@app.command
def undrain(name: str) -> None:
    """Give it calls again."""
    with refusals():
        ask(load().control_socket, "relays.undrain", name=name)
    print(f"{name} takes calls again")


def loss(row: dict[str, Any]) -> str:
    """Of the streams that run now; "" where there are none."""
    lost = row.get("lost") or 0
    due = (row.get("packets") or 0) + lost
    return f"{100 * lost / due:.2f} %" if due else ""
