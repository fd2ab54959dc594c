"""Allow and deny lists, emergency numbers and the route test over HTTP."""

from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, put
from litestar.openapi.spec import Example
from litestar.params import Body

from tandem.adapters.sqlite_accounts import get_tenant
from tandem.adapters.sqlite_routing import list_emergency, list_entries
from tandem.routing.model.rows import Emergency, ListEntry
from tandem.web import changes, plans
from tandem.web.auth import Who
from tandem.web.auth import now as time_now
from tandem.web.bodies import EmergencyLines, Lists, NewEmergency, NewListEntry
from tandem.web.changes import no_such
from tandem.web.common import ONE, WRITTEN, Asker, CallNode, InPath, Tables, Text, plain, written

TAGS = ["lists and emergency numbers"]
LINE = Example(value={"do": "deny", "kind": "prefix", "value": "+4990"})
RESCUE = Example(value={"number": "112", "trunk": "carrier"})
WHAT = "routing"


@get(
    "/api/tenants/{tenant:str}/lists",
    name="lists.list",
    summary="List allow and deny lines",
    tags=TAGS,
    responses=ONE,
)
async def lists(tenant: InPath, who: Asker, database: Tables) -> Lists:
    return Lists(await database.do(list_entries, who.only(tenant)))


@put(
    "/api/tenants/{tenant:str}/lists",
    name="lists.put",
    status_code=200,
    summary="Add a line, or turn it around",
    tags=TAGS,
    responses=ONE,
    response_headers=WRITTEN,
)
async def put_entry(
    tenant: InPath,
    data: Annotated[NewListEntry, Body(examples=[LINE])],
    who: Asker,
    database: Tables,
    node: CallNode,
) -> Response[ListEntry]:
    line = msgspec.structs.replace(plain(ListEntry, data), tenant=_path(who, tenant, data.tenant))
    await database.do(changes.put_line, who.by(), line)
    return written(line, live=await node.reload(WHAT))


@delete(
    "/api/tenants/{tenant:str}/lists",
    name="lists.remove",
    status_code=204,
    summary="Remove a line",
    tags=TAGS,
    responses=ONE,
    response_headers=WRITTEN,
)
async def remove_entry(
    tenant: InPath, who: Asker, database: Tables, node: CallNode, kind: Text, value: Text, owner: Text = "", direction: Text = "out",
) -> Response[None]:  # fmt: skip
    line = ListEntry(who.only(tenant), "deny", kind, value, owner, direction)
    await database.do(changes.remove_line, who.by(), line)
    return written(None, live=await node.reload(WHAT), status=204)


@get(
    "/api/tenants/{tenant:str}/emergency",
    name="emergency.list",
    summary="List emergency numbers",
    tags=TAGS,
    responses=ONE,
)
async def emergency(tenant: InPath, who: Asker, database: Tables) -> EmergencyLines:
    return EmergencyLines(await database.do(list_emergency, who.only(tenant)))


@put(
    "/api/tenants/{tenant:str}/emergency",
    name="emergency.put",
    status_code=200,
    summary="Add or change an emergency number",
    tags=TAGS,
    responses=ONE,
    response_headers=WRITTEN,
)
async def put_emergency(
    tenant: InPath,
    data: Annotated[NewEmergency, Body(examples=[RESCUE])],
    who: Asker,
    database: Tables,
    node: CallNode,
) -> Response[Emergency]:
    line = msgspec.structs.replace(plain(Emergency, data), tenant=_path(who, tenant, data.tenant))
    await database.do(changes.put_line, who.by(), line)
    return written(line, live=await node.reload(WHAT))


@delete(
    "/api/tenants/{tenant:str}/emergency",
    name="emergency.remove",
    status_code=204,
    summary="Remove an emergency number",
    tags=TAGS,
    responses=ONE,
    response_headers=WRITTEN,
)
async def remove_emergency(
    tenant: InPath, who: Asker, database: Tables, node: CallNode, number: Text, trunk: Text
) -> Response[None]:
    line = Emergency(who.only(tenant), number, trunk)
    await database.do(changes.remove_line, who.by(), line)
    return written(None, live=await node.reload(WHAT), status=204)


@get(
    "/api/plan",
    name="routes.test",
    summary="Where a call would go",
    tags=["trunks and routes"],
    responses=ONE,
)
async def plan(who: Asker, database: Tables, caller: Text, to: Text) -> dict[str, Any]:
    """`caller`: address of record, or trunk:id. Nobody is called. Passwords of trunks are left out."""
    if who.tenant:
        own = await database.do(get_tenant, who.tenant)
        if own is None or caller.partition("@")[2].lower() != own.domain:
            raise no_such("caller", caller, "caller")
    return plans.plain(await database.do(plans.find, caller, to, time_now()))


def _path(who: Who, tenant: str, named: str) -> str:
    who.only(tenant)
    if named not in ("", tenant):
        raise no_such("tenant", named, "tenant")
    return tenant


ROUTES = [lists, put_entry, remove_entry, emergency, put_emergency, remove_emergency, plan]
