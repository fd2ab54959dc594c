"""`tandem edge pools, view, drain`: what a running edge does now, and whether it takes calls."""

import json as format
import sys
from typing import Any

from rich.table import Table
from rich.text import Text

from tandem.cli.desk import Json, refusals, show_rows, terminal
from tandem.cli.edge_ask import ConfigFile, ask_edge, config_of

MEMBER_COLUMNS = ("pool", "member", "address", "state", "weight", "priority", "calls", "capacity", "ok", "failed", "answer")  # fmt: skip


def drain(*, config: ConfigFile = "") -> None:
    """Take no new calls at this edge; OPTIONS get 503, so that others send theirs elsewhere."""
    with refusals():
        ask_edge(config_of(config), "drain")
    print("draining; `tandem edge undrain` ends it")


def undrain(*, config: ConfigFile = "") -> None:
    """Take calls again."""
    with refusals():
        ask_edge(config_of(config), "undrain")


def view(*, config: ConfigFile = "", json: Json = False) -> None:
    """Show all counters of an edge; --json: everything that is known."""
    with refusals():
        seen = ask_edge(config_of(config), "view")
    if json:
        print(format.dumps(seen))
        return
    rows = [{"counter": name, "value": value} for name, value in sorted(seen["counters"].items())]
    show_rows([row for row in rows if row["value"]], ("counter", "value"), as_json=False)


def pools(*, config: ConfigFile = "", json: Json = False) -> None:
    """List pools with their servers: health, weight, calls, what they answered."""
    with refusals():
        edge = config_of(config)
        configured, seen = ask_edge(edge, "pools.list"), ask_edge(edge, "view")
    rows = [row for pool in configured for row in _member_rows(pool, seen)]
    if json:
        show_rows(rows, MEMBER_COLUMNS, as_json=True)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in MEMBER_COLUMNS:
        right = column in ("weight", "priority", "calls", "capacity", "ok", "failed", "answer")
        table.add_column(column, justify="right" if right else "left")
    for row in rows:
        table.add_row(*(_cell(column, row[column]) for column in MEMBER_COLUMNS))
    terminal().print(table)
    for pool in seen["pools"]:
        if pool["panic"]:
            print(f"pool {pool['name']}: more are down than panic_percent allows: all are tried")
    for why in seen["problems"]:
        print(f"not used: {why}", file=sys.stderr)


def _member_rows(pool: dict[str, Any], seen: dict[str, Any]) -> list[dict[str, Any]]:
    live = {p["name"]: {m["name"]: m for m in p["members"]} for p in seen["pools"]}
    return [
        _member_row(pool["name"], each, live.get(pool["name"], {}))
        for one in pool["members"]
        for each in _servers(one, live.get(pool["name"], {}))
    ]


def _servers(member: dict[str, Any], live: dict[str, Any]) -> list[dict[str, Any]]:
    """A member that is a name, as the servers that it leads to now; else itself."""
    found = [seen for name, seen in live.items() if name.startswith(member["name"] + "@")]
    keys = ("name", "address", "transport", "weight", "priority")
    return [{**member, **{key: seen[key] for key in keys}} for seen in found] or [member]


def _member_row(pool: str, member: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    seen = live.get(member["name"], {})
    replies = seen.get("replies", [0] * 5)
    answer = seen.get("answer_ms")
    capacity = member.get("capacity") or {}
    return {
        "pool": pool,
        "member": member["name"],
        "address": f"{seen.get('transport') or member.get('transport', 'auto')}:{member['address']}",
        "state": seen.get("state") or "?",
        "weight": member.get("weight", 100),
        "priority": member.get("priority", 0),
        "calls": seen.get("calls"),
        "capacity": " ".join(
            str(n) if name == "call" else f"{n} {name}" for name, n in capacity.items()
        ),
        "ok": replies[0],
        "failed": sum(replies[3:]) + seen.get("no_answer", 0) + seen.get("transport_errors", 0),
        "answer": f"{answer:.1f} ms" if answer is not None else "",
    }


def _cell(column: str, value: Any) -> Text:
    colours = {
        "busy": "yellow",
        "up": "green",
        "trial": "yellow",
        "grey": "yellow",
        "draining": "cyan",
        "off": "dim",
        "?": "dim",
    }
    text = "" if value is None else str(value)
    style = colours.get(text, "bold red") if column == "state" else ""
    return Text("".join(c if c.isprintable() else "?" for c in text), style=style)
