"""The control socket: what it answers, what it refuses, and what a client sees when the node dies."""

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tandem.cli.ask import Problem as BlockingProblem
from tandem.cli.ask import ask as blocking_ask
from tandem.cluster import control
from tandem.cluster.control import Client, NoNode, Problem, Server


class Odd(Exception):
    """Not of the control socket, but shaped like a problem: node/desk.py has one."""

    def __init__(self) -> None:
        self.status, self.title, self.detail, self.field = 409, "not now", "it rings", "id"


async def later(asked: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(0.01)
    return {"later": asked["n"]}


def refused(asked: dict[str, Any]) -> None:
    raise Problem(404, "no such call", f"id {asked.get('id')}", "id")


def odd(asked: dict[str, Any]) -> None:
    raise Odd


def broken(asked: dict[str, Any]) -> None:
    raise KeyError("password=hunter2")


HANDLERS: dict[str, control.Handler] = {
    "echo": lambda asked: asked, "later": later, "refused": refused, "odd": odd, "broken": broken,
    "large": lambda asked: "x" * control.ANSWER_BYTES,
}  # fmt: skip


@pytest.fixture
async def path(tmp_path: Path) -> Any:
    server = Server(HANDLERS)
    await server.start(tmp_path / "control.sock")
    yield tmp_path / "control.sock"
    await server.close()


async def test_handlers_answer_sync_and_async_to_any_number_of_askers(path: Path) -> None:
    clients = [Client(path) for _ in range(10)]
    answers = await asyncio.gather(*(c.ask("later", n=n) for n, c in enumerate(clients)))
    assert [{"later": n} for n in range(10)] == answers
    one = clients[0]
    assert [{"n": n} for n in range(50)] == await asyncio.gather(
        *(one.ask("echo", n=n) for n in range(50))
    )
    for client in clients:
        await client.close()


async def test_only_the_owner_may_connect(path: Path) -> None:
    assert 0o600 == stat.S_IMODE(os.stat(path).st_mode)


async def test_a_refusal_keeps_status_title_detail_and_field(path: Path) -> None:
    client = Client(path)
    with pytest.raises(Problem) as told:
        await client.ask("refused", id="abc")
    assert (404, "no such call", "id abc", "id") == (
        told.value.status, told.value.title, told.value.detail, told.value.field,
    )  # fmt: skip
    with pytest.raises(Problem) as told:
        await client.ask("odd")
    assert (409, "id") == (told.value.status, told.value.field)
    await client.close()


async def test_a_failing_handler_tells_nothing_and_harms_nobody(path: Path) -> None:
    client = Client(path)
    with pytest.raises(Problem) as told:
        await client.ask("broken")
    assert 500 == told.value.status
    assert "hunter2" not in str(told.value)
    assert {"n": 1} == await client.ask("echo", n=1)
    with pytest.raises(Problem) as told:
        await client.ask("large")
    assert (413, "limit") == (told.value.status, told.value.field)
    assert {"n": 2} == await client.ask("echo", n=2)
    await client.close()


@pytest.mark.parametrize(
    ("line", "status", "id"),
    [
        (b"nonsense", 400, 0),
        (b'{"id": 7, "do": 1}', 400, 7),
        (b'{"id": 7, "do": "echo", "extra": 1}', 400, 7),
        (b'{"id": 7, "do": "fly"}', 404, 7),
        (b"x" * (control.ASK_BYTES + 10), 413, 0),
    ],
)
async def test_a_bad_line_is_answered_with_its_reason(
    path: Path, line: bytes, status: int, id: int
) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line + b"\n")
    answer = json.loads(await reader.readline())
    assert (id, status) == (answer["id"], answer["problem"]["status"])
    writer.close()


async def test_the_connection_after_the_last_is_told_so(path: Path) -> None:
    held = [await asyncio.open_unix_connection(path) for _ in range(control.CONNECTIONS_MOST)]
    await asyncio.sleep(0.05)
    with pytest.raises(Problem) as told:
        await Client(path).ask("echo")
    assert 503 == told.value.status
    for _, writer in held:
        writer.close()


async def test_a_client_finds_a_restarted_node_and_says_when_there_is_none(tmp_path: Path) -> None:
    path, client = tmp_path / "control.sock", Client(tmp_path / "control.sock")
    with pytest.raises(NoNode):
        await client.ask("echo")
    for n in (1, 2):
        server = Server(HANDLERS)
        await server.start(path)
        assert {"n": n} == await client.ask("echo", n=n)
        await server.close()
    with pytest.raises(NoNode):
        await client.ask("echo")


async def test_a_late_answer_is_not_taken_for_the_next_one(path: Path) -> None:
    client = Client(path)
    with pytest.raises(NoNode):
        await client.ask("later", n=1, patience=0.001)
    assert {"n": 2} == await client.ask("echo", n=2)
    await client.close()


async def test_the_blocking_client_speaks_the_same(path: Path) -> None:
    assert {"n": 3} == await asyncio.to_thread(blocking_ask, path, "echo", n=3)
    with pytest.raises(BlockingProblem, match="no such call: id abc"):
        await asyncio.to_thread(blocking_ask, path, "refused", id="abc")
