"""The few lines that an edge says of itself at its start. Text only."""

from collections.abc import Iterator, Sequence

from tandem.edge import truth
from tandem.edge.config import EdgeConfig
from tandem.edge.model.front import members, routes
from tandem.edge.model.words import routed


def summary(config: EdgeConfig, listens: Sequence[str], http: str) -> Iterator[str]:
    """`listens` and `http` are bound addresses."""
    tree, why = truth.now(config)
    count = len(config.edges)
    yield f"Tandem edge {config.tree.edge.id}, {count} worker{'s' if count > 1 else ''}, {config.file}"
    yield f"  listens  {'  '.join(listens)}"
    for pool in tree.pool:
        whole = members(pool)
        shown = ", ".join(one.name for one in whole[:6])
        more = f" and {len(whole) - 6} more" if len(whole) > 6 else ""
        yield f"  pool     {pool.name} ({pool.algorithm}): {shown or 'no servers'}{more}"
    for route in routes(tree):
        yield f"  route    {routed(route)}: {route.pool or f'refused with {route.refuse}'}"
    if http:
        yield f"  API      http://{http}/api/openapi.json, token in {config.http_token}"
    if why:
        yield f"  WARNING  not used: {why}"
    yield "  look     tandem top | tandem edge pools | tandem edge status"
