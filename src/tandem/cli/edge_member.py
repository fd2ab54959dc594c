"""`tandem edge member`: servers of a pool, changed while calls run. The changes outlive a restart."""

from typing import Any

from cyclopts import App

from tandem.accounts.model.fields import BadField
from tandem.cli.desk import Json, refusals, show_one
from tandem.cli.edge_ask import ConfigFile, ask_edge, config_of

app = App(name="member", help="Servers of a pool, changed while calls run.")
NUMBERS = ("weight", "priority")
KNOWN = ("address", "transport", "tls_name", "weight", "priority", "capacity", "state")


@app.command
def add(pool: str, name: str, *field: str, config: ConfigFile = "", json: Json = False) -> None:
    """Add a server: `tandem edge member add farm fs3 address=10.0.0.13:5060 weight=50 capacity=500`."""
    with refusals():
        kept = ask_edge(
            config_of(config), "member.add", pool=pool, member=name, fields=_fields(field)
        )
        show_one(kept, as_json=json)


@app.command(name="set")
def set_(pool: str, name: str, *field: str, config: ConfigFile = "", json: Json = False) -> None:
    """Change a server: `tandem edge member set farm fs1 weight=10 state=draining` (on, draining, off)."""
    with refusals():
        kept = ask_edge(
            config_of(config), "member.change", pool=pool, member=name, fields=_fields(field)
        )
        show_one(kept, as_json=json)


@app.command
def drain(pool: str, name: str, *, config: ConfigFile = "", json: Json = False) -> None:
    """Give a server no new calls; those that it has go on. `tandem edge pools` shows how many are left."""
    _wish(pool, name, "draining", config, json=json)


@app.command
def undrain(pool: str, name: str, *, config: ConfigFile = "", json: Json = False) -> None:
    """Give a server calls again, drained or off."""
    _wish(pool, name, "on", config, json=json)


@app.command
def remove(pool: str, name: str, *, config: ConfigFile = "") -> None:
    """Remove a server; calls that it has go on. `drain` first lets them end."""
    with refusals():
        ask_edge(config_of(config), "member.remove", pool=pool, member=name)
    print(f"{name} is no server of {pool} any more; calls that it has go on")


def _wish(pool: str, name: str, state: str, config: str, *, json: bool) -> None:
    with refusals():
        edge = config_of(config)
        kept = ask_edge(edge, "member.change", pool=pool, member=name, fields={"state": state})
        seen = ask_edge(edge, "view")
    if json:
        show_one(kept, as_json=True)
        return
    live = {one["name"]: one for each in seen["pools"] if each["name"] == pool for one in each["members"]}  # fmt: skip
    calls = live.get(name, {}).get("calls", 0)
    left = f"{calls} call{'s' * (calls != 1)} in hand"
    print(f"{name} {'gets calls again' if state == 'on' else 'gets no new calls'}; {left}")


def _fields(texts: tuple[str, ...]) -> dict[str, Any]:
    """`field=value`; capacity is a number of calls, or like call=500,tx=20 as capacity=call:500,tx:20. Raises BadField."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in KNOWN:
            raise BadField(name[:64], f"write field=value with one of {', '.join(KNOWN)}")
        if name in NUMBERS:
            found[name] = _number(name, value)
        elif name == "capacity":
            found[name] = _capacity(value)
        else:
            found[name] = value
    return found


def _capacity(text: str) -> Any:
    if text in ("", "none"):
        return None
    if ":" not in text:
        return _number("capacity", text)
    parts = (part.partition(":") for part in text.split(","))
    return {name: _number(f"capacity.{name}", number) for name, _, number in parts}


def _number(field: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise BadField(field, f"a whole number, not {text[:20]!r}")
    return int(text)
