"""What the admin process is asked by the command line, as handlers of its control socket. The desk does all of it."""

import os
import signal
from collections.abc import Mapping
from typing import Any

import msgspec

from tandem.cluster.control import Handler, Problem
from tandem.cluster.processes import alive, read_state
from tandem.edge.desk import Desk
from tandem.edge.model.changes import named

Args = dict[str, Any]
MEMBER_FIELDS = ("address", "transport", "tls_name", "weight", "priority", "capacity", "state")


class Questions:
    """docs/concepts/control.md lists them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "view": self.view,
            "ready": self.ready,
            "pools.list": self.pools,
            "pool.put": self.pool_put,
            "pool.change": self.pool_change,
            "pool.remove": self.pool_remove,
            "member.add": self.member_add,
            "member.change": self.member_change,
            "member.remove": self.member_remove,
            "rules.show": self.rules,
            "rules.change": self.rules_change,
            "changes.show": lambda args: self.desk.patch,
            "changes.forget": self.forget,
            "reload": self.reload,
            "abuse": self.abuse,
            "ban": self.ban,
            "unban": self.unban,
            "drain": self.drain,
            "undrain": self.undrain,
        }

    async def view(self, args: Args) -> Any:
        return msgspec.to_builtins(await self.desk.view())

    async def ready(self, args: Args) -> Any:
        """Whether calls find their way, and why not."""
        view = await self.desk.view()
        reasons = [f"worker {edge} does not answer" for edge in view.missing]
        reasons += [
            f"pool {pool.name} has no server up" + (": all are tried" if pool.panic else "")
            for pool in view.pools
            if not pool.up
        ]
        if view.draining:
            reasons.append("draining")
        # one worker and one server are enough to serve
        serves = bool(view.workers) and not view.draining
        serves = serves and (not view.pools or any(pool.up for pool in view.pools))
        return {"ready": serves, "reasons": reasons}

    def pools(self, args: Args) -> Any:
        current = self.desk.current()["pool"]
        return [_listed(name, pool) for name, pool in current.items()]

    def pool(self, args: Args) -> Any:
        return self.pool_named(_text(args, "pool"))

    def member(self, args: Args) -> Any:
        return self.member_named(_text(args, "pool"), _text(args, "member"))

    # --- pools and members -------------------------------------------------------------------------------------------

    async def pool_put(self, args: Args) -> Any:
        """A new pool, or the whole of one that is there."""
        name, given = _text(args, "pool"), _table(args, "fields")
        members = [dict(one) for one in given.pop("members", [])]
        olds = [where["pool"].get(name, {}) for where in (self.desk.written(), self.desk.current())]
        patch: Args = {key: None for old in olds for key in old}
        patch |= {"algorithm": "weighted"} | given
        gone = {key: None for old in olds for key in old.get("members", {})}
        whole = {named(one): {**dict.fromkeys(MEMBER_FIELDS), **one} for one in members}
        patch["members"] = {**gone, **whole}
        await self.desk.change({"pool": {name: patch}})
        return self.pool_named(name)

    async def pool_change(self, args: Args) -> Any:
        name, fields = _text(args, "pool"), _table(args, "fields")
        self.pool_named(name)
        if "members" in fields:
            raise Problem(400, "not acceptable", "members change one by one", "members")
        await self.desk.change({"pool": {name: fields}})
        return self.pool_named(name)

    async def pool_remove(self, args: Args) -> Any:
        name = _text(args, "pool")
        self.pool_named(name)
        await self.desk.change({"pool": {name: None}})
        return {}

    async def member_add(self, args: Args) -> Any:
        name, fields = _text(args, "pool"), _table(args, "fields")
        member = _text(args, "member")
        if member in self._members(name) and not args.get("replace"):
            raise Problem(409, "taken", f"{name} has a member {member}", "name")
        whole = {**dict.fromkeys(MEMBER_FIELDS), "address": member, **_capacity(fields)}
        await self.desk.change({"pool": {name: {"members": {member: whole}}}})
        return self.member_named(name, member)

    async def member_change(self, args: Args) -> Any:
        name, member, fields = _text(args, "pool"), _text(args, "member"), _table(args, "fields")
        self.member_named(name, member)
        await self.desk.change({"pool": {name: {"members": {member: _capacity(fields)}}}})
        return self.member_named(name, member)

    async def member_remove(self, args: Args) -> Any:
        name, member = _text(args, "pool"), _text(args, "member")
        self.member_named(name, member)
        await self.desk.change({"pool": {name: {"members": {member: None}}}})
        return {}

    def pool_named(self, name: str) -> Args:
        pools = self.desk.current()["pool"]
        if name not in pools:
            known = ", ".join(pools) or "none"
            raise Problem(404, "no such pool", f"{name}; there are: {known}", "pool")
        return _listed(name, pools[name])

    def _members(self, pool: str) -> dict[str, Args]:
        self.pool_named(pool)
        members: dict[str, Args] = self.desk.current()["pool"][pool].get("members", {})
        return members

    def member_named(self, pool: str, name: str) -> Args:
        members = self._members(pool)
        if name not in members:
            known = ", ".join(list(members)[:20]) or "none"
            raise Problem(404, "no such member", f"{name}; {pool} has: {known}", "member")
        return {**members[name], "name": name}

    # --- limits, lists, bans -----------------------------------------------------------------------------------------

    def rules(self, args: Args) -> Any:
        tree = self.desk.tree
        return {
            "limits": msgspec.to_builtins(tree.limits),
            "lists": msgspec.to_builtins(tree.lists),
        }

    async def rules_change(self, args: Args) -> Any:
        """{"limits": {..}, "lists": {..}}: what is named is changed, null is the file's own again."""
        given: Args = {key: _table(args, key) for key in ("limits", "lists") if key in args}
        await self.desk.change_rules(given)
        return self.rules({})

    async def forget(self, args: Args) -> Any:
        await self.desk.forget()
        return {}

    async def reload(self, args: Args) -> Any:
        """Here first, where a refusal can be told; then by the supervisor, who restarts what the change concerns."""
        await self.desk.reload()
        state = read_state(self.desk.config.run)
        if state is not None and alive(state.supervisor):
            os.kill(state.supervisor.pid, signal.SIGHUP)
        return {}

    async def abuse(self, args: Args) -> Any:
        """Who is banned and who is refused; source: only that one."""
        return msgspec.to_builtins(await self.desk.abuse(args))

    async def ban(self, args: Args) -> Any:
        self.desk.bans_due = 0.0
        answers, missing = await self._everywhere("ban", args)
        seconds = next(iter(answers.values()))["seconds"]
        self.desk.asked.keep(_text(args, "source"), seconds, args.get("note", ""))
        return {"seconds": seconds, "missing": missing}

    async def unban(self, args: Args) -> Any:
        self.desk.bans_due = 0.0
        answers, missing = await self._everywhere("unban", args)
        self.desk.asked.end(_text(args, "source"))
        was_banned = any(one["was_banned"] for one in answers.values())
        return {"was_banned": was_banned, "missing": missing}

    async def drain(self, args: Args) -> Any:
        return await self._drains("drain")

    async def undrain(self, args: Args) -> Any:
        return await self._drains("undrain")

    async def _drains(self, do: str) -> Any:
        answers, missing = await self._everywhere(do, {})
        return {"draining": do == "drain", "workers": list(answers), "missing": missing}

    async def _everywhere(self, do: str, args: Args) -> tuple[dict[int, Any], dict[str, str]]:
        """What each worker said, and why others did not; at least one must do it. Raises Problem, NoNode."""
        told = await self.desk.fleet.ask_all(do, **args)
        answers = {edge: one for edge, one in told.items() if not isinstance(one, Exception)}
        away = {edge: one for edge, one in told.items() if isinstance(one, Exception)}
        for one in away.values():
            if isinstance(one, Problem) or not answers:
                raise one
        return answers, {str(edge): str(one) for edge, one in away.items()}


def _listed(name: str, pool: Args) -> Args:
    members = [{**one, "name": key} for key, one in pool.get("members", {}).items()]
    return {"name": name, **pool, "members": members}


def _capacity(fields: Args) -> Args:
    if isinstance(fields.get("capacity"), int):
        return {**fields, "capacity": {"call": fields["capacity"]}}
    return fields


def _text(args: Args, name: str) -> str:
    value = args.get(name)
    if not isinstance(value, str) or not value:
        raise Problem(400, "not acceptable", f"{name} is missing", name)
    return value


def _table(args: Args, name: str) -> Args:
    value = args.get(name)
    if not isinstance(value, dict):
        raise Problem(400, "not acceptable", f"{name} must be an object", name)
    return dict(value)
