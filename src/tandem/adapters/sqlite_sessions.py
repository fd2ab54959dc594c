"""Sessions of people at console and HTTP interface, in SQLite. Functions take the connection; who may log in is not decided here."""

import sqlite3

from msgspec import Struct

from tandem.adapters.sqlite import writing
from tandem.adapters.sqlite_rows import Rows

SESSIONS_MOST = 100  # of one login; the oldest ends when there is one more


class Session(Struct, frozen=True):
    """Somebody who proved who he is. login: a console login's name, or a user's address of record."""

    hash: bytes  # SHA-256 of the bearer token
    login: str
    role: str
    tenant: str = ""
    user: str = ""
    created_at: int = 0  # microseconds since 1970
    expires_at: int = 0


_sessions = Rows(Session, "sessions", ("hash",))


def put_session(connection: sqlite3.Connection, session: Session) -> None:
    """Adds it, and forgets those that have expired."""
    surplus = (
        "DELETE FROM sessions WHERE login = ? AND hash NOT IN"
        " (SELECT hash FROM sessions WHERE login = ? ORDER BY created_at DESC LIMIT ?)"
    )
    with writing(connection):
        connection.execute("DELETE FROM sessions WHERE expires_at <= ?", (session.created_at,))
        _sessions.put(connection, session)
        connection.execute(surplus, (session.login, session.login, SESSIONS_MOST))


def find_session(connection: sqlite3.Connection, hash: bytes, now: int) -> Session | None:
    found = _sessions.get(connection, hash)
    return found if found and found.expires_at > now else None


def delete_session(connection: sqlite3.Connection, hash: bytes) -> bool:
    return _sessions.delete(connection, hash)


def end_sessions(connection: sqlite3.Connection, login: str) -> int:
    """All of a login, as after a change of its password; how many."""
    return connection.execute("DELETE FROM sessions WHERE login = ?", (login,)).rowcount


def forget_people(connection: sqlite3.Connection, tenant: str, user: str = "") -> None:
    """Logins, tokens and sessions of a tenant that is removed, or of a user: a later one of the same name is somebody else."""
    where, args = ("tenant = ? AND user = ?", (tenant, user)) if user else ("tenant = ?", (tenant,))
    with writing(connection):
        for table in ("sessions", "logins") if user else ("sessions", "logins", "tokens"):
            connection.execute(f"DELETE FROM {table} WHERE {where}", args)


def stored_ha1(connection: sqlite3.Connection, tenant: str, name: str) -> bytes | None:
    """SHA-256 HA1 of a user who may register now; None: he has no password, or is switched off."""
    sql = (
        "SELECT ha1_sha256 FROM users u JOIN tenants t ON t.id = u.tenant"
        " WHERE u.tenant = ? AND u.name = ? AND u.enabled AND t.enabled"
    )
    row = connection.execute(sql, (tenant, name)).fetchone()
    return row[0] if row else None
