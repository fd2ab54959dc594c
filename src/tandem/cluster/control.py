"""The control socket (docs/concepts/control.md): JSON lines over a Unix stream. A server and an asyncio client; knows no call.

The blocking client, for the command line, is `tandem.cli.ask`.
"""

import asyncio
import inspect
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec
import structlog
from msgspec import Struct

from tandem.cluster.sockets import open_unix

ASK_BYTES = 1024 * 1024  # one line, a question
ANSWER_BYTES = 16 * 1024 * 1024  # one line, an answer: the trace of a long call
CONNECTIONS_MOST = 64
HANDLER_SECONDS = 30.0  # one question, after which the asker gets 504
ASK_SECONDS = 5.0  # what the client waits

Handler = Callable[[dict[str, Any]], Any | Awaitable[Any]]
log = structlog.get_logger()


class Ask(Struct, frozen=True, forbid_unknown_fields=True):
    """One question."""

    id: int
    do: str
    args: dict[str, Any] = msgspec.field(default_factory=dict, name="with")


class Problem(Exception):
    """A refusal that the asker should read. status as in HTTP; field names the argument at fault."""

    def __init__(self, status: int, title: str, detail: str = "", field: str = "") -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.status, self.title, self.detail, self.field = status, title, detail, field


class NoNode(Exception):
    """Nobody answers on the control socket; the text says why."""


@runtime_checkable
class Refusing(Protocol):
    """Any exception with these is answered as a problem: rooms need not import this module."""

    status: int
    title: str
    detail: str
    field: str


class Server:
    """Answers questions with `handlers`, by name. A handler takes the arguments and returns plain data, or a coroutine of it.

    Handlers of one connection run one after another, in the order of its lines.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self.handlers = handlers
        self.connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._path: Path | None = None

    async def start(self, path: Path) -> None:
        """Listens on a socket of mode 0600; one that a dead process left behind is replaced."""
        self._path = path
        await self.start_on(open_unix(path))

    async def start_on(self, listening: socket.socket) -> None:
        self._server = await asyncio.start_unix_server(
            self._accept, sock=listening, limit=ASK_BYTES
        )

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self.connections):
            task.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self.connections) >= CONNECTIONS_MOST:
            busy = Problem(503, "too many connections", f"at most {CONNECTIONS_MOST} at a time")
            writer.write(_refusal(0, busy))
            writer.close()
            return
        self.connections.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the asker, or this server, is gone
        finally:
            self.connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:  # the rest of such a line cannot be found again
                long = Problem(
                    413, "the question is too long", f"a line has at most {ASK_BYTES} bytes"
                )
                writer.write(_refusal(0, long))
                return
            if not line:
                return
            writer.write(await self.answer(line))
            await writer.drain()

    async def answer(self, line: bytes) -> bytes:
        """One line in, one line out; never raises, whatever a handler does."""
        try:
            ask = _ask.decode(line)
        except msgspec.MsgspecError as error:
            return _refusal(_id_of(line), Problem(400, "not a question", str(error)))
        handler = self.handlers.get(ask.do)
        if handler is None:
            return _refusal(ask.id, Problem(404, "no such command", ask.do[:64], "do"))
        try:
            async with asyncio.timeout(HANDLER_SECONDS):
                result = handler(ask.args)
                if inspect.isawaitable(result):
                    result = await result
            line = _encode({"id": ask.id, "ok": result}) + b"\n"
        except TimeoutError:
            slow = f"{ask.do} took more than {HANDLER_SECONDS:g} s"
            return _refusal(ask.id, Problem(504, "no answer in time", slow))
        except Exception as error:
            if isinstance(error, Refusing):
                return _refusal(ask.id, error)
            log.exception("control handler failed", do=ask.do)
            return _refusal(ask.id, Problem(500, "the node failed", f"{ask.do}: see log/node.log"))
        if len(line) > ANSWER_BYTES:
            large = f"more than {ANSWER_BYTES} bytes; ask with a smaller limit"
            return _refusal(ask.id, Problem(413, "the answer is too large", large, "limit"))
        return line


class Client:
    """Asks over one connection that is opened when needed and kept. One question at a time; more of them wait."""

    def __init__(self, path: Path, who: str = "the call node") -> None:
        self.path, self.who = path, who
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._id = 0

    async def ask(self, do: str, *, patience: float = ASK_SECONDS, **args: Any) -> Any:
        """The `ok` of the answer. Raises Problem; NoNode when nobody answers within `patience` seconds."""
        async with self._turn:
            try:
                async with asyncio.timeout(patience):
                    answer = await self._exchange(do, args)
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                self._drop()
                why = str(error) or type(error).__name__
                raise NoNode(f"{self.who} does not answer on {self.path}: {why}") from error
            except asyncio.CancelledError:
                self._drop()  # the answer would be taken for that of the next question
                raise
        if problem := answer.get("problem"):
            raise problem_of(problem)
        return answer.get("ok")

    async def _exchange(self, do: str, args: dict[str, Any]) -> dict[str, Any]:
        if self._streams is not None and self._streams[0].at_eof():
            self._drop()  # the node was restarted since; a question that may have arrived is never repeated
        if self._streams is None:
            self._streams = await asyncio.open_unix_connection(self.path, limit=ANSWER_BYTES)
        reader, writer = self._streams
        self._id += 1
        writer.write(_encode({"id": self._id, "do": do, "with": args}) + b"\n")
        await writer.drain()
        line = await reader.readuntil(b"\n")
        answer: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
        if answer.get("id") not in (self._id, 0):
            raise ValueError("an answer to another question")
        return answer

    def _drop(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def close(self) -> None:
        self._drop()


def problem_of(told: Mapping[str, Any]) -> Problem:
    """A problem as it was on the line."""
    return Problem(
        int(told.get("status", 500)),
        str(told.get("title", "refused")),
        str(told.get("detail", "")),
        str(told.get("field", "")),
    )


def _refusal(id: int, why: Refusing) -> bytes:
    problem = {"status": why.status, "title": why.title, "detail": why.detail, "field": why.field}
    return _encode({"id": id, "problem": problem}) + b"\n"


def _id_of(line: bytes) -> int:
    """The number of a question that is wrong otherwise; 0 if it has none."""
    try:
        return _numbered.decode(line).id
    except msgspec.MsgspecError:
        return 0


class _Numbered(Struct):
    id: int = 0


_ask = msgspec.json.Decoder(Ask)
_numbered = msgspec.json.Decoder(_Numbered)
_encode = msgspec.json.encode
