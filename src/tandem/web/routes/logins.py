"""Login, logout, the own password, console logins and API tokens over HTTP."""

import asyncio
import secrets
import sqlite3
import time
from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import JSONBody

from tandem.accounts.model.fields import BadField
from tandem.accounts.model.login import Login, hash_token
from tandem.accounts.service import make_login_hash
from tandem.adapters.sqlite import writing
from tandem.adapters.sqlite_accounts import (
    list_logins,
    list_tokens,
)
from tandem.adapters.sqlite_records import add_audit
from tandem.adapters.sqlite_sessions import Session, delete_session, put_session
from tandem.cluster.control import Problem
from tandem.web import changes, people
from tandem.web.auth import now
from tandem.web.bodies import (
    Credentials,
    Granted,
    Logins,
    Me,
    NewLogin,
    NewToken,
    OwnPassword,
    Password,
    Tokens,
    TokenShown,
)
from tandem.web.common import ADD, LOGIN, ONE, READ, Asker, CallNode, Guesses, InPath, Tables
from tandem.web.logging_in import Proven, check
from tandem.web.permissions import PERMISSIONS, scope
from tandem.web.problems import TooMany

SESSION_HOURS = 12
TOKEN_DAYS_MOST = 3650
TEXT_MOST = 256
TAGS = ["logins and tokens"]


@post("/api/login", name="login", status_code=201, summary="Log in", tags=TAGS, responses=LOGIN)
async def login(
    data: JSONBody[Credentials], request: Request[Any, Any, Any], database: Tables, tries: Guesses
) -> Granted:
    """The token is valid for 12 hours. 5 failed tries a minute of one login, 30 of one source; then 429."""
    source = request.client.host if request.client else ""
    name = data.login.strip().lower()
    if wait := tries.take(source, name, time.monotonic()):
        raise TooMany(wait)
    proven = await check(database, name, data.password)
    if proven is None:
        await database.do(add_audit, now(), name[:TEXT_MOST], "login refused", source)
        raise Problem(401, "not logged in", "login or password are wrong")
    tries.give_back(source, name)
    return await database.do(_open, proven, source, now())


@post(
    "/api/logout",
    name="logout",
    status_code=204,
    summary="Revoke the token that is sent",
    tags=TAGS,
    responses=READ,
)
async def logout(who: Asker, database: Tables) -> Response[None]:
    """Ends the session; an API token is revoked by an admin instead."""
    if who.name.startswith("token "):
        raise Problem(403, "not allowed", "an API token is revoked by an admin")
    await database.do(delete_session, who.hash)
    return Response(None, status_code=204)


@get("/api/me", name="me.show", summary="Who the token belongs to", tags=TAGS, responses=READ)
async def me(who: Asker) -> Me:
    may = {route: scope(route, who.role, who.tenant) for route in PERMISSIONS}
    return Me(who.name, who.role, who.tenant, who.user, who.aor, may)  # type: ignore[arg-type]


@put(
    "/api/me/password",
    name="me.password",
    status_code=204,
    summary="Change the own password",
    tags=TAGS,
    responses=READ,
)
async def own_password(
    data: JSONBody[OwnPassword],
    request: Request[Any, Any, Any],
    who: Asker,
    database: Tables,
    node: CallNode,
    tries: Guesses,
) -> Response[None]:
    """A user's SIP password, or a console login's. All sessions of the login end, this one too."""
    source = request.client.host if request.client else ""
    if who.name.startswith("token "):
        raise Problem(403, "not allowed", "an API token has no password")
    if wait := tries.take(source, who.name, time.monotonic()):
        raise TooMany(wait)
    if await check(database, who.name, data.old) is None:
        raise BadField("old", "is not the password")
    tries.give_back(source, who.name)
    if "@" in who.name:
        await database.do(changes.set_password, who.by(), who.tenant, who.user, data.password)
        await node.reload("accounts")
    else:
        hash = await asyncio.to_thread(make_login_hash, who.name, data.password)
        await database.do(people.set_login_password, who.by(), who.name, hash)
    return Response(None, status_code=204)


@get("/api/logins", name="logins.list", summary="List console logins", tags=TAGS, responses=READ)
async def logins(who: Asker, database: Tables) -> Logins:
    return Logins(await database.do(list_logins))


@post("/api/logins", name="logins.add", summary="Add a console login", tags=TAGS, responses=ADD)
async def add_login(data: JSONBody[NewLogin], who: Asker, database: Tables) -> Login:
    name = data.name.strip().lower()
    made = Login(name, data.role, data.tenant, data.user, data.enabled, now())
    hash = await asyncio.to_thread(make_login_hash, name, data.password)
    return await database.do(people.add_login, who.by(), made, hash)


@put(
    "/api/logins/{login:str}/password",
    name="logins.password",
    status_code=204,
    summary="Set a console login's password",
    tags=TAGS,
    responses=ONE,
)
async def login_password(
    login: InPath, data: JSONBody[Password], who: Asker, database: Tables
) -> Response[None]:
    """Its sessions end."""
    hash = await asyncio.to_thread(make_login_hash, login, data.password)
    await database.do(people.set_login_password, who.by(), login, hash)
    return Response(None, status_code=204)


@delete(
    "/api/logins/{login:str}",
    name="logins.remove",
    status_code=204,
    summary="Remove a console login",
    tags=TAGS,
    responses=ADD,
)
async def remove_login(login: InPath, who: Asker, database: Tables) -> Response[None]:
    """Its sessions end. The last admin of the platform stays."""
    await database.do(people.remove_login, who.by(), login)
    return Response(None, status_code=204)


@get("/api/tokens", name="tokens.list", summary="List API tokens", tags=TAGS, responses=READ)
async def tokens(who: Asker, database: Tables) -> Tokens:
    return Tokens(
        [
            TokenShown(t.id, t.role, t.tenant, t.note, t.created_at, t.expires_at)
            for t in await database.do(list_tokens)
        ]
    )


@post("/api/tokens", name="tokens.add", summary="Make an API token", tags=TAGS, responses=ONE)
async def add_token(data: JSONBody[NewToken], who: Asker, database: Tables) -> Granted:
    """For programs: role admin or operator. It is shown once."""
    text, id, expires = await database.do(
        people.add_token, who.by(), data.role, data.tenant, data.note, data.days
    )
    return Granted(text, expires, data.role, data.tenant, id)


@delete(
    "/api/tokens/{token:str}",
    name="tokens.remove",
    status_code=204,
    summary="Revoke an API token",
    tags=TAGS,
    responses=ONE,
)
async def remove_token(token: InPath, who: Asker, database: Tables) -> Response[None]:
    await database.do(people.revoke_token, who.by(), token)
    return Response(None, status_code=204)


def _open(connection: sqlite3.Connection, proven: Proven, source: str, at: int) -> Granted:
    token = secrets.token_urlsafe(32)  # 256 bits
    expires = at + SESSION_HOURS * 3_600_000_000
    with writing(connection):
        put_session(
            connection,
            Session(
                hash_token(token),
                proven.login,
                proven.role,
                proven.tenant,
                proven.user,
                at,
                expires,
            ),
        )
        add_audit(connection, at, proven.login, "logged in", source, tenant=proven.tenant)
    return Granted(token, expires, proven.role, proven.tenant)


ROUTES = [
    login, logout, me, own_password, logins, add_login, login_password, remove_login,
    tokens, add_token, remove_token,
]  # fmt: skip
