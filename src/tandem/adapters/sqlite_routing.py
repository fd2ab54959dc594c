"""Carriers, routes, lists, emergency numbers, countries and settings in SQLite; and the tables that `route` reads."""

import csv
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

import tandem.routing
from tandem.accounts.model.fields import BadField
from tandem.adapters.sqlite import generations, reading, writing
from tandem.adapters.sqlite_accounts import all_users, list_tenants
from tandem.adapters.sqlite_rows import Rows
from tandem.routing.model.check import (
    check_country_prefix,
    check_emergency,
    check_list_entry,
    check_route,
    check_trunk,
)
from tandem.routing.model.rows import CountryPrefix, Emergency, ListEntry, Route, Trunk
from tandem.routing.model.tables import Tables, tables_from

COUNTRIES = Path(tandem.routing.__file__).parent / "countries.csv"
SETTING_CHARACTERS = 64

_trunks = Rows(Trunk, "trunks", ("id",))
_routes = Rows(Route, "routes", ("id",))
_lists = Rows(ListEntry, "lists", ("tenant", "owner", "direction", "kind", "value"))
_emergency = Rows(Emergency, "emergency", ("tenant", "number", "trunk"))
_countries = Rows(CountryPrefix, "country_prefixes", ("prefix",))


def load_tables(connection: sqlite3.Connection, hosts: Iterable[str] = ()) -> Tables:
    """Everything that routing reads, from one moment. hosts: names of our own that are no tenant's domain."""
    with reading(connection):
        return tables_from(
            list_tenants(connection),
            all_users(connection),
            list_trunks(connection),
            list_routes(connection),
            list_entries(connection),
            list_emergency(connection),
            list_countries(connection),
            hosts,
        )


def policy_version(connection: sqlite3.Connection) -> int:
    """A number that grows whenever the policy may have changed."""
    known = generations(connection)
    return 1 + known["tenants"] + known["routing"] + known["settings"]


def put_trunk(connection: sqlite3.Connection, trunk: Trunk) -> Trunk:
    """Adds or changes a trunk. Raises BadField."""
    trunk = check_trunk(trunk)
    with writing(connection):
        _known_tenant(connection, trunk.tenant)
        _trunks.put(connection, trunk)
    return trunk


def get_trunk(connection: sqlite3.Connection, id: str) -> Trunk | None:
    return _trunks.get(connection, id)


def list_trunks(connection: sqlite3.Connection, tenant: str | None = None) -> list[Trunk]:
    """All, or those of a tenant ("" the shared ones)."""
    return _trunks.select(connection, *_of_tenant(tenant, "id"))


def delete_trunk(connection: sqlite3.Connection, id: str) -> bool:
    """With the routes and emergency lines that lead to it."""
    return _trunks.delete(connection, id)


def put_route(connection: sqlite3.Connection, route: Route) -> Route:
    """Adds or changes a route. Raises BadField, also when the trunk is another tenant's."""
    route = check_route(route)
    with writing(connection):
        _known_tenant(connection, route.tenant)
        trunk = get_trunk(connection, route.trunk)
        if trunk is None or trunk.tenant not in ("", route.tenant):
            raise BadField("trunk", f"there is no trunk {route.trunk} for this tenant")
        _routes.put(connection, route)
    return route


def get_route(connection: sqlite3.Connection, id: str) -> Route | None:
    return _routes.get(connection, id)


def list_routes(connection: sqlite3.Connection, tenant: str | None = None) -> list[Route]:
    return _routes.select(connection, *_of_tenant(tenant, "tenant, prefix, priority, id"))


def delete_route(connection: sqlite3.Connection, id: str) -> bool:
    return _routes.delete(connection, id)


def put_entry(connection: sqlite3.Connection, entry: ListEntry) -> ListEntry:
    """Adds a line to an allow or deny list, or turns it around. Raises BadField."""
    entry = check_list_entry(entry)
    with writing(connection):
        _known_tenant(connection, entry.tenant)
        _lists.put(connection, entry)
    return entry


def list_entries(connection: sqlite3.Connection, tenant: str | None = None) -> list[ListEntry]:
    return _lists.select(connection, *_of_tenant(tenant, "tenant, owner, direction, kind, value"))


def delete_entry(connection: sqlite3.Connection, entry: ListEntry) -> bool:
    key = (entry.tenant, entry.owner, entry.direction, entry.kind, entry.value)
    return _lists.delete(connection, *key)


def put_emergency(connection: sqlite3.Connection, line: Emergency) -> Emergency:
    """Raises BadField, also when the trunk is another tenant's."""
    line = check_emergency(line)
    with writing(connection):
        _known_tenant(connection, line.tenant)
        trunk = get_trunk(connection, line.trunk)
        if trunk is None or trunk.tenant not in ("", line.tenant):
            raise BadField("trunk", f"there is no trunk {line.trunk} for this tenant")
        _emergency.put(connection, line)
    return line


def list_emergency(connection: sqlite3.Connection, tenant: str | None = None) -> list[Emergency]:
    return _emergency.select(connection, *_of_tenant(tenant, "tenant, number, priority"))


def delete_emergency(connection: sqlite3.Connection, line: Emergency) -> bool:
    return _emergency.delete(connection, line.tenant, line.number, line.trunk)


def put_country(connection: sqlite3.Connection, line: CountryPrefix) -> CountryPrefix:
    """Adds a prefix, or changes what a shipped one says. Raises BadField."""
    line = check_country_prefix(line)
    _countries.put(connection, line)
    return line


def list_countries(connection: sqlite3.Connection) -> list[CountryPrefix]:
    """The shipped prefixes, with those of the database over them."""
    lines = {line.prefix: line for line in shipped_countries()}
    lines |= {line.prefix: line for line in _countries.select(connection)}
    return list(lines.values())


def delete_country(connection: sqlite3.Connection, prefix: str) -> bool:
    """Takes a line of the database away; a shipped one with this prefix counts again."""
    return _countries.delete(connection, prefix)


def shipped_countries() -> list[CountryPrefix]:
    with COUNTRIES.open(newline="") as file:
        return [CountryPrefix(row["code"], row["prefix"]) for row in csv.DictReader(file)]


def put_setting(connection: sqlite3.Connection, name: str, value: Any) -> None:
    """Any JSON value under a name. Those of `policy`: default_domain, allow, deny, algorithms, nonce_seconds, limits."""
    if not 1 <= len(name) <= SETTING_CHARACTERS:
        raise BadField("name", f"1 to {SETTING_CHARACTERS} characters")
    sql = (
        "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )
    connection.execute(sql, (name, msgspec.json.encode(value).decode()))


def all_settings(connection: sqlite3.Connection) -> dict[str, Any]:
    rows = connection.execute("SELECT name, value FROM settings ORDER BY name")
    return {name: msgspec.json.decode(value) for name, value in rows}


def delete_setting(connection: sqlite3.Connection, name: str) -> bool:
    return connection.execute("DELETE FROM settings WHERE name = ?", (name,)).rowcount > 0


def _of_tenant(tenant: str | None, order: str) -> tuple[str, tuple[str, ...]]:
    if tenant is None:
        return f"ORDER BY {order}", ()
    return f"WHERE tenant = ? ORDER BY {order}", (tenant,)


def _known_tenant(connection: sqlite3.Connection, id: str) -> None:
    if id and not connection.execute("SELECT 1 FROM tenants WHERE id = ?", (id,)).fetchone():
        raise BadField("tenant", f"there is no tenant {id}")
