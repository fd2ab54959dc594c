"""Pools, servers, limits and bans of a standalone edge over HTTP. The admin process's questions do all of it."""

from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from tandem.cluster.control import NoNode, Problem
from tandem.edge.http.bodies import (
    Ban,
    BanBegun,
    Draining,
    Member,
    MemberChange,
    Overview,
    Pool,
    PoolChange,
    Pools,
    PoolShown,
    Ready,
    Rules,
    RulesChange,
    Unbanned,
    given,
    whole,
)
from tandem.edge.model.abuse import REPORTED_MOST, Report
from tandem.edge.model.view import EdgeView
from tandem.edge.questions import Questions
from tandem.watch.edge_metrics import render
from tandem.watch.metrics import METRICS_TYPE
from tandem.web.problems import AWAY, BAD, CLOSED, GONE

POOLS, RULES, EDGE, WATCH = ["pools"], ["limits and lists"], ["edge"], ["watching"]
READ: dict[int, Any] = {401: CLOSED[401], **AWAY}
ONE: dict[int, Any] = {**READ, **GONE}
WRITE: dict[int, Any] = {**ONE, **BAD}

Asked = NamedDependency[Questions]
Name = FromPath[str]
Source = Annotated[str, QueryParameter(description="Only this address.")]
Lines = Annotated[int, QueryParameter(ge=1, le=REPORTED_MOST, description="Of each part.")]


@get("/api/edge", name="edge.show", summary="The whole edge", tags=EDGE, responses=READ)
async def edge(questions: Asked) -> Overview:
    """Workers, counters, connections, pools with their servers, live changes, what could not be used."""
    ready = msgspec.convert(await questions.ready({}), Ready)
    return Overview(ready, await questions.desk.view())


@post("/api/edge/drain", name="edge.drain", summary="Take no new calls", tags=EDGE, responses=READ, status_code=200)  # fmt: skip
async def drain(questions: Asked) -> Draining:
    """OPTIONS get 503, so that others send their calls elsewhere. A restart of a worker ends it."""
    await questions.drain({})
    return Draining(draining=True)


@post("/api/edge/undrain", name="edge.undrain", summary="Take calls again", tags=EDGE, responses=READ, status_code=200)  # fmt: skip
async def undrain(questions: Asked) -> Draining:
    await questions.undrain({})
    return Draining(draining=False)


@post("/api/edge/reload", name="edge.reload", summary="Read edge.toml again", tags=EDGE, responses=WRITE, status_code=200)  # fmt: skip
async def reload(questions: Asked) -> dict[str, str]:
    """As `tandem edge reload`: a file that is refused changes nothing; what cannot change live restarts the workers."""
    await questions.reload({})
    return {}


@get("/api/pools", name="pools.list", summary="List pools", tags=POOLS, responses=READ)
async def pools(questions: Asked) -> Pools:
    return Pools([_pool(one) for one in questions.pools({})])


@get("/api/pools/{pool:str}", name="pools.show", summary="Show a pool", tags=POOLS, responses=ONE)
async def pool(pool: Name, questions: Asked) -> PoolShown:
    """As it is configured and as the workers see it."""
    configured = _pool(questions.pool({"pool": pool}))
    view = await questions.desk.view()
    return PoolShown(configured, next((one for one in view.pools if one.name == pool), None))


@put(
    "/api/pools/{pool:str}",
    name="pools.put",
    summary="Add or replace a pool",
    tags=POOLS,
    responses=WRITE,
)
async def pool_put(pool: Name, data: Pool, questions: Asked) -> Pool:
    """The whole pool with its servers. Servers of the same name keep their calls and their health."""
    if data.name != pool:
        raise Problem(400, "not acceptable", f"{data.name} is not the path's {pool}", "name")
    fields = whole(data)
    del fields["name"]
    members = [
        {"address": one} if isinstance(one, str) else one for one in fields.get("members", [])
    ]
    return _pool(await questions.pool_put({"pool": pool, "fields": {**fields, "members": members}}))


@patch(
    "/api/pools/{pool:str}",
    name="pools.change",
    summary="Change a pool",
    tags=POOLS,
    responses=WRITE,
)
async def pool_change(pool: Name, data: PoolChange, questions: Asked) -> Pool:
    return _pool(await questions.pool_change({"pool": pool, "fields": given(data)}))


@delete(
    "/api/pools/{pool:str}",
    name="pools.remove",
    summary="Remove a pool",
    tags=POOLS,
    responses=WRITE,
)
async def pool_remove(pool: Name, questions: Asked) -> None:
    """Refused while a route leads to it."""
    await questions.pool_remove({"pool": pool})


@get("/api/pools/{pool:str}/members/{member:str}", name="members.show", summary="Show a server", tags=POOLS, responses=ONE)  # fmt: skip
async def member(pool: Name, member: Name, questions: Asked) -> Member:
    return _member(questions.member({"pool": pool, "member": member}))


@put("/api/pools/{pool:str}/members/{member:str}", name="members.put", summary="Add or replace a server", tags=POOLS, responses=WRITE)  # fmt: skip
async def member_put(pool: Name, member: Name, data: Member, questions: Asked) -> Member:
    if data.name not in ("", member):
        raise Problem(400, "not acceptable", f"{data.name} is not the path's {member}", "name")
    fields = {name: value for name, value in whole(data).items() if name != "name"}
    asked = {"pool": pool, "member": member, "fields": fields, "replace": True}
    return _member(await questions.member_add(asked))


@patch("/api/pools/{pool:str}/members/{member:str}", name="members.change", summary="Change a server", tags=POOLS, responses=WRITE)  # fmt: skip
async def member_change(pool: Name, member: Name, data: MemberChange, questions: Asked) -> Member:
    """`{"state": "draining"}` lets its calls end; `{"weight": null}` gives the default back."""
    asked = {"pool": pool, "member": member, "fields": given(data)}
    return _member(await questions.member_change(asked))


@delete("/api/pools/{pool:str}/members/{member:str}", name="members.remove", summary="Remove a server", tags=POOLS, responses=WRITE)  # fmt: skip
async def member_remove(pool: Name, member: Name, questions: Asked) -> None:
    """Calls that it has go on."""
    await questions.member_remove({"pool": pool, "member": member})


@get("/api/rules", name="rules.show", summary="Limits and lists", tags=RULES, responses=READ)
async def rules(questions: Asked) -> Rules:
    return msgspec.convert(questions.rules({}), Rules)


@patch(
    "/api/rules",
    name="rules.change",
    summary="Change limits and lists",
    tags=RULES,
    responses=WRITE,
)
async def rules_change(data: RulesChange, questions: Asked) -> Rules:
    return msgspec.convert(await questions.rules_change(given(data)), Rules)


@get("/api/abuse", name="abuse.show", summary="Who is banned and who is refused", tags=RULES, responses={**READ, **BAD})  # fmt: skip
async def abuse(questions: Asked, source: Source = "", most: Lines = 20) -> Report:
    """Bans with their reasons and ends, the worst sources, refusals by reason, the last refused messages; all workers together."""
    of = {"source": source} if source else {}
    return msgspec.convert(await questions.abuse({"most": most, **of}), Report)


@post("/api/bans", name="bans.add", summary="Ban an address", tags=RULES, responses=WRITE)
async def ban(data: Ban, questions: Asked) -> BanBegun:
    seconds = {"seconds": data.seconds} if data.seconds else {}
    told = await questions.ban({"source": data.source, "note": data.note, **seconds})
    return BanBegun(data.source, told["seconds"], told["missing"])


@delete("/api/bans/{source:str}", name="bans.remove", summary="Hear an address again", tags=RULES, responses=WRITE, status_code=200)  # fmt: skip
async def unban(source: Name, questions: Asked) -> Unbanned:
    return msgspec.convert(await questions.unban({"source": source}), Unbanned)


@get(
    "/api/changes", name="changes.show", summary="What was changed live", tags=EDGE, responses=READ
)
async def changes(questions: Asked) -> dict[str, Any]:
    """A merge patch over edge.toml, in which pools and servers are keyed by name."""
    return questions.desk.patch


@delete(
    "/api/changes",
    name="changes.forget",
    summary="End every live change",
    tags=EDGE,
    responses=WRITE,
)
async def forget(questions: Asked) -> None:
    await questions.forget({})


@get("/healthz", name="healthz", summary="Whether this process lives", tags=WATCH)
async def healthz() -> dict[str, bool]:
    """Always 200: it says nothing of the workers."""
    return {"ok": True}


@get("/readyz", name="readyz", summary="Whether calls find their way", tags=WATCH, raises=[])
async def readyz(questions: Asked) -> Response[Ready]:
    """200, or 503 with the reasons. One worker and one server up are enough; what is missing beside them is told too."""
    ready = msgspec.convert(await questions.ready({}), Ready)
    return Response(ready, status_code=200 if ready.ready else 503)


@get(
    "/metrics",
    name="metrics",
    summary="Counters for Prometheus",
    tags=WATCH,
    media_type=METRICS_TYPE,
)
async def metrics(questions: Asked) -> Response[bytes]:
    """Text format 0.0.4."""
    try:
        view = await questions.desk.view()
    except NoNode:  # pragma: no cover - a fleet answers without its workers too
        view = EdgeView()
    return Response(render(view), media_type=METRICS_TYPE)


def _pool(plain: dict[str, Any]) -> Pool:
    return msgspec.convert(plain, Pool)


def _member(plain: dict[str, Any]) -> Member:
    return msgspec.convert(plain, Member)


ROUTES: list[Any] = [
    edge, drain, undrain, reload, pools, pool, pool_put, pool_change, pool_remove,
    member, member_put, member_change, member_remove, rules, rules_change, abuse, ban, unban,
    changes, forget, healthz, readyz, metrics,
]  # fmt: skip
