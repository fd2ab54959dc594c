"""Tenants, users, credentials, logins and tokens in SQLite. Functions take the connection; checks are the model's."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from tandem.accounts.model.account import Tenant, User, check_tenant, check_user
from tandem.accounts.model.credentials import Credentials
from tandem.accounts.model.fields import BadField, Taken
from tandem.accounts.model.login import Login, Token, check_login
from tandem.adapters.sqlite import generations, writing
from tandem.adapters.sqlite_rows import Rows
from tandem.routing.model.numbers import normalise

QUIET_ROWS = 5_000  # imports from here on do without triggers

_tenants = Rows(Tenant, "tenants", ("id",))
_users = Rows(User, "users", ("tenant", "name"), skip=("aliases",))
_logins = Rows(Login, "logins", ("name",))
_tokens = Rows(Token, "tokens", ("id",))
_HA1 = "ha1_md5 = ?, ha1_sha256 = ?, ha1_sha512_256 = ?"


def put_tenant(connection: sqlite3.Connection, tenant: Tenant) -> Tenant:
    """Adds or changes a tenant. Raises BadField; Taken when another one has the domain."""
    tenant = check_tenant(tenant)
    with writing(connection):
        known = get_tenant(connection, tenant.id)
        if known and known.domain != tenant.domain and count_users(connection, tenant.id):
            # HA1 is made with the realm
            raise BadField("domain", "cannot change while there are users: passwords depend on it")
        try:
            _tenants.put(connection, tenant)
        except sqlite3.IntegrityError:
            raise Taken("domain", f"{tenant.domain} belongs to another tenant") from None
    return tenant


def get_tenant(connection: sqlite3.Connection, id: str) -> Tenant | None:
    return _tenants.get(connection, id)


def list_tenants(connection: sqlite3.Connection) -> list[Tenant]:
    return _tenants.select(connection, "ORDER BY id")


def delete_tenant(connection: sqlite3.Connection, id: str) -> bool:
    """With its users, lists, routes and trunks. False: there is none."""
    with writing(connection):
        for table in ("routes", "trunks"):
            connection.execute(f"DELETE FROM {table} WHERE tenant = ?", (id,))
        return _tenants.delete(connection, id)


def put_user(
    connection: sqlite3.Connection, user: User, credentials: Credentials | None = None
) -> User:
    """Adds or changes a user; without credentials the old ones stay. Raises BadField; Taken for a number in use."""
    user = check_user(user)
    with writing(connection):
        tenant = get_tenant(connection, user.tenant)
        if tenant is None:
            raise BadField("tenant", f"there is no tenant {user.tenant}")
        user = _dialled(user, tenant)
        _put_user(connection, user)
        if credentials:
            set_credentials(connection, user.tenant, user.name, credentials)
    return user


def set_credentials(
    connection: sqlite3.Connection, tenant: str, name: str, credentials: Credentials
) -> bool:
    sql = f"UPDATE users SET {_HA1} WHERE tenant = ? AND name = ?"
    sums = (credentials.md5, credentials.sha256, credentials.sha512_256)
    return connection.execute(sql, (*sums, tenant, name)).rowcount > 0


def get_user(connection: sqlite3.Connection, tenant: str, name: str) -> User | None:
    user = _users.get(connection, tenant, name)
    return _with_aliases(connection, [user])[0] if user else None


def list_users(
    connection: sqlite3.Connection,
    tenant: str,
    search: str = "",
    after: str = "",
    limit: int = 100,
) -> list[User]:
    """A tenant's users by name, after a name; `search` is part of name, display name or number."""
    like = f"%{search.replace('%', '').replace('_', chr(92) + '_')}%"
    rest = (
        "WHERE tenant = ? AND name > ? AND (name LIKE ? ESCAPE '\\' OR display_name LIKE ? ESCAPE '\\'"
        " OR number LIKE ? ESCAPE '\\') ORDER BY name LIMIT ?"
    )
    found = _users.select(connection, rest, (tenant, after, like, like, like, limit))
    return _with_aliases(connection, found)


def count_users(connection: sqlite3.Connection, tenant: str = "") -> int:
    where, args = ("WHERE tenant = ?", (tenant,)) if tenant else ("", ())
    return int(connection.execute(f"SELECT count(*) FROM users {where}", args).fetchone()[0])


def delete_user(connection: sqlite3.Connection, tenant: str, name: str) -> bool:
    return _users.delete(connection, tenant, name)


def import_users(connection: sqlite3.Connection, users: Iterable[tuple[User, Credentials]]) -> int:
    """Adds many users, all or none; how many. Raises BadField, or Taken for a name or number in use."""
    rows: list[tuple[User, Credentials]] = []
    with writing(connection):
        tenants = {tenant.id: tenant for tenant in list_tenants(connection)}
        for user, credentials in users:
            user = check_user(user)
            if user.tenant not in tenants:
                raise BadField("tenant", f"there is no tenant {user.tenant}")
            rows.append((_dialled(user, tenants[user.tenant]), credentials))
        if len(rows) < QUIET_ROWS:
            _import(connection, rows)
        else:
            _import_quietly(connection, rows)
    return len(rows)


def all_users(connection: sqlite3.Connection) -> Iterator[User]:
    """Every user of every tenant, for the routing tables."""
    aliases: dict[tuple[str, str], list[str]] = defaultdict(list)
    sql = "SELECT tenant, user, alias FROM aliases WHERE place > 0 ORDER BY tenant, user, place"
    for tenant, user, alias in connection.execute(sql):
        aliases[tenant, user].append(alias)
    names = ", ".join(name for name in _users.names if name != "enabled")
    for enabled, *row in connection.execute(f"SELECT enabled, {names} FROM users"):
        tenant, name, display_name, number, shown, *rest = row
        own = aliases.get((tenant, name))
        yield User(
            tenant,
            name,
            display_name,
            number,
            shown,
            tuple(own) if own else (),
            enabled == 1,
            *rest,
        )


def all_credentials(
    connection: sqlite3.Connection,
) -> Iterator[tuple[str, bytes, bytes, bytes]]:
    """(name@domain, MD5, SHA-256, SHA-512-256) of all who may register now."""
    sql = (
        "SELECT u.name || '@' || t.domain, ha1_md5, ha1_sha256, ha1_sha512_256 FROM users u"
        " JOIN tenants t ON t.id = u.tenant WHERE u.enabled AND t.enabled AND ha1_md5 IS NOT NULL"
    )
    yield from connection.execute(sql)


def changed_credentials(
    connection: sqlite3.Connection, after: int
) -> list[tuple[str, Credentials | None]]:
    """(name@domain, credentials or None: may not register) of users that changed after an accounts generation.

    A change of `tenants` is not in it: load all again.
    """
    sql = (
        "SELECT c.name || '@' || t.domain, u.enabled AND t.enabled, ha1_md5, ha1_sha256, ha1_sha512_256"
        " FROM user_changes c JOIN tenants t ON t.id = c.tenant"
        " LEFT JOIN users u ON u.tenant = c.tenant AND u.name = c.name WHERE c.n > ?"
    )
    return [
        (aor, Credentials(*sums) if enabled and sums[0] else None)
        for aor, enabled, *sums in connection.execute(sql, (after,))
    ]


def changed_users(connection: sqlite3.Connection, after: int) -> list[tuple[str, str, User | None]]:
    """(tenant, name, user or None: deleted) of users that changed after an accounts generation."""
    sql = "SELECT tenant, name FROM user_changes WHERE n > ?"
    keys = connection.execute(sql, (after,)).fetchall()
    return [(tenant, name, get_user(connection, tenant, name)) for tenant, name in keys]


def put_login(connection: sqlite3.Connection, login: Login, hash: bytes | None = None) -> Login:
    """Adds (with the hash of make_login_hash) or changes a console login. Raises BadField."""
    check_login(login)
    with writing(connection):
        known = connection.execute(
            "SELECT hash FROM logins WHERE name = ?", (login.name,)
        ).fetchone()
        kept = hash or (known[0] if known else None)
        if kept is None:
            raise BadField("password", "a new login needs one")
        names = ", ".join(_logins.names)
        slots = ", ".join("?" for _ in _logins.names)
        sql = f"INSERT OR REPLACE INTO logins ({names}, hash) VALUES ({slots}, ?)"
        connection.execute(sql, (*_logins.row(login), kept))
    return login


def get_login(connection: sqlite3.Connection, name: str) -> tuple[Login, bytes] | None:
    """The login and its stored hash, for password_fits."""
    login = _logins.get(connection, name)
    if login is None:
        return None
    hash = connection.execute("SELECT hash FROM logins WHERE name = ?", (name,)).fetchone()[0]
    return login, hash


def list_logins(connection: sqlite3.Connection) -> list[Login]:
    return _logins.select(connection, "ORDER BY name")


def delete_login(connection: sqlite3.Connection, name: str) -> bool:
    return _logins.delete(connection, name)


def put_token(connection: sqlite3.Connection, token: Token) -> None:
    _tokens.put(connection, token)


def find_token(connection: sqlite3.Connection, hash: bytes, now: int) -> Token | None:
    """The token with this hash (hash_token), unless it has expired."""
    rest = "WHERE hash = ? AND (expires_at = 0 OR expires_at > ?)"
    return next(iter(_tokens.select(connection, rest, (hash, now))), None)


def list_tokens(connection: sqlite3.Connection, tenant: str = "") -> list[Token]:
    where = "WHERE tenant = ?" if tenant else ""
    return _tokens.select(connection, f"{where} ORDER BY id", (tenant,) if tenant else ())


def delete_token(connection: sqlite3.Connection, id: str) -> bool:
    return _tokens.delete(connection, id)


def _dialled(user: User, tenant: Tenant) -> User:
    """With numbers as the tenant's country writes them to the world, so that two forms of one are one."""
    number, aliases = _world(user.number, tenant), [_world(one, tenant) for one in user.aliases]
    return replace(user, number=number, aliases=tuple(dict.fromkeys(aliases)))


def _world(alias: str, tenant: Tenant) -> str:
    number = alias if alias.startswith("+") else normalise(alias, tenant)
    return number if number.startswith("+") else alias


def _put_user(connection: sqlite3.Connection, user: User) -> None:
    _users.put(connection, user)
    key = (user.tenant, user.name)
    connection.execute("DELETE FROM aliases WHERE tenant = ? AND user = ?", key)
    for row in _alias_rows(user):
        try:
            connection.execute("INSERT INTO aliases VALUES (?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            raise Taken("aliases" if row[3] else "number", f"{row[1]} is another user's") from None


def _import_quietly(connection: sqlite3.Connection, rows: list[tuple[User, Credentials]]) -> None:
    """Without the triggers, which take half of the time; what they would have noted is noted at once."""
    sql = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('users', 'aliases')"
    triggers = connection.execute(sql).fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    _import(connection, rows)
    n = generations(connection)["accounts"] + 1
    connection.execute("UPDATE generation SET n = ? WHERE what = 'accounts'", (n,))
    connection.executemany(
        "INSERT INTO user_changes VALUES (?, ?, ?)"
        " ON CONFLICT (tenant, name) DO UPDATE SET n = excluded.n",
        ((user.tenant, user.name, n) for user, _ in rows),
    )
    for _, create in triggers:
        connection.execute(create)


def _import(connection: sqlite3.Connection, rows: list[tuple[User, Credentials]]) -> None:
    names = f"{_users.columns}, ha1_md5, ha1_sha256, ha1_sha512_256"
    slots = ", ".join("?" for _ in range(len(_users.names) + 3))
    values = ((*_users.row(user), c.md5, c.sha256, c.sha512_256) for user, c in rows)
    try:
        connection.executemany(f"INSERT INTO users ({names}) VALUES ({slots})", values)
        aliases = (row for user, _ in rows for row in _alias_rows(user))
        connection.executemany("INSERT INTO aliases VALUES (?, ?, ?, ?)", aliases)
    except sqlite3.IntegrityError as error:
        raise Taken("name", f"a name or number is in use already: {error}") from None


def _alias_rows(user: User) -> list[tuple[str, str, str, int]]:
    rows = [(user.tenant, user.number, user.name, 0)] if user.number else []
    others = [alias for alias in user.aliases if alias != user.number]
    return rows + [(user.tenant, alias, user.name, n) for n, alias in enumerate(others, start=1)]


def _with_aliases(connection: sqlite3.Connection, users: list[User]) -> list[User]:
    sql = "SELECT alias FROM aliases WHERE tenant = ? AND user = ? AND place > 0 ORDER BY place"
    return [
        replace(
            user,
            aliases=tuple(row[0] for row in connection.execute(sql, (user.tenant, user.name))),
        )
        for user in users
    ]
