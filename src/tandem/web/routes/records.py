"""CDRs and the audit log over HTTP: read only."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

import msgspec
from litestar import get
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from tandem.adapters.sqlite import Database
from tandem.adapters.sqlite_records import get_cdr, list_audit, list_cdrs
from tandem.records.export import csv_lines, json_lines
from tandem.records.model import Cdr
from tandem.records.query import PAGE_MOST, CdrQuery
from tandem.web.auth import Who
from tandem.web.bodies import Audit, AuditLine, Cdrs
from tandem.web.changes import no_such
from tandem.web.common import (
    ONE,
    PAGE,
    READ,
    Asker,
    Cursor,
    InPath,
    Limit,
    Tables,
    TenantWish,
    Text,
)
from tandem.web.routes.calls import sees_cdr

TAGS = ["records"]
WHEN_MOST = 2**62  # the tables hold no larger number
When = Annotated[
    int,
    QueryParameter(ge=0, le=WHEN_MOST, description="Microseconds since 1970; 0: no limit."),
]
Party = Annotated[
    str, QueryParameter(max_length=256, description="Caller, callee or who answered.")
]


@get(
    "/api/cdrs",
    name="cdrs.list",
    summary="List past calls, newest first",
    tags=TAGS,
    responses=READ,
)
async def cdrs(
    who: Asker, database: Tables, tenant: TenantWish = "", party: Party = "", caller: Text = "", callee: Text = "",
    trunk: Text = "", why: Text = "", since: When = 0, until: When = 0, limit: Limit = PAGE, cursor: Cursor = "",
) -> Cdrs:  # fmt: skip
    query = _query(who, CdrQuery(tenant, party, caller, callee, trunk, since, until, why=why))
    page = await database.do(list_cdrs, query, cursor, limit)
    return Cdrs(page.cdrs, page.cursor)


@get(
    "/api/cdrs/export",
    name="cdrs.export",
    summary="All CDRs of a selection as CSV or JSON lines",
    tags=TAGS,
    responses=READ,
)
async def export(
    who: Asker, database: Tables, format: FromQuery[Literal["csv", "jsonl"]] = "csv", tenant: TenantWish = "", party: Party = "",
    caller: Text = "", callee: Text = "", trunk: Text = "", why: Text = "", since: When = 0, until: When = 0,
) -> Stream:  # fmt: skip
    """Read page by page while it is sent: a CDR that is written meanwhile may be missing."""
    query = _query(who, CdrQuery(tenant, party, caller, callee, trunk, since, until, why=why))
    return Stream(
        _exported(database, query, format),
        media_type="text/csv; charset=utf-8" if format == "csv" else "application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="cdrs.{format}"'},
    )


@get("/api/cdrs/{id:str}", name="cdrs.show", summary="Show a past call", tags=TAGS, responses=ONE)
async def cdr(id: InPath, who: Asker, database: Tables) -> Cdr:
    found = await database.do(get_cdr, id)
    if found is None or not sees_cdr(who, found):
        raise no_such("call", id, "id")
    return found


@get(
    "/api/audit",
    name="audit.list",
    summary="Who changed what, newest first",
    tags=TAGS,
    responses=READ,
)
async def audit(
    who: Asker, database: Tables, tenant: TenantWish = "", limit: Limit = PAGE, cursor: Cursor = ""
) -> Audit:
    before = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 else 0
    rows = await database.do(list_audit, who.only(tenant), before, limit)
    items = msgspec.convert(rows, list[AuditLine])
    return Audit(items, str(items[-1].id) if len(items) >= limit else "")


def _query(who: Who, asked: CdrQuery) -> CdrQuery:
    """What was asked, narrowed to what may be seen."""
    query = msgspec.structs.replace(asked, tenant=who.only(asked.tenant))
    if who.reach == "own":
        query = msgspec.structs.replace(query, party=who.aor or "nobody")
    return query


async def _exported(database: Database, query: CdrQuery, format: str) -> AsyncIterator[str]:
    cursor, first = "", True
    while first or cursor:
        page = await database.do(list_cdrs, query, cursor, PAGE_MOST)
        if format == "csv":
            text = "".join(csv_lines(page.cdrs))
            yield text if first else text.split("\r\n", 1)[1]
        else:
            yield "".join(json_lines(page.cdrs))
        cursor, first = page.cursor, False


ROUTES = [cdrs, export, cdr, audit]
