"""Finds out who asks, and whether he may. Every request passes `guard`; a route that is not in the table passes nobody."""

import sqlite3
import time
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from msgspec import Struct

from tandem.accounts.model.fields import BadField
from tandem.accounts.model.login import TOKEN_CHARACTERS_LEAST, hash_token
from tandem.adapters.sqlite import Database
from tandem.adapters.sqlite_accounts import find_token, get_login
from tandem.adapters.sqlite_sessions import find_session, stored_ha1
from tandem.cluster.control import Problem
from tandem.web.changes import By, aor_of, no_such
from tandem.web.permissions import OPEN, Scope, scope

TOKEN_CHARACTERS_MOST = 256


class Who(Struct, frozen=True):
    """Who asks. tenant "": the whole platform. reach: what this route gives him."""

    name: str
    role: str
    tenant: str = ""
    user: str = ""
    aor: str = ""  # of role user
    reach: Scope = "none"
    hash: bytes = b""  # of the token that he sent

    def by(self) -> By:
        return By(self.name, now())

    def only(self, tenant: str) -> str:
        """The tenant that a list may be of: as wished, his own without a wish. Raises Problem 404 for another one's."""
        if self.tenant and tenant not in ("", self.tenant):
            raise no_such("tenant", tenant, "tenant")
        return self.tenant or tenant

    def sees(self, tenant: str) -> bool:
        return self.tenant in ("", tenant)


def now() -> int:
    return time.time_ns() // 1000


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Leaves a Who in the request's state, or raises Problem 401 or 403."""
    route = name_of(handler)
    if route in OPEN:
        return
    if not route:  # litestar's own handlers: no path of ours
        raise Problem(404, "not found", connection.url.path[:256])
    database: Database = connection.app.state.database
    who = await database.do(identify, connection.headers.get("authorization", ""), now())
    reach = scope(route, who.role, who.tenant)
    if reach == "none":
        raise Problem(403, "not allowed", f"role {who.role} may not do {route}")
    connection.state.who = Who(
        who.name, who.role, who.tenant, who.user, who.aor, reach, who.hash
    )  # fmt: skip


def name_of(handler: BaseRouteHandler) -> str:
    """The name in the permission table. litestar's own handler for the OpenAPI document has a made up one."""
    name = handler.name or ""
    return "openapi" if name.endswith("litestar_openapi_json") else name


def identify(connection: sqlite3.Connection, header: str, now: int) -> Who:
    """Who a header `Authorization: Bearer ...` belongs to. Raises Problem 401."""
    kind, _, token = header.partition(" ")
    token = token.strip()
    if kind.lower() != "bearer" or not token:
        raise Problem(
            401, "not logged in", "send Authorization: Bearer and a token from /api/login"
        )
    refused = Problem(401, "not logged in", "the token is unknown, has expired or was revoked")
    if not TOKEN_CHARACTERS_LEAST <= len(token) <= TOKEN_CHARACTERS_MOST:
        raise refused
    try:
        hash = hash_token(token)
    except (BadField, UnicodeError):
        raise refused from None
    if program := find_token(connection, hash, now):
        return Who(f"token {program.id}", program.role, program.tenant, hash=hash)
    session = find_session(connection, hash, now)
    if session is None:
        raise refused
    if "@" in session.login:
        if stored_ha1(connection, session.tenant, session.user) is None:
            raise refused
        aor = aor_of(connection, session.tenant, session.user)
        return Who(session.login, "user", session.tenant, session.user, aor, hash=hash)
    found = get_login(connection, session.login)
    if found is None or not found[0].enabled:
        raise refused
    login = found[0]  # role and tenant as they are now, not as they were at login
    aor = aor_of(connection, login.tenant, login.user) if login.user else ""
    return Who(login.name, login.role, login.tenant, login.user, aor, hash=hash)
