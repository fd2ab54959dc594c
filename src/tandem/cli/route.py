"""`tandem route`: which numbers go to which trunk, and where a call would go."""

import json as json_text
from typing import Any

from cyclopts import App
from msgspec.structs import replace

from tandem.adapters.sqlite_routing import list_routes
from tandem.cli.desk import (
    Json,
    by,
    desk,
    fields,
    now,
    reload,
    show_one,
    show_rows,
    tenant_of,
    terminal,
)
from tandem.routing.model.rows import Route
from tandem.web import changes, plans
from tandem.web.changes import ROUTES, values

app = App(name="route", help="Routes: which numbers go to which trunk.")
COLUMNS = ("id", "tenant", "prefix", "trunk", "priority", "weight", "schedule", "enabled")
STAGE = ("stage", "on", "rings", "who", "where", "seconds", "route")


@app.command
def add(
    id: str, trunk: str, *field: str, tenant: str = "", prefix: str = "+", json: Json = False
) -> None:
    """Add a route: `tandem route add berlin carrier --prefix +4930 priority=5`. No tenant: for all that have none that matches."""
    with desk() as (config, connection):
        of = tenant_of(connection, tenant) if tenant else ""
        route = replace(Route(id, trunk, of, prefix), **fields(Route, field))
        kept = changes.add(connection, by(), ROUTES, route)
        reload(config, ROUTES.reload)
        show_one(values(kept), as_json=json)


@app.command(name="list")
def list_(*, tenant: str = "", json: Json = False) -> None:
    """List routes; with a tenant only its own."""
    with desk() as (_, connection):
        rows = list_routes(connection, tenant_of(connection, tenant) if tenant else None)
        show_rows([values(route) for route in rows], COLUMNS, as_json=json)


@app.command
def show(id: str, *, json: Json = False) -> None:
    """Show a route."""
    with desk() as (_, connection):
        show_one(values(changes.show(connection, ROUTES, id)), as_json=json)


@app.command(name="set")
def set_(id: str, *field: str, json: Json = False) -> None:
    """Change fields: `tandem route set berlin priority=20 "schedule=mo-fr 08:00-18:00"`."""
    with desk() as (config, connection):
        route = changes.change(connection, by(), ROUTES, (id,), fields(Route, field))
        reload(config, ROUTES.reload)
        show_one(values(route), as_json=json)


@app.command
def remove(id: str) -> None:
    """Remove a route."""
    with desk() as (config, connection):
        changes.remove(connection, by(), ROUTES, id)
        reload(config, ROUTES.reload)


@app.command(name="test")
def try_(caller: str, to: str, *, json: Json = False) -> int:
    """Show where a call would go, without calling: `tandem route test alice@demo.example +4930123456`. Exit status 1: nowhere.

    Parameters
    ----------
    caller: address of record, or trunk:id for a call that comes from there.
    to: name, number or SIP URI.
    """
    with desk() as (_, connection):
        plan = plans.plain(plans.find(connection, caller, to, now()))
    if json:
        print(json_text.dumps(plan))
    elif plan["goes"]:
        show_rows(_targets(plan), STAGE, as_json=False)
        limits = [f"{one['name']} {one['most']}" for one in plan["limits"]]
        shown = {
            "caller": f"{plan['caller']} {plan['caller_number']}".strip(),
            "callee": plan["callee"],
            "limits": limits,
        }
        show_one(
            {**shown, "most_seconds": plan["max_seconds"] or "", "why": plan["why"]}, as_json=False
        )
    else:
        terminal().print(f"{plan['status']} {plan['reason']}: {plan['why']}", markup=False)
    return 0 if plan["goes"] else 1


def _targets(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "stage": number,
            "on": ""
            if number == 0
            else f"{target['on']} of {number - 1 if target['after'] < 0 else target['after']}",
            "rings": target["kind"],
            "who": target["aor"] or target["trunk"],
            "where": target["uri"]
            + (f" at {target['host']}" if target["host"] else "")
            + (f":{target['port']}" if target["port"] else ""),
            "seconds": target["ring_seconds"],
            "route": f"{target['route']} {target['prefix']}".strip(),
        }
        for number, stage in enumerate(plan["stages"])
        for target in stage
    ]
