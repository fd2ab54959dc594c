"""`tandem call list|show|hangup|transfer|originate`: live calls, by the control socket."""

import getpass
from typing import Any, Literal

from tandem.cli.ask import ask
from tandem.cli.call_media import STREAM, media
from tandem.cli.desk import Json, clock, desk, refusals, show_one, show_rows, tenant_of
from tandem.config import load

COLUMNS = ("id", "tenant", "caller", "callee", "state", "invited_at", "answered_at")
LEG = ("name", "peer", "state", "who", "remote", "held", "call_id")
TRANSACTION = ("role", "method", "leg", "status", "why", "open")


def list_calls(*, tenant: str = "", limit: int = 100, json: Json = False) -> None:
    """List live calls."""
    with desk() as (config, connection):
        asked: dict[str, Any] = {"tenant": tenant_of(connection, tenant)} if tenant else {}
        show_rows(
            ask(config.control_socket, "calls.list", limit=limit, **asked), COLUMNS, as_json=json
        )


def show(id: str, *, json: Json = False) -> None:
    """Show a live call with its legs, its transactions, and how its media do."""
    with refusals():
        config = load()
        call: dict[str, Any] = ask(config.control_socket, "calls.show", id=id)
        call["media"] = media(config, id)
        if json:
            show_one(call, as_json=True)
            return
        parts = ("legs", "transactions", "media")
        timed = {n: clock(v) if n in ("give_up_at", "end_at") else v for n, v in call.items()}
        show_one({name: value for name, value in timed.items() if name not in parts}, as_json=False)
        for part, columns in (("legs", LEG), ("transactions", TRANSACTION)):
            if call.get(part):
                print()
                show_rows(call[part], columns, as_json=False)
        show_media(call["media"])


def show_media(told: dict[str, Any]) -> None:
    """The streams that come from the parties, as the relay hears them."""
    print()
    if "why" in told:
        print(f"media: {told['why']}")
        return
    print(f"media, by the relay {told['relay']}:")
    show_rows(told["streams"], STREAM, as_json=False)


def hangup(id: str) -> None:
    """Hang up a live call."""
    with refusals():
        ask(load().control_socket, "calls.hangup", id=id, by=_by())


def transfer(id: str, to: str, *, leg: Literal["caller", "callee"] = "caller") -> None:
    """Connect one side of a live call with somebody else.

    Parameters
    ----------
    to: name, number or SIP URI.
    leg: who is moved there; the other side is hung up.
    """
    with refusals():
        ask(load().control_socket, "calls.transfer", id=id, to=to, leg=leg, by=_by())


def record(id: str, action: Literal["start", "pause", "stop"] = "start") -> None:
    """Record a live call whose media passes the relay: `tandem call record ID pause`.

    Parameters
    ----------
    action: start (again after a pause, too), pause, or stop, which puts the file into data/recordings.
    """
    with refusals():
        ask(load().control_socket, "calls.record", id=id, action=action, by=_by())


def originate(caller: str, to: str, *, json: Json = False) -> None:
    """Ring `caller`, then connect him with `to`: `tandem call originate alice@demo.example +4930123456`.

    Parameters
    ----------
    caller: address of record of whoever is rung first.
    to: name, number or SIP URI.
    """
    with refusals():
        asked: dict[str, Any] = {"from": caller, "to": to, "by": _by()}
        made = ask(load().control_socket, "calls.originate", **asked)
        show_one(made, as_json=json)


def _by() -> str:
    return f"{getpass.getuser()} (command line)"
