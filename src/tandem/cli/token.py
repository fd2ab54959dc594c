"""`tandem token`: which programs may use the HTTP API."""

from typing import Literal

import msgspec
from cyclopts import App

from tandem.adapters.sqlite_accounts import list_tokens
from tandem.cli.desk import Json, by, desk, show_one, show_rows, tenant_of
from tandem.web import people

app = App(name="token", help="API tokens: which programs may use the HTTP API.")
COLUMNS = ("id", "role", "tenant", "note", "created_at", "expires_at")


@app.command
def add(
    role: Literal["admin", "operator"],
    *,
    tenant: str = "",
    note: str = "",
    days: int = 365,
    json: Json = False,
) -> None:
    """Make a token; it is shown once.

    Parameters
    ----------
    days: until it expires; 0: never.
    """
    with desk() as (_, connection):
        of = tenant_of(connection, tenant) if tenant else ""
        text, id, expires = people.add_token(connection, by(), role, of, note, days)
        show_one({"id": id, "token": text, "expires_at": expires}, as_json=json)


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List tokens, without the tokens themselves."""
    with desk() as (_, connection):
        rows = [msgspec.to_builtins(token) for token in list_tokens(connection)]
        shown = [{name: value for name, value in row.items() if name != "hash"} for row in rows]
        show_rows(shown, COLUMNS, as_json=json)


@app.command
def revoke(id: str) -> None:
    """Revoke a token; it is void at once."""
    with desk() as (_, connection):
        people.revoke_token(connection, by(), id)
