"""`tandem tenant`: whose users share a domain."""

from cyclopts import App
from msgspec.structs import replace

from tandem.accounts.model.account import Tenant
from tandem.adapters.sqlite_accounts import count_users, list_tenants
from tandem.cli.desk import Json, by, desk, fail, fields, reload, show_one, show_rows, tenant_of
from tandem.web import changes
from tandem.web.changes import TENANTS, values

app = App(name="tenant", help="Tenants: whose users share a domain.")
COLUMNS = ("id", "domain", "name", "users", "country_code", "max_calls", "enabled")


@app.command
def add(id: str, domain: str, *field: str, json: Json = False) -> None:
    """Add a tenant: `tandem tenant add acme acme.example country_code=49 area_code=30`."""
    with desk() as (config, connection):
        tenant = replace(Tenant(id, domain), **fields(Tenant, field))
        kept = changes.add(connection, by(), TENANTS, tenant)
        reload(config, TENANTS.reload)
        show_one(values(kept), as_json=json)


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List tenants."""
    with desk() as (_, connection):
        rows = [
            {**values(tenant), "users": count_users(connection, tenant.id)}
            for tenant in list_tenants(connection)
        ]
        show_rows(rows, COLUMNS, as_json=json)


@app.command
def show(id: str, *, json: Json = False) -> None:
    """Show a tenant, by id or domain."""
    with desk() as (_, connection):
        tenant = changes.show(connection, TENANTS, tenant_of(connection, id))
        show_one(values(tenant), as_json=json)


@app.command(name="set")
def set_(id: str, *field: str, json: Json = False) -> None:
    """Change fields: `tandem tenant set acme max_calls=100`."""
    with desk() as (config, connection):
        tenant = changes.change(connection, by(), TENANTS, (id,), fields(Tenant, field))
        reload(config, TENANTS.reload)
        show_one(values(tenant), as_json=json)


@app.command
def remove(id: str, *, yes: bool = False) -> None:
    """Remove a tenant with its users, trunks, routes and lists.

    Parameters
    ----------
    yes: do it although the tenant has users.
    """
    with desk() as (config, connection):
        users = count_users(connection, id)
        if users and not yes:
            fail(f"{id} has {users} users, which would go with it: say --yes")
        changes.remove(connection, by(), TENANTS, id)
        reload(config, TENANTS.reload)
