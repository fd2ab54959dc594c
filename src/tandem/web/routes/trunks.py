"""Trunks and routes over HTTP. A login of one tenant sees and changes only that tenant's; shared ones belong to the platform."""

import sqlite3
from typing import Annotated

from litestar import Response, delete, get, patch, post
from litestar.openapi.spec import Example
from litestar.params import Body

from tandem.adapters.sqlite import writing
from tandem.adapters.sqlite_routing import list_routes, list_trunks
from tandem.routing.model.rows import Route, Trunk
from tandem.web import changes
from tandem.web.auth import Who
from tandem.web.bodies import (
    NewRoute,
    NewTrunk,
    RouteChanges,
    Routes,
    TrunkChanges,
    Trunks,
    TrunkShown,
    given,
    shown,
)
from tandem.web.changes import ROUTES as ROUTE_ROWS
from tandem.web.changes import TRUNKS, By, Kind, T, no_such
from tandem.web.common import (
    ADD,
    ONE,
    PAGE,
    READ,
    WRITTEN,
    Asker,
    CallNode,
    Cursor,
    InPath,
    Limit,
    Tables,
    TenantWish,
    page,
    plain,
    written,
)

TAGS = ["trunks and routes"]
TRUNK = Example(value={"id": "carrier", "host": "sip.carrier.example", "cidrs": ["192.0.2.0/24"]})
ROUTE = Example(value={"id": "berlin", "trunk": "carrier", "tenant": "acme", "prefix": "+4930"})


@get("/api/trunks", name="trunks.list", summary="List trunks", tags=TAGS, responses=READ)
async def trunks(
    who: Asker, database: Tables, tenant: TenantWish = "", limit: Limit = PAGE, cursor: Cursor = ""
) -> Trunks:
    rows, after = page(await database.do(list_trunks, who.only(tenant) or None), cursor, limit)
    return Trunks([shown(trunk) for trunk in rows], after)


@post(
    "/api/trunks",
    name="trunks.add",
    summary="Add a trunk",
    tags=TAGS,
    responses=ADD,
    response_headers=WRITTEN,
)
async def add_trunk(
    data: Annotated[NewTrunk, Body(examples=[TRUNK])], who: Asker, database: Tables, node: CallNode
) -> Response[TrunkShown]:
    """`tenant` empty: every tenant may use it (only for logins of the whole platform)."""
    _mine(who, data.tenant)
    trunk = await database.do(changes.add, who.by(), TRUNKS, plain(Trunk, data))
    return written(shown(trunk), live=await node.reload(TRUNKS.reload), status=201)


@get("/api/trunks/{id:str}", name="trunks.show", summary="Show a trunk", tags=TAGS, responses=ONE)
async def trunk(id: InPath, who: Asker, database: Tables) -> TrunkShown:
    return shown(await database.do(_seen, who, TRUNKS, id))


@patch(
    "/api/trunks/{id:str}",
    name="trunks.change",
    summary="Change a trunk",
    tags=TAGS,
    responses=ADD,
    response_headers=WRITTEN,
)
async def change_trunk(
    id: InPath,
    data: Annotated[TrunkChanges, Body(examples=[Example(value={"enabled": False})])],
    who: Asker,
    database: Tables,
    node: CallNode,
) -> Response[TrunkShown]:
    """Without `password` the old one stays."""
    trunk = await database.do(_change, who, who.by(), TRUNKS, id, given(data))
    return written(shown(trunk), live=await node.reload(TRUNKS.reload))


@delete(
    "/api/trunks/{id:str}",
    name="trunks.remove",
    status_code=204,
    summary="Remove a trunk with the routes that lead to it",
    tags=TAGS,
    responses=ONE,
    response_headers=WRITTEN,
)
async def remove_trunk(id: InPath, who: Asker, database: Tables, node: CallNode) -> Response[None]:
    await database.do(_remove, who, who.by(), TRUNKS, id)
    return written(None, live=await node.reload(TRUNKS.reload), status=204)


@get("/api/routes", name="routes.list", summary="List routes", tags=TAGS, responses=READ)
async def routes(
    who: Asker, database: Tables, tenant: TenantWish = "", limit: Limit = PAGE, cursor: Cursor = ""
) -> Routes:
    return Routes(*page(await database.do(list_routes, who.only(tenant) or None), cursor, limit))


@post(
    "/api/routes",
    name="routes.add",
    summary="Add a route",
    tags=TAGS,
    responses=ADD,
    response_headers=WRITTEN,
)
async def add_route(
    data: Annotated[NewRoute, Body(examples=[ROUTE])], who: Asker, database: Tables, node: CallNode
) -> Response[Route]:
    """`tenant` empty: for tenants without a matching route of their own."""
    _mine(who, data.tenant)
    route = await database.do(changes.add, who.by(), ROUTE_ROWS, plain(Route, data))
    return written(route, live=await node.reload(ROUTE_ROWS.reload), status=201)


@get("/api/routes/{id:str}", name="routes.show", summary="Show a route", tags=TAGS, responses=ONE)
async def route(id: InPath, who: Asker, database: Tables) -> Route:
    return await database.do(_seen, who, ROUTE_ROWS, id)


@patch(
    "/api/routes/{id:str}",
    name="routes.change",
    summary="Change a route",
    tags=TAGS,
    responses=ADD,
    response_headers=WRITTEN,
)
async def change_route(
    id: InPath,
    data: Annotated[RouteChanges, Body(examples=[Example(value={"priority": 20})])],
    who: Asker,
    database: Tables,
    node: CallNode,
) -> Response[Route]:
    route = await database.do(_change, who, who.by(), ROUTE_ROWS, id, given(data))
    return written(route, live=await node.reload(ROUTE_ROWS.reload))


@delete(
    "/api/routes/{id:str}",
    name="routes.remove",
    status_code=204,
    summary="Remove a route",
    tags=TAGS,
    responses=ONE,
    response_headers=WRITTEN,
)
async def remove_route(id: InPath, who: Asker, database: Tables, node: CallNode) -> Response[None]:
    await database.do(_remove, who, who.by(), ROUTE_ROWS, id)
    return written(None, live=await node.reload(ROUTE_ROWS.reload), status=204)


def _mine(who: Who, tenant: str) -> None:
    if not who.sees(tenant):
        raise no_such("tenant", tenant, "tenant")


def _seen(connection: sqlite3.Connection, who: Who, kind: Kind[T], id: str) -> T:
    row = changes.show(connection, kind, id)
    if not who.sees(row.tenant):  # type: ignore[attr-defined]
        raise no_such(kind.noun, id, "id")
    return row


def _change(
    connection: sqlite3.Connection,
    who: Who,
    by: By,
    kind: Kind[T],
    id: str,
    given: dict[str, object],
) -> T:
    with writing(connection):
        _seen(connection, who, kind, id)
        _mine(who, str(given.get("tenant", who.tenant)))
        return changes.change(connection, by, kind, (id,), given)


def _remove(connection: sqlite3.Connection, who: Who, by: By, kind: Kind[T], id: str) -> None:
    with writing(connection):
        _seen(connection, who, kind, id)
        changes.remove(connection, by, kind, id)


ROUTES = [
    trunks, add_trunk, trunk, change_trunk, remove_trunk,
    routes, add_route, route, change_route, remove_route,
]  # fmt: skip
