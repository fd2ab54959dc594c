"""The checked tree, and what a worker is told of it: the JSON of the front and of the policy. It sends nothing."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tandem.edge.model.addresses import (
    At,
    BadValue,
    is_name,
    joined,
    listening,
    member_address,
    network,
)
from tandem.edge.model.sections import METHOD_CHARACTERS, bad_copies
from tandem.edge.model.tree import EDGES_MOST, MEMBERS_MOST, Member, Pool, Route, Tree
from tandem.names.model import bad_server

INVITE_COST: dict[str, Any] = {"methods": ["INVITE"], "take": {"call": 1}}


def checked(tree: Tree) -> Tree:
    """The same tree if all of it can be used; raises BadValue."""
    ids = tree.edge.id + tree.edge.workers - 1
    if ids > EDGES_MOST:
        why = f"with {tree.edge.workers} workers the last one has number {ids}, the limit is {EDGES_MOST}"
        raise BadValue("edge.id", tree.edge.id, why)
    _once("edge.listen", [at.text for at in listens(tree) if at.port])
    _once("pool", [pool.name for pool in tree.pool], ".name")
    count = 0
    for n, pool in enumerate(tree.pool):
        _pool(f"pool[{n}]", pool)
        count += len(pool.members)
    if count > MEMBERS_MOST:
        raise BadValue("pool", count, f"at most {MEMBERS_MOST} members in all pools")
    for n, route in enumerate(tree.route):
        _route(f"route[{n}]", route, tree)
    for field in ("allow", "deny"):
        for n, text in enumerate(getattr(tree.lists, field)):
            network(text, f"lists.{field}[{n}]")
    for n, text in enumerate(tree.edge.local_net):
        network(text, f"edge.local_net[{n}]")
    for n, text in enumerate(tree.tls.certificates):
        if len(text.split()) != 2:
            raise BadValue(f"tls.certificates[{n}]", text, "write `certificate.pem key.pem`")
    if told := bad_server(tree.dns):
        field, _, why = told.partition(": ")
        raise BadValue(field, tree.dns.servers, why)
    if told := bad_copies(tree.hep):
        raise BadValue("hep.to", tree.hep.to, told.rpartition(": ")[2])
    _otherwise(tree)
    return tree


def listens(tree: Tree) -> tuple[At, ...]:
    """The listening addresses; raises BadValue."""
    return tuple(
        listening(one, f"edge.listen[{n}]", tree.edge.advertised)
        for n, one in enumerate(tree.edge.listen)
    )


def front(tree: Tree, policy_socket: str = "") -> dict[str, Any]:
    """`front` of a worker's configuration. The tree is a checked one."""
    at = [one.text for one in listens(tree)]
    return {
        "pools": [_told_pool(pool) for pool in tree.pool],
        "routes": [_told_route(route, at) for route in routes(tree)],
        "aliases": list(tree.edge.aliases),
        **({"policy": _told_policy(tree, policy_socket)} if policy_socket else {}),
    }


def routes(tree: Tree) -> tuple[Route, ...]:
    """Those of the file; with none and only one pool: everything goes there."""
    if tree.route or len(tree.pool) != 1:
        return tree.route
    return (Route(pool=tree.pool[0].name),)


def policy(tree: Tree) -> dict[str, Any]:
    """The policy of docs/concepts/boundary.md, 5, as far as an edge without call nodes has one."""
    domain = tree.edge.domain
    return {
        "default_domain": domain,
        "domains": {domain: "default"},
        "allow": [network(text, "lists.allow") for text in tree.lists.allow],
        "deny": [network(text, "lists.deny") for text in tree.lists.deny],
        "limits": msgspec.to_builtins(tree.limits),
        **({} if tree.lists.scanners is None else {"scanners": list(tree.lists.scanners)}),
    }


def members(pool: Pool) -> tuple[Member, ...]:
    """With their names; what was written as a mere address is a member with defaults."""
    whole = (Member(one) if isinstance(one, str) else one for one in pool.members)
    return tuple(msgspec.structs.replace(one, name=one.name or one.address) for one in whole)


def _pool(field: str, pool: Pool) -> None:
    if pool.algorithm != "hash" and pool.hash_on != "call_id":
        raise BadValue(
            f"{field}.hash_on",
            pool.hash_on,
            'it needs algorithm = "hash"; this pool has ' + pool.algorithm,
        )
    whole = members(pool)
    _once(f"{field}.members", [one.name for one in whole], ".name")
    for n, one in enumerate(whole):
        member_address(one.address, one.transport, f"{field}.members[{n}].address")
    for n, text in enumerate(pool.health.good):
        _statuses(text, f"{field}.health.good[{n}]")
    for n, cost in enumerate(pool.costs):
        _methods(f"{field}.costs[{n}].methods", cost.methods)


def _route(field: str, route: Route, tree: Tree) -> None:
    names = {pool.name for pool in tree.pool}
    if bool(route.pool) == (route.refuse is not None):
        raise BadValue(field, route.pool or route.refuse, "a route has either `pool` or `refuse`")
    for key in ("pool", "from_pool"):
        name = getattr(route, key)
        if name and name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise BadValue(f"{field}.{key}", name, f"there is no such pool; there are: {known}")
    if route.listen and route.listen not in {at.text for at in listens(tree)}:
        raise BadValue(f"{field}.listen", route.listen, "it is not one of edge.listen")
    for n, text in enumerate(route.source):
        network(text, f"{field}.from[{n}]")
    _methods(f"{field}.methods", route.methods)
    if route.cost:
        costs = [c.name for pool in tree.pool if pool.name == route.pool for c in pool.costs]
        if route.cost not in costs:
            raise BadValue(
                f"{field}.cost", route.cost, f"pool {route.pool} has no cost of that name"
            )


def _methods(field: str, methods: tuple[str, ...]) -> None:
    for n, text in enumerate(methods):
        if not (text.isascii() and text.isupper() and len(text) <= METHOD_CHARACTERS):
            raise BadValue(f"{field}[{n}]", text, "a method is written in capitals, like INVITE")


def _statuses(text: str, field: str) -> None:
    first, dash, last = text.partition("-")
    numbers = [first, last] if dash else [first]
    whole = all(n.isascii() and n.isdigit() and 200 <= int(n) <= 699 for n in numbers)
    if not whole or (dash and int(first) > int(last)):
        raise BadValue(field, text, "a status from 200 to 699, or a range like 200-299")


def _otherwise(tree: Tree) -> None:
    text, field = tree.policy.otherwise, "policy.otherwise"
    if not text or text in {pool.name for pool in tree.pool}:
        return
    if not (text.isascii() and text.isdigit() and 300 <= int(text) <= 699):
        raise BadValue(field, text, "the name of a pool, or a status from 300 to 699")


def _once(field: str, names: list[str], key: str = "") -> None:
    seen: set[str] = set()
    for n, name in enumerate(names):
        if name in seen:
            raise BadValue(f"{field}[{n}]{key}", name, "it stands there twice")
        seen.add(name)


def _told_pool(pool: Pool) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(pool)
    for key in ("dispatcher_list", "set"):
        del told[key]
    told["costs"] = [_without_empty(cost) for cost in told["costs"]] or [INVITE_COST]
    told["members"] = [_told_member(one) for one in members(pool)]
    return told


def _told_member(member: Member) -> dict[str, Any]:
    """With a name instead of an address as it is written: the worker asks DNS for what it does not say."""
    host, port = member_address(member.address, member.transport, "members")
    told: dict[str, Any] = msgspec.to_builtins(member)
    if is_name(host):
        said = "" if member.transport == "auto" else f";transport={member.transport}"
        told |= {"host": member.address + said, "address": "", "transport": ""}
    else:
        told["address"] = joined(host, port)
        told["transport"] = "udp" if member.transport == "auto" else member.transport
    if isinstance(member.capacity, int):
        told["capacity"] = {"call": member.capacity}
    return _without_empty(told) | {"name": member.name}


def _told_policy(tree: Tree, socket: str) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(tree.policy)
    del told["file"]
    return {**told, "socket": socket}


def _told_route(route: Route, listens: list[str]) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(route)
    told["listen"] = listens.index(route.listen) if route.listen else None
    told["from"] = [network(text, "from") for text in route.source]
    return _without_empty(told)


def _without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in ("", None, [], {}, ())}
