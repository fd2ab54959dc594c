"""The workers as the admin process sees them: asked by their control sockets, all at once. It decides nothing."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tandem.cluster.control import Client, NoNode, Problem
from tandem.edge.model.view import EdgeView, WorkerView, joined, worker_view

ANSWER_SECONDS = 2.0  # what a worker may take; it turns its loop many times in that


class Fleet:
    """One client a worker, by number."""

    def __init__(self, sockets: Mapping[int, Path]) -> None:
        self.clients: dict[int, Client] = {}
        self.follow(sockets)

    def follow(self, sockets: Mapping[int, Path]) -> None:
        """Workers that there are from now on; who stays keeps its connection."""
        self.clients = {
            edge: self.clients.get(edge) or Client(path, f"worker {edge}")
            for edge, path in sockets.items()
        }

    async def ask(self, edge: int, do: str, **args: Any) -> Any:
        """Raises NoNode, Problem."""
        return await self.clients[edge].ask(do, patience=ANSWER_SECONDS, **args)

    async def ask_all(self, do: str, **args: Any) -> dict[int, Any]:
        """What each said, or the exception instead of it."""
        edges = list(self.clients)
        asked = (self.ask(edge, do, **args) for edge in edges)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, NoNode | Problem):
                raise answer
        return dict(zip(edges, answers, strict=True))

    async def view(self) -> EdgeView:
        views: list[WorkerView] = []
        missing: dict[str, str] = {}
        for edge, answer in (await self.ask_all("view")).items():
            if isinstance(answer, Exception):
                missing[str(edge)] = str(answer)
                continue
            try:
                views.append(worker_view(answer))
            except msgspec.ValidationError as error:
                missing[str(edge)] = f"a view that cannot be read: {error}"
        return joined(time.time_ns() // 1000, views, missing)

    async def close(self) -> None:
        for client in self.clients.values():
            await client.close()
