"""`tandem login`: who may use the HTTP API."""

from typing import Literal

import msgspec
from cyclopts import App

from tandem.accounts.model.login import Login
from tandem.accounts.service import make_login_hash, random_password
from tandem.adapters.sqlite_accounts import list_logins
from tandem.cli.desk import Json, by, desk, show_one, show_rows, tenant_of
from tandem.cli.user import PasswordFile, read_password
from tandem.web import people

app = App(name="login", help="Logins: who may use the HTTP API.")
COLUMNS = ("name", "role", "tenant", "user", "enabled", "created_at")
Role = Literal["admin", "operator", "user"]


@app.command
def add(
    name: str, role: Role, *, tenant: str = "", user: str = "", password_file: PasswordFile = None, json: Json = False,
) -> None:  # fmt: skip
    """Add a login: `tandem login add eve operator --tenant demo`. No tenant: the whole platform."""
    with desk() as (_, connection):
        name, who = name.strip().lower(), by()
        password = read_password(password_file) or random_password(name)
        of = tenant_of(connection, tenant) if tenant else ""
        login = Login(name, role, of, user, created_at=who.at)
        people.add_login(connection, who, login, make_login_hash(name, password))
        show_one(_told(name, "" if password_file else password), as_json=json)


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List logins."""
    with desk() as (_, connection):
        rows = [msgspec.to_builtins(login) for login in list_logins(connection)]
        show_rows(rows, COLUMNS, as_json=json)


@app.command
def password(name: str, *, password_file: PasswordFile = None, json: Json = False) -> None:
    """Set a login's password; its sessions end."""
    with desk() as (_, connection):
        made = read_password(password_file) or random_password(name)
        people.set_login_password(connection, by(), name, make_login_hash(name, made))
        show_one(_told(name, "" if password_file else made), as_json=json)


@app.command
def remove(name: str) -> None:
    """Remove a login; its sessions end."""
    with desk() as (_, connection):
        people.remove_login(connection, by(), name)


def _told(name: str, password: str) -> dict[str, str]:
    return {"login": name, "password": password} if password else {"login": name}
