"""Nodes, health and metrics over HTTP."""

import structlog
from litestar import Response, get, post
from litestar.params import FromPath

from tandem.adapters.sqlite import generations
from tandem.cluster.control import NoNode, Problem
from tandem.watch.metrics import METRICS_TYPE, render
from tandem.web.bodies import Nodes, NodeShown, Ready
from tandem.web.common import ACT, LIVE, Asker, CallNode, Tables
from tandem.web.noting import noted

log = structlog.get_logger()
TAGS = ["nodes"]
WATCH = ["watching"]


@get("/api/nodes", name="nodes.list", summary="List call nodes", tags=TAGS, responses=LIVE)
async def nodes(who: Asker, node: CallNode) -> Nodes:
    return Nodes([_node(await node.ask("ping"))])


@post(
    "/api/nodes/{number:int}/drain",
    name="nodes.drain",
    status_code=202,
    summary="Take no new calls",
    tags=TAGS,
    responses=ACT,
)
async def drain(
    number: FromPath[int], who: Asker, node: CallNode, database: Tables
) -> dict[str, str]:
    """Calls go on until they end; new ones get 503. A restart ends it."""
    known = _node(await node.ask("ping"))
    if known.node != number:
        raise Problem(404, "no such node", str(number), "number")
    await node.ask("drain")
    await noted(database, who, "node drained", str(number))
    return {}


@get("/healthz", name="healthz", summary="Whether this process lives", tags=WATCH)
async def healthz() -> dict[str, bool]:
    """Always 200: it says nothing of the call node."""
    return {"ok": True}


@get("/readyz", name="readyz", summary="Whether calls can be made", tags=WATCH, raises=[])
async def readyz(node: CallNode, database: Tables) -> Response[Ready]:
    """200, or 503 with the reasons: node or edge are not ready, or the database is not."""
    reasons: list[str] = []
    try:
        await database.do(generations)
    except Exception as error:
        log.error("the database cannot be read", exc_info=error)
        reasons.append("the database cannot be read")
    try:
        told = _node(await node.probe("ping"))
        reasons += told.reasons or ([] if told.ready else ["call node is not ready"])
    except NoNode:
        reasons.append("call node is not reachable")
    except Problem as problem:
        reasons.append(f"call node: {problem.title}")
    return Response(Ready(not reasons, reasons), status_code=503 if reasons else 200)


@get(
    "/metrics",
    name="metrics",
    summary="Counters for Prometheus",
    tags=WATCH,
    media_type=METRICS_TYPE,
)
async def metrics(node: CallNode) -> Response[bytes]:
    """Text format 0.0.4. `tandem_node_up` is 0 while the call node does not answer."""
    stats = ping = None
    try:
        ping, stats = await node.probe("ping"), await node.probe("stats")
    except (NoNode, Problem) as error:
        log.warning("no metrics of the node", why=str(error))
    return Response(render(ping, stats), media_type=METRICS_TYPE)


def _node(ping: dict[str, object]) -> NodeShown:
    fields = {name: ping[name] for name in NodeShown.__struct_fields__ if name in ping}
    return NodeShown(**{"node": 0, "ready": False, **fields})  # type: ignore[arg-type]


ROUTES = [nodes, drain, healthz, readyz, metrics]
