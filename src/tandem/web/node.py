"""The call node as the HTTP API sees it: questions by the control socket, and `reload` after a change. It keeps nothing."""

from pathlib import Path
from typing import Any

import structlog

from tandem.cluster.control import Client, NoNode, Problem

ASKERS = 8  # connections to the node; more questions at once wait for one
PROBE_SECONDS = 1.0
log = structlog.get_logger()


class Node:
    """Raises what control.Client raises: Problem, and NoNode, which becomes a 503."""

    def __init__(self, path: Path) -> None:
        self._clients = [Client(path) for _ in range(ASKERS)]
        self._turn = 0

    async def ask(self, do: str, **args: Any) -> Any:
        return await self._next().ask(do, **args)

    async def probe(self, do: str) -> Any:
        """As ask, for whoever wants to know quickly whether there is a node."""
        return await self._next().ask(do, patience=PROBE_SECONDS)

    async def reload(self, what: str) -> bool:
        """The node reads tables again; False: there is none, and it will read them when it starts."""
        try:
            await self.ask("reload", what=what)
        except (NoNode, Problem) as error:
            log.warning("the node did not reload", why=str(error))
            return False
        return True

    async def close(self) -> None:
        for client in self._clients:
            await client.close()

    def _next(self) -> Client:
        self._turn = (self._turn + 1) % ASKERS
        return self._clients[self._turn]
