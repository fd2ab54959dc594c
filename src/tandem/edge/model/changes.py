"""Live changes: a JSON merge patch (RFC 7396) over edge.toml in which pools and members are keyed by name. It keeps nothing.

{"pool": {"farm": {"members": {"fs1": {"weight": 10}, "fs2": null}}}, "limits": {"source_rate": 50}}
"""

from collections.abc import Mapping
from typing import Any

Patch = dict[str, Any]
CHANGEABLE = ("pool", "limits", "lists")  # the rest needs other sockets or another process


def by_name(tree: Mapping[str, Any], lists: Mapping[str, list[dict[str, Any]]]) -> Patch:
    """What can be changed of a tree of plain values; `lists` are members that came from a file, by pool."""
    pools = {}
    for pool in tree.get("pool", ()):
        members = [*map(_member, pool.get("members", ())), *lists.get(pool["name"], ())]
        rest = {key: value for key, value in pool.items() if key not in ("name", "members")}
        pools[pool["name"]] = {**rest, "members": {named(one): one for one in members}}
    return {
        "pool": pools,
        "limits": dict(tree.get("limits", {})),
        "lists": dict(tree.get("lists", {})),
    }


def in_order(tree: Mapping[str, Any], changed: Patch) -> dict[str, Any]:
    """The tree with what `by_name` gave and a patch changed."""
    pools = [
        {**pool, "name": name, "members": [{**one, "name": n} for n, one in _each(pool)]}
        for name, pool in changed["pool"].items()
    ]
    return {**tree, "pool": pools, "limits": changed["limits"], "lists": changed["lists"]}


def merged(base: Any, patch: Any) -> Any:
    """RFC 7396: what `base` becomes."""
    if not isinstance(patch, dict):
        return patch
    result = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def composed(first: Patch, then: Patch) -> Patch:
    """One patch that does what both do, one after the other."""
    result = dict(first)
    for key, value in then.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = composed(old, value) if both and isinstance(old, dict) else value
    return result


def named(member: Mapping[str, Any]) -> str:
    return str(member.get("name") or member["address"])


def _member(member: str | dict[str, Any]) -> dict[str, Any]:
    one: dict[str, Any] = {"address": member} if isinstance(member, str) else dict(member)
    if isinstance(one.get("capacity"), int):
        one["capacity"] = {"call": one["capacity"]}
    return one


def _each(pool: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(pool.get("members", {}).items())
