"""Where phones are, over HTTP. The registrar is in the call node; without it these answer 503."""

import msgspec
from litestar import Response, delete, get

from tandem.adapters.sqlite_accounts import get_tenant
from tandem.web.bodies import Registration, Registrations
from tandem.web.changes import no_such
from tandem.web.common import LIVE, PAGE, Asker, CallNode, Cursor, InPath, Limit, Tables, TenantWish
from tandem.web.noting import noted

TAGS = ["registrations"]


@get(
    "/api/registrations",
    name="registrations.list",
    summary="List registered phones",
    tags=TAGS,
    responses=LIVE,
)
async def registrations(
    who: Asker,
    node: CallNode,
    database: Tables,
    tenant: TenantWish = "",
    limit: Limit = PAGE,
    cursor: Cursor = "",
) -> Registrations:
    offset = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 12 else 0
    asked: dict[str, object] = {"offset": offset, "limit": limit}
    if wanted := who.only(tenant):
        asked["tenant"] = wanted
    if who.reach == "own":
        asked["aor"] = who.aor
    rows = msgspec.convert(await node.ask("registrations.list", **asked), list[Registration])
    after = str(offset + len(rows)) if len(rows) >= limit else ""
    if who.reach == "own":
        return Registrations([row for row in rows if row.aor == who.aor], after)
    if wanted:  # whatever the node answers, another tenant's phones are not shown
        found = await database.do(get_tenant, wanted)
        domain = found.domain if found else ""
        rows = [row for row in rows if row.aor.partition("@")[2] == domain]
    return Registrations(rows, after)


@delete(
    "/api/registrations/{aor:str}",
    name="registrations.remove",
    status_code=204,
    summary="Forget where somebody's phones are",
    tags=TAGS,
    responses=LIVE,
)
async def drop(aor: InPath, who: Asker, node: CallNode, database: Tables) -> Response[None]:
    """The phones register again at their next refresh."""
    if who.reach == "own" and aor != who.aor:
        raise no_such("registration", aor, "aor")
    if who.tenant:
        own = await database.do(get_tenant, who.tenant)
        if own is None or aor.partition("@")[2] != own.domain:
            raise no_such("registration", aor, "aor")
    await node.ask("registrations.drop", aor=aor)
    await noted(database, who, "registration dropped", aor)
    return Response(None, status_code=204)


ROUTES = [registrations, drop]
