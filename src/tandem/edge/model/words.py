"""What an edge would do with its configuration, in sentences for people. It decides nothing."""

from collections.abc import Iterator

from tandem.edge.model.addresses import is_name, member_address
from tandem.edge.model.front import listens, members, routes
from tandem.edge.model.tree import Health, Member, Pool, Route, Tree

CHOICES = {
    "weighted": "by a hash of the Call-ID, in proportion to the weights",
    "round_robin": "one after the other, in proportion to the weights",
    "least_calls": "the one with the fewest calls for its weight",
    "least_response_time": "the quicker one of two",
}
STATES = {"draining": "no new calls", "off": "nothing is sent to it"}


def told(tree: Tree) -> Iterator[str]:
    """Line by line; the tree is a checked one, with everything that changed it."""
    yield from _door(tree)
    for pool in tree.pool:
        yield ""
        yield from _pool(pool)
    yield ""
    yield from _routes(tree)
    if tree.policy.file:
        yield ""
        yield from _policy(tree)


def routed(route: Route) -> str:
    """A route's condition."""
    parts = []
    if route.methods:
        parts.append(_or(route.methods))
    if route.domains:
        parts.append(f"to {_or(route.domains)}")
    if route.user_prefix:
        parts.append(f"to users that begin with {route.user_prefix}")
    if route.from_pool:
        parts.append(f"from servers of {route.from_pool}")
    if route.source:
        parts.append(f"from {_or(route.source)}")
    if route.listen:
        parts.append(f"on {route.listen}")
    return " ".join(parts) or "everything else"


def share(member: Member, others: tuple[Member, ...]) -> float:
    """The part of a pool's calls that a member gets while all are up, 0 to 1."""
    on = [one for one in others if one.state == "on" and one.weight]
    if member.state != "on" or not member.weight or not on:
        return 0.0
    first = min(one.priority for one in on)
    total = sum(one.weight for one in on if one.priority == first)
    return member.weight / total if member.priority == first else 0.0


def _door(tree: Tree) -> Iterator[str]:
    number, workers = tree.edge.id, tree.edge.workers
    if workers == 1:
        yield f"Edge {number}, one worker."
    else:
        yield f"Edges {number} to {number + workers - 1}: {workers} workers that share every address."
    for at in listens(tree):
        yield f"  listens on {at.text}" + (
            f", tells peers {at.advertised}" if at.advertised else ""
        )
    limits = tree.limits
    yield (
        f"  one address may begin {limits.source_rate} things a second, {limits.source_burst} at once; "
        f"{limits.connections_per_source} connections; a ban lasts {limits.ban_seconds} s"
    )
    if tree.nft.mode != "off":
        yield "  bans go to the kernel's nf_tables too" + (
            " where they may" * (tree.nft.mode == "auto")
        )
    if tree.hep.to:
        failed = ", and all that fail" if tree.hep.errors and tree.hep.sample_percent < 100 else ""
        yield f"  copies of {tree.hep.sample_percent:g} % of the calls{failed} go to {tree.hep.to}"
    for name, meaning in (("allow", "never limited"), ("deny", "never heard")):
        if networks := getattr(tree.lists, name):
            yield f"  {meaning}: {_some(networks)}"
    if tree.http.listen:
        yield f"  API and metrics on http://{tree.http.listen}"


def _pool(pool: Pool) -> Iterator[str]:
    whole = members(pool)
    count = "1 server" if len(whole) == 1 else f"{len(whole)} servers"
    if pool.dispatcher_list:
        count += f" (set {pool.set} of {pool.dispatcher_list}, which is watched)"
    choice = CHOICES.get(
        pool.algorithm, f"by a hash of {pool.hash_on}: the same server for the same value"
    )
    yield f"Pool {pool.name}: {count}, chosen {choice}."
    for one in whole:
        yield "  " + ", ".join(_member(one, whole))
    yield f"  {_health(pool.health)}"
    yield (
        f"  The next server is tried after {pool.answer_ms / 1000:g} s of silence, transport errors"
        + (f" and {_or(tuple(map(str, pool.retry)))}" if pool.retry else "")
        + ", as long as nobody rang."
    )
    wait = f" with Retry-After: {pool.retry_after_seconds}" if pool.retry_after_seconds else ""
    yield f"  All full: {pool.full_status}{wait}. None up: {pool.none_status}{wait}."
    stays = (
        "It stays in the path of dialogs" if pool.record_route else "It leaves the path of dialogs"
    )
    host = "" if pool.uri == "keep" else ", and writes the server's address into the Request-URI"
    yield f"  {stays}{host}."
    for cost in pool.costs:
        took = ", ".join(f"{n} of {name}" for name, n in cost.take.items()) or "nothing"
        yield f"  {_or(cost.methods) or 'Every request'} takes {took}" + (
            f" where a route says cost {cost.name}." if cost.name else "."
        )


def _member(member: Member, others: tuple[Member, ...]) -> Iterator[str]:
    name = "" if member.name == member.address else f"{member.name} "
    host, _ = member_address(member.address, member.transport, "members")
    if member.transport == "auto" and is_name(host):
        yield f"{name}{member.address} by what DNS says"
    else:
        transport = "udp" if member.transport == "auto" else member.transport
        yield f"{name}{transport}:{member.address}"
    if member.state != "on":
        yield f"{member.state}: {STATES[member.state]}"
    elif part := share(member, others):
        yield f"{part * 100:.3g} % of the calls"
    elif not member.weight:
        yield "weight 0: only after the others"
    else:
        yield f"only when no server of a lower priority than {member.priority} can take it"
    capacity = {"call": member.capacity} if isinstance(member.capacity, int) else member.capacity
    if capacity:
        calls = [f"{n} call{'s' * (n != 1)}" for n in (capacity.get("call"),) if n is not None]
        rest = [f"{n} {name}" for name, n in capacity.items() if name != "call"]
        yield "at most " + ", ".join(calls + rest)


def _health(health: Health) -> str:
    if not health.interval_ms:
        probes = "No probes."
    else:
        probes = (
            f"{health.method} every {health.interval_ms / 1000:g} s: {health.down_after} without an answer "
            f"within {health.timeout_ms / 1000:g} s take a server down, {health.up_after} good brings it back."
        )
    if not health.passive_down_after:
        return probes
    return (
        f"{probes} {health.passive_down_after} calls in a row without an answer rest it for "
        f"{health.grey_ms / 1000:g} s. If more than {health.panic_percent} % would be down, all are tried."
    )


def _routes(tree: Tree) -> Iterator[str]:
    whole = routes(tree)
    yield "Routes; the first that matches decides:" if whole else "No routes."
    for n, route in enumerate(whole, 1):
        does = f"to pool {route.pool}" if route.pool else f"refused with {route.refuse}"
        yield f"  {n}. {routed(route)}: {does}"
    if tree.pool:
        yield "  What servers begin goes where it is addressed, unless a route has from_pool or from."
    if not whole or routed(whole[-1]) != "everything else":
        yield f"  {len(whole) + 1}. everything else: refused with 404"
    if not tree.route and len(tree.pool) > 1:
        yield "  There is more than one pool: say with [[route]] which requests go where."


def _policy(tree: Tree) -> Iterator[str]:
    policy = tree.policy
    yield f"Policy: functions of {policy.file} are asked first; a request waits at most {policy.milliseconds} ms."
    if policy.otherwise:
        yield f"  Without a verdict: {policy.otherwise}."
    else:
        yield "  Without a verdict: as the routes say."


def _or(words: tuple[str, ...]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _some(words: tuple[str, ...]) -> str:
    more = len(words) - 8
    return ", ".join(words[:8]) + (f" and {more} more" if more > 0 else "")
