"""Checks a login and a password, and makes the first admin. Sessions are made elsewhere."""

import asyncio
import hashlib
import hmac
import sqlite3

from msgspec import Struct

from tandem.accounts.model.login import SALT_BYTES, Login, password_fits
from tandem.accounts.service import make_login_hash, random_password
from tandem.adapters.sqlite import Database, writing
from tandem.adapters.sqlite_accounts import get_login, list_logins, list_tenants, put_login
from tandem.adapters.sqlite_records import add_audit
from tandem.adapters.sqlite_sessions import stored_ha1

PASSWORD_CHARACTERS_MOST = 1024  # longer ones are not even hashed
FIRST_ADMIN = "admin"
_NOBODY = bytes(SALT_BYTES + 32)  # compared when there is no such login, so that it takes as long


class Proven(Struct, frozen=True):
    """Who knows the password."""

    login: str
    role: str
    tenant: str = ""
    user: str = ""


async def check(database: Database, login: str, password: str) -> Proven | None:
    """None: wrong, unknown or switched off, and one cannot tell which."""
    if len(password) > PASSWORD_CHARACTERS_MOST:
        return None
    if "@" in login:
        return await database.do(_check_user, login, password)
    known = await database.do(get_login, login)
    stored = known[1] if known else _NOBODY
    fits = await asyncio.to_thread(password_fits, password, stored)  # scrypt: some 50 ms
    if known is None or not fits or not known[0].enabled:
        return None
    found = known[0]
    return Proven(found.name, found.role, found.tenant, found.user)


def _check_user(connection: sqlite3.Connection, aor: str, password: str) -> Proven | None:
    """A user logs in with his address of record and his SIP password: what is stored of it is HA1 (RFC 7616 3.4.2)."""
    name, _, domain = aor.partition("@")
    tenant = next((t.id for t in list_tenants(connection) if t.domain == domain), "")
    stored = stored_ha1(connection, tenant, name) or bytes(32)
    ha1 = hashlib.sha256(f"{name}:{domain}:{password}".encode("utf-8", "replace")).digest()
    return Proven(aor, "user", tenant, name) if hmac.compare_digest(stored, ha1) else None


def ensure_admin(connection: sqlite3.Connection, now: int) -> str | None:
    """Makes the login `admin` if there is no admin of the platform; its password, to be shown once. None: there is one.

    now: microseconds since 1970.
    """
    with writing(connection):
        if any(one.role == "admin" and not one.tenant for one in list_logins(connection)):
            return None
        password = random_password(FIRST_ADMIN)
        hash = make_login_hash(FIRST_ADMIN, password)
        put_login(connection, Login(FIRST_ADMIN, "admin", created_at=now), hash)
        add_audit(
            connection, now, "tandem up", "login added", FIRST_ADMIN, detail={"role": "admin"}
        )
    return password
