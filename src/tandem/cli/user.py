"""`tandem user`: who can register and be called."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from msgspec.structs import replace

from tandem.accounts.model.account import User
from tandem.accounts.model.fields import BadField, parse_name
from tandem.accounts.service import random_password
from tandem.adapters.sqlite_accounts import list_users
from tandem.cli.desk import Json, by, desk, fields, reload, show_one, show_rows, tenant_of, user_of
from tandem.web import changes
from tandem.web.changes import USERS, values

app = App(name="user", help="Users: who can register and be called.")
COLUMNS = ("tenant", "name", "display_name", "number", "aliases", "enabled")
PasswordFile = Annotated[
    Path | None,
    Parameter(
        help="A file whose first line is the password; --password-file=-: standard input. Without: a random one is made and printed once."
    ),
]
Named = Annotated[str, Parameter(help="Id or domain; may be left out while there is one tenant.")]
Page = Annotated[int, Parameter(help="Rows, at most 1000.")]
PAGE_MOST = 1000


@app.command
def add(
    name: str,
    *field: str,
    tenant: Named = "",
    number: str = "",
    password_file: PasswordFile = None,
    json: Json = False,
) -> None:
    """Add a user: `tandem user add alice --number 101`, or `alice@demo.example display_name=Alice`."""
    with desk() as (config, connection):
        of, name = user_of(connection, name, tenant)
        password = read_password(password_file) or random_password(name)
        user = replace(User(of, parse_name(name), number=number), **fields(User, field))
        kept = changes.add(connection, by(), USERS, user, password)
        reload(config, USERS.reload)
        aor = changes.aor_of(connection, kept.tenant, kept.name)
        told = {"user": aor, "number": kept.number}
        show_one(told if password_file else {**told, "password": password}, as_json=json)


@app.command(name="list")
def list_(
    *, tenant: Named = "", search: str = "", limit: Page = 100, after: str = "", json: Json = False
) -> None:
    """List a tenant's users by name."""
    with desk() as (_, connection):
        of = tenant_of(connection, tenant)
        found = list_users(connection, of, search, after, max(1, min(limit, PAGE_MOST)))
        show_rows([values(user) for user in found], COLUMNS, as_json=json)


@app.command
def show(name: str, *, tenant: Named = "", json: Json = False) -> None:
    """Show a user."""
    with desk() as (_, connection):
        user = changes.show(connection, USERS, *user_of(connection, name, tenant))
        show_one(values(user), as_json=json)


@app.command(name="set")
def set_(name: str, *field: str, tenant: Named = "", json: Json = False) -> None:
    """Change fields: `tandem user set alice forward_busy=bob enabled=yes`."""
    with desk() as (config, connection):
        key = user_of(connection, name, tenant)
        user = changes.change(connection, by(), USERS, key, fields(User, field))
        reload(config, USERS.reload)
        show_one(values(user), as_json=json)


@app.command
def password(
    name: str, *, tenant: Named = "", password_file: PasswordFile = None, json: Json = False
) -> None:
    """Set the SIP password; the old one is void at once."""
    with desk() as (config, connection):
        of, name = user_of(connection, name, tenant)
        made = read_password(password_file) or random_password(name)
        changes.set_password(connection, by(), of, name, made)
        reload(config, USERS.reload)
        told = {"user": changes.aor_of(connection, of, name)}
        show_one(told if password_file else {**told, "password": made}, as_json=json)


@app.command
def remove(name: str, *, tenant: Named = "") -> None:
    """Remove a user; his phones can no longer register."""
    with desk() as (config, connection):
        changes.remove(connection, by(), USERS, *user_of(connection, name, tenant))
        reload(config, USERS.reload)


def read_password(path: Path | None) -> str:
    """Never an argument: those can be read by everybody on the machine."""
    if path is None:
        return ""
    text = sys.stdin.readline() if str(path) == "-" else path.read_text()
    if not (first := text.split("\n", 1)[0].rstrip("\r")):
        raise BadField("password", f"the first line of {path} is empty")
    return first
