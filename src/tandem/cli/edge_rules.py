"""`tandem edge limits, changes, ban, unban`: what an edge bears from whom, changed live."""

import json as format
from typing import Any

from tandem.accounts.model.fields import BadField
from tandem.cli.desk import Json, refusals, show_rows
from tandem.cli.edge_ask import ConfigFile, ask_edge, config_of


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


def ban(source: str, *, seconds: int = 0, config: ConfigFile = "") -> None:
    """Do not hear an address any more; without --seconds as long as the limit ban_seconds says."""
    given: dict[str, Any] = {"source": source, **({"seconds": seconds} if seconds else {})}
    with refusals():
        ask_edge(config_of(config), "ban", **given)


def unban(source: str, *, config: ConfigFile = "") -> None:
    """Hear a banned address again."""
    with refusals():
        if not ask_edge(config_of(config), "unban", source=source)["was_banned"]:
            print(f"{source} was not banned")


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
