"""Answers workers' questions by the functions of a policy file. A slow or broken function costs its own questions, nothing else."""

import asyncio
import inspect
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import structlog

from tandem.edge.policy.model import (
    Answer,
    BadVerdict,
    Refuse,
    Request,
    Rules,
    To,
    line,
    read_question,
)
from tandem.edge.policy.rules import BadPolicyFile, Written, read_file

LINE_BYTES = 64 * 1024  # a question
THREADS = 16  # functions that are no coroutines run in these
IN_HAND = 4_096  # questions of one worker at a time; more wait in its socket
TRACEBACKS_PER_SECOND = 5
log = structlog.get_logger()


class PolicyServer:
    """One policy file, any number of workers."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.written: tuple[Written, ...] = ()
        self.version = 0
        self.writers: set[asyncio.StreamWriter] = set()
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="policy")
        self.connections: set[asyncio.Task[None]] = set()
        self._second, self._told = 0.0, 0

    def load(self) -> bool:
        """Reads the file; one that cannot be used leaves what was there."""
        try:
            self.written = read_file(self.file)
        except BadPolicyFile as error:
            log.error("policy file not used", why=str(error), exc_info=error.__cause__)
            return False
        self.version += 1
        log.info("policy in force", functions=len(self.written), version=self.version)
        for writer in self.writers:
            writer.write(self._rules())
        return True

    def _rules(self) -> bytes:
        return line(Rules(self.version, tuple(one.rule for one in self.written)))

    async def serve(self, listening: socket.socket, ended: asyncio.Event) -> None:
        server = await asyncio.start_unix_server(self._accept, sock=listening, limit=LINE_BYTES)
        await ended.wait()
        server.close()
        for task in list(self.connections):
            task.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)
        self.threads.shutdown(wait=False, cancel_futures=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        self.writers.add(writer)
        try:
            writer.write(self._rules())
            await self._questions(reader, writer)
        except (ConnectionError, ValueError, asyncio.CancelledError):
            pass  # the worker, or this server, is gone; or it is no worker
        finally:
            self.writers.discard(writer)
            self.connections.discard(task)
            writer.close()

    async def _questions(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        room = asyncio.Semaphore(IN_HAND)
        async with asyncio.TaskGroup() as group:
            while asked := await reader.readline():
                await room.acquire()
                group.create_task(self._one(asked, writer, room))

    async def _one(
        self, asked: bytes, writer: asyncio.StreamWriter, room: asyncio.Semaphore
    ) -> None:
        try:
            answer = await self.answer(asked)
            if answer is not None and not writer.is_closing():
                writer.write(line(answer))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            room.release()

    async def answer(self, asked: bytes) -> Answer | None:
        """None for a line that is no question."""
        try:
            question = read_question(asked)
        except msgspec.MsgspecError as error:
            log.error("not a question", why=str(error))
            return None
        try:
            written = self.written[question.rule]
            request = Request(written.rule, question.values)
        except (IndexError, ValueError):  # of a version that is gone
            return Answer(question.id, failed=True)
        try:
            return Answer(question.id, _verdict(await self._call(written, request)))
        except Exception as error:
            self._failed(written, request, error)
            return Answer(question.id, failed=True)

    async def _call(self, written: Written, request: Request) -> Any:
        if inspect.iscoroutinefunction(written.function):
            return await written.function(request)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, written.function, request)

    def _failed(self, written: Written, request: Request, error: Exception) -> None:
        """With the traceback, so many a second."""
        now = asyncio.get_running_loop().time()
        if now - self._second >= 1.0:
            self._second, self._told = now, 0
        self._told += 1
        if self._told <= TRACEBACKS_PER_SECOND:
            log.error(
                "policy function failed",
                method=written.rule.method,
                request=repr(request),
                exc_info=error,
            )


def _verdict(given: Any) -> To | Refuse | None:
    if given is None or isinstance(given, To | Refuse):
        return given
    raise BadVerdict(f"a verdict is To, Refuse or None, not {type(given).__name__}")
