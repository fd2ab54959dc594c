"""`tandem events tail`: what happens to calls, as it happens."""

import json as json_text
import time
from typing import Annotated, Any

from cyclopts import App, Parameter

from tandem.cli.ask import ask
from tandem.cli.desk import Json, cell, refusals
from tandem.config import load

app = App(name="events", help="Events: what happens to calls, as it happens.")
PAUSE_SECONDS = 0.3  # between two questions when nothing is new
PAGE = 500


@app.command
def tail(
    *,
    call: str = "",
    tenant: str = "",
    once: Annotated[bool, Parameter(help="What is there from the beginning, then end.")] = False,
    json: Json = False,
) -> None:
    """Print events until Ctrl-C.

    Parameters
    ----------
    call: only this call's.
    """
    with refusals():
        socket, after = load().control_socket, 0 if once else -1
        while True:
            told = ask(socket, "events.tail", after=after, limit=PAGE)
            for event in told["events"]:
                if call in ("", event["call"]) and tenant in ("", event["tenant"]):
                    print(json_text.dumps(event) if json else _line(event), flush=True)
            after = told["next"]
            if told["events"]:
                continue
            if once:
                return
            time.sleep(PAUSE_SECONDS)


def _line(event: dict[str, Any]) -> str:
    at = event["at"] / 1e6
    clock = f"{time.strftime('%H:%M:%S', time.localtime(at))}.{int(at % 1 * 1000):03}"
    return f"{clock} {event['call']} {event['what']:<12} {cell('text', event.get('text', ''))}".rstrip()
