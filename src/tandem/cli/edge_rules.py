"""`tandem edge limits, changes, abuse, ban, unban`: what an edge bears from whom, changed live."""

import json as format
from typing import Any

from tandem.accounts.model.fields import BadField
from tandem.cli.abuse import (
    LINES,
    For,
    Most,
    Note,
    Only,
    asked,
    order,
    say_banned,
    say_unbanned,
    show,
)
from tandem.cli.desk import Json, refusals, show_rows
from tandem.cli.edge_ask import ConfigFile, ask_edge, config_of
from tandem.edge.model.abuse import read


def limits(*field: str, config: ConfigFile = "", json: Json = False) -> None:
    """Show limits and lists, or change them live: `tandem edge limits source_rate=50 deny=192.0.2.0/24,198.51.100.7`.

    `allow=` and `deny=` replace the whole list; what has no value is the file's own again.
    """
    with refusals():
        edge = config_of(config)
        given = _rules(field)
        rules = ask_edge(edge, "rules.change", **given) if given else ask_edge(edge, "rules.show")
    values = {**rules["limits"], **rules["lists"]}
    if json:
        print(format.dumps(values))
        return
    rows = [{"limit": name, "value": value} for name, value in values.items()]
    show_rows(rows, ("limit", "value"), as_json=False)


def changes(*, forget: bool = False, config: ConfigFile = "") -> None:
    """Show what was changed live, as a JSON merge patch over edge.toml.

    Parameters
    ----------
    forget: end all of it: what edge.toml says is in force again.
    """
    with refusals():
        edge = config_of(config)
        if forget:
            ask_edge(edge, "changes.forget")
        print(format.dumps(ask_edge(edge, "changes.show"), indent=1))


def abuse(address: Only = "", *, most: Most = LINES, config: ConfigFile = "", json: Json = False) -> None:  # fmt: skip
    """Show who is banned, why and until when, whom the edge refused most, and for what; all workers together."""
    with refusals():
        told = ask_edge(config_of(config), "abuse", **asked(address, most))
        show(read(told), as_json=json)


def ban(
    address: str, *, for_: For = "", reason: Note = "", config: ConfigFile = "", json: Json = False
) -> None:
    """Do not hear an address any more: `tandem edge ban 198.51.100.7 --for 1h --reason "toll fraud"`. It outlives workers."""
    with refusals():
        told = ask_edge(config_of(config), "ban", **order(address, for_, reason))
        say_banned(address, told["seconds"], told["missing"], as_json=json)


def unban(address: str, *, config: ConfigFile = "", json: Json = False) -> None:
    """Hear a banned address again."""
    with refusals():
        told = ask_edge(config_of(config), "unban", source=address)
        say_unbanned(address, told["was_banned"], told["missing"], as_json=json)


def _rules(texts: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise BadField(name[:64], "write limit=value, like source_rate=50")
        if name in ("allow", "deny"):
            networks = [part.strip() for part in value.split(",") if part.strip()]
            found.setdefault("lists", {})[name] = networks or None
        elif value and not (value.isascii() and value.isdigit() and len(value) < 12):
            raise BadField(name, f"a whole number, not {value[:20]!r}")
        else:
            found.setdefault("limits", {})[name] = int(value) if value else None
    return found
