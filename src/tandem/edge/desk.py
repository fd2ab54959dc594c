"""Who administers an edge: takes changes, has workers accept them, keeps them, and knows what is in force. It speaks no HTTP.

A change is checked here, then by one worker; only then is it kept and given to the others. A worker that was restarted
has read the kept ones at its start, and gets all once more.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import msgspec
import structlog

from tandem.cluster.control import NoNode, Problem
from tandem.config import BadConfig
from tandem.edge import truth
from tandem.edge.bans import Bans
from tandem.edge.config import EdgeConfig, changed, load
from tandem.edge.fleet import Fleet
from tandem.edge.lists import Members, list_files, read_lists
from tandem.edge.model.abuse import Report, joined, read
from tandem.edge.model.changes import Patch, by_name, composed, merged, returned
from tandem.edge.model.front import front, policy
from tandem.edge.model.tree import Tree
from tandem.edge.model.view import EdgeView

WATCH_SECONDS = 0.25  # between two looks at list files and workers
RULES = ("limits", "allow", "deny", "scanners")  # of a policy, that change live
BANS_SECONDS = 5.0  # between two looks at who is banned: a worker walks its whole table for it
BANS_SHOWN = 50
REPORT_LINES = 20  # of each part, as a worker has it
log = structlog.get_logger()


class Desk:
    """One at a time changes something; whoever only looks does not wait."""

    def __init__(self, config: EdgeConfig) -> None:
        self.config = config
        self.fleet = Fleet(_sockets(config))
        self.turn = asyncio.Lock()
        self.lists: Members = {}
        self.patch: Patch = {}
        self.problems: dict[str, str] = {}  # by where they are: shown until they are gone
        self.applied: dict[
            int, int
        ] = {}  # the incarnation of each worker that has what is in force
        self.asked = Bans(config.bans)
        self.bans: tuple[tuple[dict[str, Any], ...], int] = ((), 0)  # some of them, and how many
        self.bans_due = 0.0
        self.seen: dict[str, tuple[int, ...]] = {}
        self.tree: Tree = config.tree
        self._read()

    def _read(self) -> None:
        self.problems.clear()
        self.tree, why = truth.now(self.config)
        if why:
            self._problem("configuration", why)
        with contextlib.suppress(BadConfig):
            self.patch = truth.read_changes(self.config.changes)
        with contextlib.suppress(BadConfig):
            self.lists = read_lists(self.config, self.patch)

    def _problem(self, where: str, why: str) -> None:
        if self.problems.get(where) != why:
            log.warning("not used", what=where, why=why)
        self.problems[where] = why

    # --- looking -----------------------------------------------------------------------------------------------------

    async def view(self) -> EdgeView:
        seen = await self.fleet.view()
        await self._look_at_bans()
        bans, banned = self.bans
        return msgspec.structs.replace(
            seen,
            changed=self.patch,
            problems=tuple(self.problems.values()),
            bans=bans,
            banned=banned,
        )

    async def _look_at_bans(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self.bans_due:
            return
        self.bans_due = now + BANS_SECONDS
        report = await self.abuse({"most": BANS_SHOWN})
        self.bans = (
            tuple(msgspec.to_builtins(ban) for ban in report.banned),
            report.banned_all,
        )

    async def abuse(self, args: dict[str, Any]) -> Report:
        """All workers' reports as one. Raises Problem where an argument is refused."""
        reports, missing = dict[int, Report](), dict[str, str]()
        for edge, told in (await self.fleet.ask_all("abuse", **args)).items():
            if isinstance(told, Problem):
                raise told
            if isinstance(told, Exception):
                missing[str(edge)] = str(told)
                continue
            try:
                reports[edge] = read(told)
            except msgspec.ValidationError as error:
                missing[str(edge)] = f"a report that cannot be read: {error}"
        return joined(reports, missing, args.get("most", REPORT_LINES))

    def written(self) -> Patch:
        """What can be changed, by name, as file and lists have it."""
        return by_name(self.config.plain, self.lists)

    def current(self) -> Patch:
        """What can be changed, by name, as it is now: file, lists and live changes."""
        current: Patch = merged(self.written(), self.patch)
        return current

    # --- changing ----------------------------------------------------------------------------------------------------

    async def change(self, patch: Patch) -> None:
        """A merge patch over what is in force. Raises Problem; then nothing has changed."""
        async with self.turn:
            await self._take(composed(self.patch, patch))

    async def change_rules(self, given: Patch) -> None:
        """Limits and lists; null is the file's own again. Raises Problem; then nothing has changed."""
        new = {
            section: {key: value for key, value in values.items() if value is not None}
            for section, values in given.items()
        }
        async with self.turn:
            await self._take(returned(composed(self.patch, new), given))

    async def forget(self) -> None:
        """Ends every live change: what the file and its lists say is in force."""
        async with self.turn:
            await self._take({})

    async def reload(self) -> None:
        """The file read again. Raises Problem; then nothing has changed."""
        async with self.turn:
            try:
                config = load(self.config.file)
                lists = read_lists(config, self.patch)
                tree = changed(config, lists, self.patch, str(config.file))
            except BadConfig as error:
                self._problem("configuration", str(error))
                raise Problem(400, "the configuration is refused", str(error)) from None
            await self._put(tree)
            self.config, self.lists, self.tree = config, lists, tree
            self.fleet.follow(_sockets(config))
            self.problems.clear()
            log.info("configuration read again", pools=len(tree.pool))

    async def _take(self, patch: Patch) -> None:
        try:
            lists = read_lists(self.config, patch)
            tree = changed(self.config, lists, patch, "the change")
        except BadConfig as error:
            why = str(error).removeprefix("the change: ")
            raise Problem(400, "not acceptable", why) from None
        await self._put(tree)
        self.patch, self.lists, self.tree = patch, lists, tree
        try:
            truth.keep_changes(self.config.changes, patch)
        except OSError as error:
            why = f"{self.config.changes}: {error.strerror}"
            self._problem("live changes", f"in force and not kept: {why}")
            raise Problem(507, "in force, but not kept for the next start", why) from None
        self.problems.pop("live changes", None)

    async def _put(self, tree: Tree) -> None:
        """To one worker first: what it refuses, the others never see. Raises Problem."""
        told = front(tree, self.config.asked_policy), policy(tree)
        accepted = False
        for edge in self.config.edges:
            try:
                await self._give(edge, *told)
                accepted = True
            except NoNode as error:
                self.applied.pop(edge, None)
                log.warning("worker did not hear of a change", edge=edge, why=str(error))
            except Problem as problem:
                if not accepted:
                    raise
                self._problem(f"worker {edge}", str(problem))

    async def _give(self, edge: int, front: dict[str, Any], policy: dict[str, Any]) -> None:
        if front["pools"] or self.tree.pool:
            await self.fleet.ask(edge, "front", **front)
        rules = {key: policy[key] for key in RULES if key in policy}
        await self.fleet.ask(edge, "policy", **rules)

    # --- watching ----------------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Until cancelled: list files that change, workers that begin anew."""
        self.seen = self._stamps()
        while True:
            await self._greet()
            await asyncio.sleep(WATCH_SECONDS)
            stamps = self._stamps()
            if stamps != self.seen:
                self.seen = stamps
                await self._lists_changed()

    async def _greet(self) -> None:
        for edge, answer in (await self.fleet.ask_all("ping")).items():
            if isinstance(answer, Exception) or answer["incarnation"] == self.applied.get(edge):
                continue
            async with self.turn:
                try:
                    await self._give(
                        edge,
                        front(self.tree, self.config.asked_policy),
                        policy(self.tree),
                    )
                except NoNode:
                    continue
                except Problem as problem:
                    self._problem(f"worker {edge}", str(problem))
                await self._ban_again(edge)
                self.applied[edge] = answer["incarnation"]

    async def _ban_again(self, edge: int) -> None:
        """What somebody asked for before this worker was there."""
        for ban in self.asked.left():
            with contextlib.suppress(NoNode, Problem):  # allowed meanwhile: never banned
                await self.fleet.ask(edge, "ban", **ban)

    async def _lists_changed(self) -> None:
        async with self.turn:
            try:
                lists = read_lists(self.config, self.patch)
                tree = changed(self.config, lists, self.patch, str(self.config.file))
                await self._put(tree)
            except (BadConfig, Problem) as error:
                return self._problem("dispatcher list", str(error))
            self.lists, self.tree = lists, tree
            self.problems.pop("dispatcher list", None)
            log.info("lists read again", members=sum(map(len, lists.values())))

    def _stamps(self) -> dict[str, tuple[int, ...]]:
        stamps: dict[str, tuple[int, ...]] = {}
        for path in list_files(self.config, self.patch):
            try:
                at = path.stat()
                stamps[str(path)] = (at.st_mtime_ns, at.st_size, at.st_ino)
            except OSError:
                stamps[str(path)] = ()
        return stamps

    async def close(self) -> None:
        await self.fleet.close()


def _sockets(config: EdgeConfig) -> dict[int, Path]:
    return {edge: config.worker_socket(edge) for edge in config.edges}
