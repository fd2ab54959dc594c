"""Live calls over HTTP, and what is known of one call, live or past. The call node decides; without it these answer 503."""

import asyncio
import re
import time
from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, post
from litestar.openapi.spec import Example
from litestar.params import Body

from tandem.adapters.sqlite import Database
from tandem.adapters.sqlite_accounts import get_tenant
from tandem.adapters.sqlite_records import events_of, get_cdr
from tandem.cluster.control import NoNode, Problem
from tandem.records.model import CallEvent, Cdr
from tandem.records.why import why as tell
from tandem.web.auth import Who
from tandem.web.bodies import (
    Events,
    LiveCall,
    LiveCalls,
    NewCall,
    Recording,
    Trace,
    TraceMessage,
    Transfer,
    Why,
    event_shown,
)
from tandem.web.changes import no_such
from tandem.web.common import (
    ACT,
    LIVE,
    PAGE,
    Asker,
    CallNode,
    Cursor,
    InPath,
    Limit,
    Tables,
    TenantWish,
)
from tandem.web.node import Node
from tandem.web.noting import noted

TAGS = ["calls"]
KEPT_SECONDS = 1.0  # from a call's end until its CDR is in the database, when all is well
CALL = Example(value={"from": "alice@acme.example", "to": "+4930123456"})
MOVE = Example(value={"to": "carol", "leg": "caller"})
RECORD = Example(value={"action": "start"})
_CALL_ID = re.compile("[0-9a-hjkmnp-tv-z]{13}")  # docs/concepts/boundary.md, 1
# RFC 7616 3.4.1, quoted or not, also on a folded line; and credentials of any other scheme
_DIGEST = re.compile(r'(?i)\b(response\s*=\s*)(?:"[^"]*"|[^\s,]+)')
_OTHER = re.compile(r"(?im)^((?:proxy-)?authorization[ \t]*:)(?![ \t]*digest\b)[^\r\n]+")


@get("/api/calls", name="calls.list", summary="List live calls", tags=TAGS, responses=LIVE)
async def calls(
    who: Asker, node: CallNode, tenant: TenantWish = "", limit: Limit = PAGE, cursor: Cursor = ""
) -> LiveCalls:
    asked: dict[str, Any] = {"limit": limit}
    if wanted := who.only(tenant):
        asked["tenant"] = wanted
    if who.reach == "own":
        asked["user"] = who.aor
    if cursor:
        asked["after"] = cursor
    rows = [_call(row) for row in await node.ask("calls.list", **asked)]
    seen = [call for call in rows if _sees(who, call)]
    return LiveCalls(seen, max(call.id for call in rows) if len(rows) >= limit else "")


@get(
    "/api/calls/{id:str}",
    name="calls.show",
    summary="Show a live call with its transactions",
    tags=TAGS,
    responses=LIVE,
)
async def call(id: InPath, who: Asker, node: CallNode) -> dict[str, Any]:
    found: dict[str, Any] = await node.ask("calls.show", id=id)
    if not _sees(who, _call(found)):
        raise no_such("call", id, "id")
    return found


@post(
    "/api/calls",
    name="calls.originate",
    status_code=201,
    summary="Ring somebody, then connect him",
    tags=TAGS,
    responses=ACT,
)
async def originate(
    data: Annotated[NewCall, Body(examples=[CALL])], who: Asker, node: CallNode, database: Tables
) -> dict[str, Any]:
    """Rings the phones of `from`; whoever answers is connected with `to`."""
    caller = data.from_.strip().lower() or who.aor
    if who.reach == "own" and caller != who.aor:
        raise Problem(403, "not allowed", "a user calls from his own phones only", "from")
    if who.tenant and who.reach != "own":
        own = await database.do(get_tenant, who.tenant)
        if own is None or caller.partition("@")[2] != own.domain:
            raise no_such("user", caller, "from")
    made: dict[str, Any] = await node.ask(
        "calls.originate", **{"from": caller, "to": data.to, "by": who.name}
    )
    await noted(
        database, who, "call originated", str(made.get("id", "")), caller=caller, to=data.to
    )
    return made


@delete(
    "/api/calls/{id:str}",
    name="calls.hangup",
    status_code=204,
    summary="Hang up",
    tags=TAGS,
    responses=ACT,
)
async def hangup(id: InPath, who: Asker, node: CallNode, database: Tables) -> Response[None]:
    tenant = (await call.fn(id, who, node))["tenant"]
    await node.ask("calls.hangup", id=id, by=who.name)
    await noted(database, who, "call hung up", id, tenant)
    return Response(None, status_code=204)


@post(
    "/api/calls/{id:str}/transfer",
    name="calls.transfer",
    status_code=202,
    summary="Connect one side with somebody else",
    tags=TAGS,
    responses=ACT,
)
async def transfer(
    id: InPath,
    data: Annotated[Transfer, Body(examples=[MOVE])],
    who: Asker,
    node: CallNode,
    database: Tables,
) -> dict[str, Any]:
    tenant = (await call.fn(id, who, node))["tenant"]
    moved: dict[str, Any] = await node.ask(
        "calls.transfer", id=id, to=data.to, leg=data.leg, by=who.name
    )
    await noted(database, who, "call transferred", id, tenant, to=data.to, leg=data.leg)
    return moved


@post(
    "/api/calls/{id:str}/record",
    name="calls.record",
    status_code=202,
    summary="Record it, pause that, or end it",
    tags=TAGS,
    responses=ACT,
)
async def record(
    id: InPath,
    data: Annotated[Recording, Body(examples=[RECORD])],
    who: Asker,
    node: CallNode,
    database: Tables,
) -> dict[str, Any]:
    tenant = (await call.fn(id, who, node))["tenant"]
    await node.ask("calls.record", id=id, action=data.action, by=who.name)
    await noted(database, who, "call recorded", id, tenant, action=data.action)
    return {}


@get(
    "/api/calls/{id:str}/trace",
    name="calls.trace",
    summary="The SIP messages of a call",
    tags=TAGS,
    responses=LIVE,
)
async def trace(id: InPath, who: Asker, node: CallNode, database: Tables) -> Trace:
    """Kept in the node's memory for the newest calls. Digest responses are taken out."""
    await _tenant_of(id, who, node, database)
    rows = msgspec.convert(await node.ask("trace", id=id), list[TraceMessage])
    return Trace([msgspec.structs.replace(row, text=hide(row.text)) for row in rows])


@get(
    "/api/calls/{id:str}/events",
    name="calls.events",
    summary="What happened to a call",
    tags=TAGS,
    responses=LIVE,
)
async def events(id: InPath, who: Asker, node: CallNode, database: Tables) -> Events:
    _, found = await _known(id, who, node, database)
    return Events([event_shown(event) for event in found])


@get(
    "/api/calls/{id:str}/why",
    name="calls.why",
    summary="A call in one paragraph",
    tags=TAGS,
    responses=LIVE,
)
async def why(id: InPath, who: Asker, node: CallNode, database: Tables) -> Why:
    return Why(tell(*await _known(id, who, node, database)))


def hide(text: str) -> str:
    """A SIP message without what a password could be guessed from, or is."""
    head, blank, body = text.partition("\r\n\r\n")
    return _OTHER.sub(r"\1 (hidden)", _DIGEST.sub(r'\1"(hidden)"', head)) + blank + body


async def _known(
    id: str, who: Who, node: Node, database: Database
) -> tuple[Cdr | None, list[CallEvent]]:
    """CDR and events. The kept records first: they are there without a node."""
    await _tenant_of(id, who, node, database)
    cdr, kept = await database.do(get_cdr, id), await database.do(events_of, id)
    if cdr is None:  # a live call's events may not have been kept yet
        try:
            told = [CallEvent(**event) for event in await node.ask("events", id=id)]
            kept = told if len(told) > len(kept) else kept
        except (NoNode, Problem):
            if not kept:
                raise
    return cdr, kept


async def _tenant_of(id: str, who: Who, node: Node, database: Database) -> str:
    """The tenant of a call, past or live. Raises Problem 404 unless who may see it."""
    cdr = await database.do(get_cdr, id)
    if cdr is None:
        try:
            found = _call(await node.ask("calls.show", id=id))
        except Problem as problem:
            if problem.status != 404 or not _CALL_ID.fullmatch(id):
                raise
            cdr = await _fresh(id, database)  # it ended a moment ago, or never was
            if cdr is None:
                raise
        else:
            if not _sees(who, found):
                raise no_such("call", id, "id")
            return found.tenant
    if not sees_cdr(who, cdr):
        raise no_such("call", id, "id")
    return cdr.tenant


async def _fresh(id: str, database: Database) -> Cdr | None:
    """The CDR of a call that ended just now: it is on its way from the journal to the database."""
    until = time.monotonic() + KEPT_SECONDS
    while time.monotonic() < until:
        await asyncio.sleep(KEPT_SECONDS / 10)
        if (cdr := await database.do(get_cdr, id)) is not None:
            return cdr
    return None


def sees_cdr(who: Who, cdr: Cdr) -> bool:
    parties = (cdr.caller, cdr.callee, cdr.answered_by)
    return who.sees(cdr.tenant) and (who.reach != "own" or (bool(who.aor) and who.aor in parties))


def _sees(who: Who, call: LiveCall) -> bool:
    parties = (call.caller, call.callee, *(leg.who for leg in call.legs))
    return who.sees(call.tenant) and (who.reach != "own" or (bool(who.aor) and who.aor in parties))


def _call(row: Any) -> LiveCall:
    return msgspec.convert(row, LiveCall)


ROUTES = [calls, call, originate, hangup, transfer, record, trace, events, why]
