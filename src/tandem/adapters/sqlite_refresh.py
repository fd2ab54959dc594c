"""What a node does when the database has changed: new tables and changed credentials, no more than is needed."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from tandem.accounts.model.credentials import Credentials
from tandem.adapters.sqlite import generations, reading
from tandem.adapters.sqlite_accounts import all_credentials, changed_credentials, changed_users
from tandem.adapters.sqlite_routing import load_tables
from tandem.routing.model.patch import with_users
from tandem.routing.model.tables import Tables

PATCHED_USERS_MOST = 20_000  # beyond, building all is as fast


class Refreshed(NamedTuple):
    """tables: to be swapped in. credentials: (name@domain, or None in its place: may not register any more).

    whole: credentials are all there are; who is not among them may not register. policy: it may have changed too.
    """

    tables: Tables
    seen: dict[str, int]
    credentials: list[tuple[str, Credentials | None]]
    whole: bool
    policy: bool


def load(connection: sqlite3.Connection, hosts: Iterable[str] = ()) -> Refreshed:
    """Everything, at a node's start."""
    with reading(connection):
        seen = generations(connection)
        known = [(aor, Credentials(*sums)) for aor, *sums in all_credentials(connection)]
        return Refreshed(load_tables(connection, hosts), seen, list(known), whole=True, policy=True)


def refresh(
    connection: sqlite3.Connection, tables: Tables, seen: dict[str, int]
) -> Refreshed | None:
    """What is new since `seen` (of load, or of the last refresh); None: nothing that a node must know."""
    with reading(connection):
        now = generations(connection)
        moved = {what for what, n in now.items() if n != seen.get(what)}
        if "tenants" in moved:
            return load(connection, tables.hosts)
        if not moved & {"accounts", "routing", "settings"}:
            return None
        after = seen["accounts"]
        users = changed_users(connection, after) if "accounts" in moved else []
        if "routing" in moved or len(users) > PATCHED_USERS_MOST:
            tables = load_tables(connection, tables.hosts)
        elif users:
            tables = with_users(tables, users)
        credentials = changed_credentials(connection, after) if users else []
        policy = bool(moved & {"routing", "settings"})
        return Refreshed(tables, now, credentials, whole=False, policy=policy)
