"""Changes of the tables, each with its audit line in the same transaction. For HTTP and command line alike; knows neither."""

import sqlite3
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tandem.accounts.model.account import Tenant, User
from tandem.accounts.model.credentials import make_credentials
from tandem.accounts.model.fields import BadField, Taken
from tandem.adapters import sqlite_accounts, sqlite_routing
from tandem.adapters.sqlite import writing
from tandem.adapters.sqlite_records import add_audit
from tandem.adapters.sqlite_sessions import end_sessions, forget_people
from tandem.cluster.control import Problem
from tandem.routing.model.rows import Emergency, ListEntry, Route, Trunk

T = TypeVar("T", bound=Struct)
SECRETS = ("password", "hash")  # never in the audit log


class By(Struct, frozen=True):
    """Who changes something, and when (microseconds since 1970)."""

    who: str
    at: int


class Kind(Struct, Generic[T], frozen=True):
    """A table whose rows are added, changed and removed one by one. `key` are the names of the fields that name a row."""

    noun: str
    key: tuple[str, ...]
    get: Callable[..., T | None]  # connection, key
    put: Callable[[sqlite3.Connection, T], T]
    drop: Callable[..., bool]  # connection, key
    reload: str  # what the call node reads again


TENANTS = Kind[Tenant](
    "tenant", ("id",), sqlite_accounts.get_tenant, sqlite_accounts.put_tenant,
    sqlite_accounts.delete_tenant, "all",
)  # fmt: skip
USERS = Kind[User](
    "user", ("tenant", "name"), sqlite_accounts.get_user, sqlite_accounts.put_user,
    sqlite_accounts.delete_user, "accounts",
)  # fmt: skip
TRUNKS = Kind[Trunk](
    "trunk", ("id",), sqlite_routing.get_trunk, sqlite_routing.put_trunk,
    sqlite_routing.delete_trunk, "all",
)  # fmt: skip
ROUTES = Kind[Route](
    "route", ("id",), sqlite_routing.get_route, sqlite_routing.put_route,
    sqlite_routing.delete_route, "routing",
)  # fmt: skip


def no_such(noun: str, name: str, field: str = "") -> Problem:
    return Problem(404, f"no such {noun}", name[:128], field)


def show(connection: sqlite3.Connection, kind: Kind[T], *key: str) -> T:
    """Raises Problem 404."""
    found = kind.get(connection, *key)
    if found is None:
        raise no_such(kind.noun, key[-1], kind.key[-1])
    return found


def add(connection: sqlite3.Connection, by: By, kind: Kind[T], value: T, password: str = "") -> T:
    """Raises BadField; Taken if there is one of this name. password: of a user."""
    with writing(connection):
        key = [getattr(value, name) for name in kind.key]
        if kind.get(connection, *key) is not None:
            raise Taken(kind.key[-1], f"there is a {kind.noun} {key[-1]} already")
        kept = kind.put(connection, value)
        note(connection, by, f"{kind.noun} added", kept, kind, after=values(kept))
        if password and isinstance(kept, User):
            set_password(connection, by, kept.tenant, kept.name, password)
    return kept


def change(
    connection: sqlite3.Connection,
    by: By,
    kind: Kind[T],
    key: tuple[str, ...],
    given: dict[str, Any],
) -> T:
    """The row with the given fields in place of its own. Raises BadField; Problem 404."""
    with writing(connection):
        old = show(connection, kind, *key)
        for name in kind.key:
            if given.get(name, getattr(old, name)) != getattr(old, name):
                raise BadField(name, "names the row and cannot change: remove it and add another")
        new = kind.put(connection, replace(old, **given))
        before, after = values(old), values(new)
        changed = [name for name in after if before[name] != after[name]]
        note(
            connection, by, f"{kind.noun} changed", new, kind,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )  # fmt: skip
    return new


def remove(connection: sqlite3.Connection, by: By, kind: Kind[T], *key: str) -> T:
    """What was removed. Raises Problem 404."""
    with writing(connection):
        old = show(connection, kind, *key)
        if isinstance(old, User):
            forget_people(connection, old.tenant, old.name)
        if isinstance(old, Tenant):
            forget_people(connection, old.id)
        kind.drop(connection, *key)
        note(connection, by, f"{kind.noun} removed", old, kind, before=values(old))
    return old


def set_password(
    connection: sqlite3.Connection, by: By, tenant: str, name: str, password: str
) -> None:
    """A user's SIP password; his sessions end. Raises BadField; Problem 404."""
    with writing(connection):
        show(connection, USERS, tenant, name)
        realm = show(connection, TENANTS, tenant).domain
        credentials = make_credentials(name, realm, password)
        sqlite_accounts.set_credentials(connection, tenant, name, credentials)
        end_sessions(connection, f"{name}@{realm}")
        add_audit(connection, by.at, by.who, "user password set", f"{tenant}/{name}", tenant=tenant)


def put_line(connection: sqlite3.Connection, by: By, line: ListEntry | Emergency) -> None:
    """A line of an allow or deny list, or an emergency number. Raises BadField."""
    with writing(connection):
        if isinstance(line, Emergency):
            sqlite_routing.put_emergency(connection, line)
        else:
            sqlite_routing.put_entry(connection, line)
        _note_line(connection, by, "put", line)


def remove_line(connection: sqlite3.Connection, by: By, line: ListEntry | Emergency) -> None:
    """Raises Problem 404."""
    with writing(connection):
        gone = (
            sqlite_routing.delete_emergency(connection, line)
            if isinstance(line, Emergency)
            else sqlite_routing.delete_entry(connection, line)
        )
        if not gone:
            raise no_such("line", line.number if isinstance(line, Emergency) else line.value)
        _note_line(connection, by, "removed", line)


def aor_of(connection: sqlite3.Connection, tenant: str, name: str) -> str:
    """name@domain; "" without such a tenant."""
    found = sqlite_accounts.get_tenant(connection, tenant)
    return f"{name}@{found.domain}" if found else ""


def values(row: Struct) -> dict[str, Any]:
    """A row as plain values, without secrets: whether there is one is all that is told."""
    plain: dict[str, Any] = msgspec.to_builtins(row)
    for name in SECRETS:
        if name in plain:
            plain[name] = "(set)" if plain[name] else ""
    return plain


def note(
    connection: sqlite3.Connection, by: By, what: str, row: Struct, kind: Kind[T], **detail: Any
) -> None:
    target = "/".join(getattr(row, name) for name in kind.key)
    tenant = row.id if isinstance(row, Tenant) else getattr(row, "tenant", "")
    add_audit(connection, by.at, by.who, what, target, tenant=tenant, detail=detail)


def _note_line(
    connection: sqlite3.Connection, by: By, what: str, line: ListEntry | Emergency
) -> None:
    noun, target = (
        ("emergency number", line.number)
        if isinstance(line, Emergency)
        else ("list entry", f"{line.owner or '*'} {line.direction} {line.kind} {line.value}")
    )
    add_audit(
        connection, by.at, by.who, f"{noun} {what}", target, tenant=line.tenant, detail=values(line)
    )
