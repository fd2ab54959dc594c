"""The web process: `python -m tandem.web`. The supervisor gives it the listening socket (docs/concepts/processes.md)."""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable

import structlog
import uvicorn

from tandem.adapters.sqlite import BadDatabase, Database
from tandem.cluster.pulse import beat
from tandem.cluster.sockets import open_listen
from tandem.config import BadConfig, Config, load
from tandem.turn.place import turn_of
from tandem.web.app import build
from tandem.web.node import Node

STOP_SECONDS = 8  # for requests in hand; the supervisor kills after 10
KEEP_ALIVE_SECONDS = 30
REQUESTS_MOST = 500  # at a time; more get 503
log = structlog.get_logger()


def main() -> int:
    try:
        config = load()
        level = logging.getLevelNamesMapping()[config.log.level.upper()]
        structlog.configure(
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            wrapper_class=structlog.make_filtering_bound_logger(level),
        )
        logging.basicConfig(level=logging.WARNING, stream=sys.stderr)  # uvicorn's
        with asyncio.Runner(loop_factory=_loop()) as runner:
            return runner.run(serve(config))
    except (BadConfig, BadDatabase) as error:
        print(f"tandem: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


async def serve(config: Config) -> int:
    """Until SIGTERM or SIGINT."""
    listening = _listening(config)
    database, node = Database(config.database), Node(config.control_socket)
    server = uvicorn.Server(
        uvicorn.Config(
            build(database, node, turn_of(config)), log_config=None, access_log=False, server_header=False,
            proxy_headers=False, ws="none", timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS, limit_concurrency=REQUESTS_MOST,
        )
    )  # fmt: skip
    # uvicorn stops cleanly on a signal and then raises it again, which would end us before the database is closed
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    log.info("web starts", listen=listening.getsockname())
    beats = asyncio.create_task(beat(asyncio.get_running_loop))
    try:
        await server.serve(sockets=[listening])
    finally:
        beats.cancel()
        await node.close()
        database.close()
    return 0


def _listening(config: Config) -> socket.socket:
    """The inherited socket, or a new one when nobody gave us any."""
    fds = json.loads(os.environ.get("TANDEM_FDS", "{}"))
    if "http" in fds:
        return socket.socket(fileno=fds["http"])
    return open_listen(config.http_listen, "http.listen")


def _loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        from uvloop import new_event_loop
    except ImportError:  # a platform without it
        return None
    return new_event_loop


if __name__ == "__main__":
    sys.exit(main())
