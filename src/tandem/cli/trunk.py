"""`tandem trunk`: carriers and other switches."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from msgspec.structs import replace

from tandem.adapters.sqlite_routing import list_trunks
from tandem.cli.ask import NoNode, Problem, ask
from tandem.cli.desk import Json, by, desk, fields, reload, show_one, show_rows, tenant_of
from tandem.cli.user import read_password
from tandem.routing.model.rows import Trunk
from tandem.web import changes
from tandem.web.changes import TRUNKS, values

app = App(name="trunk", help="Trunks: carriers and other switches.")
COLUMNS = (
    "id",
    "tenant",
    "host",
    "port",
    "transport",
    "username",
    "state",
    "expires_at",
    "error",
    "format",
    "max_calls",
    "enabled",
)
PasswordFile = Annotated[
    Path | None,
    Parameter(help="A file whose first line is the password; --password-file=-: standard input."),
]


@app.command
def add(
    id: str,
    host: str,
    *field: str,
    tenant: str = "",
    password_file: PasswordFile = None,
    json: Json = False,
) -> None:
    """Add a trunk: `tandem trunk add carrier sip.carrier.example cidrs=192.0.2.0/24 username=me`. No tenant: shared by all.

    Transport and port are what DNS says (NAPTR, SRV); `transport=tls` or `port=5070` say it themselves.
    """
    with desk() as (config, connection):
        of = tenant_of(connection, tenant) if tenant else ""
        password = read_password(password_file)
        given = fields(Trunk, field)
        trunk = replace(Trunk(id, host, of, password=password), **given)
        kept = changes.add(connection, by(), TRUNKS, trunk)
        reload(config, TRUNKS.reload)
        show_one(values(kept), as_json=json)


@app.command(name="list")
def list_(*, tenant: str = "", json: Json = False) -> None:
    """List trunks with their registration; with a tenant only its own."""
    with desk() as (config, connection):
        rows = list_trunks(connection, tenant_of(connection, tenant) if tenant else None)
        try:
            live = {trunk["id"]: trunk for trunk in ask(config.control_socket, "trunks.list")}
        except (NoNode, Problem):  # the rows are there without a node too
            live = {}
        shown = [{**values(trunk), **registration(live.get(trunk.id))} for trunk in rows]
        show_rows(shown, COLUMNS, as_json=json)


def registration(live: dict[str, Any] | None) -> dict[str, Any]:
    """State, end and last error of a trunk's registration, as the node tells it."""
    if live is None:
        return {"state": "?", "expires_at": None, "error": ""}
    if not live["register"]:
        return {"state": "-", "expires_at": None, "error": ""}
    return {
        "state": live["state"] or "off",
        "expires_at": live["expires_at"] or None,
        "error": live["error"],
    }


@app.command
def show(id: str, *, json: Json = False) -> None:
    """Show a trunk; its password is never shown."""
    with desk() as (_, connection):
        show_one(values(changes.show(connection, TRUNKS, id)), as_json=json)


@app.command(name="set")
def set_(id: str, *field: str, password_file: PasswordFile = None, json: Json = False) -> None:
    """Change fields: `tandem trunk set carrier max_calls=30 enabled=no`."""
    with desk() as (config, connection):
        given = fields(Trunk, field)
        if password_file:
            given["password"] = read_password(password_file)
        trunk = changes.change(connection, by(), TRUNKS, (id,), given)
        reload(config, TRUNKS.reload)
        show_one(values(trunk), as_json=json)


@app.command
def remove(id: str) -> None:
    """Remove a trunk with the routes and emergency numbers that lead to it."""
    with desk() as (config, connection):
        changes.remove(connection, by(), TRUNKS, id)
        reload(config, TRUNKS.reload)
