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


def lists_of(tree: Mapping[str, Any], patch: Patch) -> dict[str, tuple[str, int]]:
    """File and set of each pool that has a list, with the changes to pools taken into account."""
    pools = merged(by_name(tree, {}), patch)["pool"]
    return {
        name: (pool["dispatcher_list"], pool.get("set", 1))
        for name, pool in pools.items()
        if pool.get("dispatcher_list") and isinstance(pool["dispatcher_list"], str)
    }


def in_order(tree: Mapping[str, Any], changed: Patch) -> dict[str, Any]:
    """The tree with what `by_name` gave and a patch changed.

    A change to a pool or a member that is there no more rests: file or list may bring it back.
    """
    known = {pool["name"] for pool in tree.get("pool", ())}
    pools = [
        {**pool, "name": name, "members": _members(pool)}
        for name, pool in changed["pool"].items()
        if name in known or "algorithm" in pool
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


def returned(patch: Patch, given: Patch) -> Patch:
    """The patch without what `given` says null to, in its sections: there the file's own holds again."""
    kept = dict(patch)
    for section, values in given.items():
        back = {key for key, value in values.items() if value is None}
        rest = {key: value for key, value in kept.get(section, {}).items() if key not in back}
        kept[section] = rest
        if not rest:
            del kept[section]
    return kept


def named(member: Mapping[str, Any]) -> str:
    return str(member.get("name") or member["address"])


def _member(member: str | dict[str, Any]) -> dict[str, Any]:
    one: dict[str, Any] = {"address": member} if isinstance(member, str) else dict(member)
    if isinstance(one.get("capacity"), int):
        one["capacity"] = {"call": one["capacity"]}
    return one


def _members(pool: Mapping[str, Any]) -> list[dict[str, Any]]:
    members = pool.get("members", {})
    return [{**one, "name": name} for name, one in members.items() if "address" in one]
