"""The admin process of an edge: control socket, list files, HTTP. Workers never import it, and serve without it."""

import asyncio
import json
import os
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path

import structlog

from tandem.cluster.control import Problem, Server
from tandem.config import BadConfig
from tandem.edge import logs
from tandem.edge.config import EdgeConfig, load
from tandem.edge.desk import Desk
from tandem.edge.questions import Questions

log = structlog.get_logger()


def main() -> int:
    try:
        config = load(Path(os.environ["TANDEM_EDGE_CONFIG"]))
    except BadConfig as error:
        print(f"tandem: {error}", file=sys.stderr)
        return 2
    logs.configure(config.tree.edge.log_level)
    return asyncio.run(serve(config, json.loads(os.environ["TANDEM_FDS"])))


async def serve(config: EdgeConfig, fds: dict[str, int]) -> int:
    """Until SIGTERM or SIGINT."""
    desk, ended = Desk(config), asyncio.Event()
    questions = Questions(desk)
    server = Server(questions.handlers())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    reloads: set[asyncio.Task[None]] = set()
    loop.add_signal_handler(signal.SIGHUP, lambda: _begin(reloads, desk))
    await server.start_on(socket.socket(fileno=fds["control"]))
    tasks = [asyncio.create_task(desk.watch())]
    if "http" in fds:
        tasks.append(asyncio.create_task(_http(config, questions, fds["http"])))
    log.info("admin starts", workers=len(config.edges), http="http" in fds)
    waits = asyncio.create_task(ended.wait())
    done, _ = await asyncio.wait([waits, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in (waits, *tasks):
        task.cancel()
    await asyncio.gather(waits, *tasks, return_exceptions=True)
    await server.close()
    await desk.close()
    for task in done - {waits}:
        task.result()  # a task of ours ended by itself: its error ends the process, which is started again
    return 0


async def _http(config: EdgeConfig, questions: Questions, fd: int) -> None:
    """The HTTP stack is long to read: the command line is answered meanwhile, and who connects waits."""
    app = await asyncio.to_thread(import_module, "tandem.edge.http.app")
    await app.serve_http(config, questions, fd)


def _begin(reloads: set[asyncio.Task[None]], desk: Desk) -> None:
    task = asyncio.get_running_loop().create_task(_reload(desk))
    reloads.add(task)
    task.add_done_callback(reloads.discard)


async def _reload(desk: Desk) -> None:
    try:
        await desk.reload()
    except Problem as problem:
        log.warning("configuration refused", why=str(problem))


if __name__ == "__main__":
    sys.exit(main())
