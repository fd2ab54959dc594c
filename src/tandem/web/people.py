"""Changes of console logins and API tokens, each with its audit line. For HTTP and command line alike; knows neither."""

import sqlite3

from tandem.accounts.model.fields import BadField, Taken
from tandem.accounts.model.login import Login
from tandem.accounts.service import make_token
from tandem.adapters.sqlite import writing
from tandem.adapters.sqlite_accounts import (
    delete_login,
    delete_token,
    get_login,
    get_tenant,
    get_user,
    list_logins,
    put_login,
    put_token,
)
from tandem.adapters.sqlite_records import add_audit
from tandem.adapters.sqlite_sessions import end_sessions
from tandem.cluster.control import Problem
from tandem.web.changes import By, no_such

TOKEN_DAYS_MOST = 3650
NOTE_CHARACTERS = 256
DAY = 86_400_000_000  # microseconds


def add_login(connection: sqlite3.Connection, by: By, made: Login, hash: bytes) -> Login:
    """hash: of make_login_hash. Raises BadField; Taken; Problem 404 for its tenant or user."""
    with writing(connection):
        if get_login(connection, made.name):
            raise Taken("name", f"there is a login {made.name} already")
        _known_tenant(connection, made.tenant)
        if made.user and get_user(connection, made.tenant, made.user) is None:
            raise no_such("user", made.user, "user")
        put_login(connection, made, hash)
        detail = {"role": made.role, "user": made.user, "enabled": made.enabled}
        add_audit(
            connection, by.at, by.who, "login added", made.name, tenant=made.tenant, detail=detail
        )
    return made


def set_login_password(connection: sqlite3.Connection, by: By, name: str, hash: bytes) -> None:
    """Its sessions end. Raises Problem 404."""
    with writing(connection):
        login = _login(connection, name)
        put_login(connection, login, hash)
        end_sessions(connection, name)
        add_audit(connection, by.at, by.who, "login password set", name, tenant=login.tenant)


def remove_login(connection: sqlite3.Connection, by: By, name: str) -> None:
    """Its sessions end. Raises Problem 404; 409 for the last admin of the platform."""
    with writing(connection):
        login = _login(connection, name)
        admins = [
            one.name
            for one in list_logins(connection)
            if one.role == "admin" and one.enabled and not one.tenant
        ]
        if admins == [name]:
            why = "add another admin before you remove this one"
            raise Problem(409, "the last admin", why, "login")
        delete_login(connection, name)
        end_sessions(connection, name)
        add_audit(connection, by.at, by.who, "login removed", name, tenant=login.tenant)


def add_token(
    connection: sqlite3.Connection, by: By, role: str, tenant: str, note: str, days: int
) -> tuple[str, str, int]:
    """The token, which is not kept; its id; when it expires (microseconds since 1970; 0: never). Raises BadField, Problem 404."""
    if role == "user":
        raise BadField("role", "a token is of role admin or operator: a user logs in")
    if not 0 <= days <= TOKEN_DAYS_MOST:
        raise BadField("days", f"from 0 (never expires) to {TOKEN_DAYS_MOST}")
    if len(note) > NOTE_CHARACTERS:
        raise BadField("note", f"at most {NOTE_CHARACTERS} characters")
    expires = by.at + days * DAY if days else 0
    text, token = make_token(role, by.at, tenant=tenant, note=note, expires_at=expires)
    with writing(connection):
        _known_tenant(connection, tenant)
        put_token(connection, token)
        detail = {"role": role, "note": note, "expires_at": expires}
        add_audit(connection, by.at, by.who, "token added", token.id, tenant=tenant, detail=detail)
    return text, token.id, expires


def revoke_token(connection: sqlite3.Connection, by: By, id: str) -> None:
    """Raises Problem 404."""
    with writing(connection):
        if not delete_token(connection, id):
            raise no_such("token", id, "token")
        add_audit(connection, by.at, by.who, "token revoked", id)


def _login(connection: sqlite3.Connection, name: str) -> Login:
    known = get_login(connection, name)
    if known is None:
        raise no_such("login", name, "login")
    return known[0]


def _known_tenant(connection: sqlite3.Connection, tenant: str) -> None:
    if tenant and get_tenant(connection, tenant) is None:
        raise no_such("tenant", tenant, "tenant")
