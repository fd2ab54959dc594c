"""How the media of a live call do, as its relay measures them now. Reads only."""

from pathlib import Path
from typing import Any

from tandem.cli.ask import NoNode, Problem, ask
from tandem.cli.relay_ask import ask_relay
from tandem.config import Config

STREAM = ("leg", "direction", "packets", "lost", "jitter_ms", "rtt_ms", "mos")


def place_of(config: Config, relay: str) -> Path | tuple[str, int] | None:
    """Where the relay that a call names is asked; "": the first."""
    members = config.asked_relays
    return next((one.place for one in members if relay in ("", one.name)), None)


def media(config: Config, id: str) -> dict[str, Any]:
    """`relay`, and `streams` with packets, loss, jitter, round trip and MOS; or `why` there are none."""
    try:
        told: dict[str, Any] = ask(config.control_socket, "calls.media", id=id)
        if not told["relayed"]:
            return {"why": "its media does not pass a relay"}
        place = place_of(config, told["relay"])
        if place is None:
            return {"why": f"the relay {told['relay']!r} is not configured any more"}
        answer = ask_relay(place, "query", call_id=id)
    except (NoNode, Problem) as error:
        return {"why": str(error)}
    relay = told["relay"] or config.asked_relays[0].name
    return {"relay": relay, "streams": answer.get("quality", [])}
