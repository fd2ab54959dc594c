"""The policy process of an edge: `python -m tandem.edge.policy`. Workers go on by their defaults while it is away."""

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

from tandem.config import BadConfig
from tandem.edge import logs
from tandem.edge.config import EdgeConfig, load
from tandem.edge.policy.enum import use
from tandem.edge.policy.server import PolicyServer


def main() -> int:
    try:
        config = load(Path(os.environ["TANDEM_EDGE_CONFIG"]))
    except BadConfig as error:
        print(f"tandem: {error}", file=sys.stderr)
        return 2
    logs.configure(config.tree.edge.log_level)
    return asyncio.run(serve(config, json.loads(os.environ["TANDEM_FDS"])["policy"]))


async def serve(config: EdgeConfig, fd: int) -> int:
    """Until SIGTERM or SIGINT; SIGHUP reads the file again."""
    file = config.path(config.tree.policy.file)
    sys.path.insert(0, str(file.parent))  # its own modules may stand beside it
    use(config.tree.dns)
    server, ended = PolicyServer(file), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGHUP, server.load)
    server.load()
    await server.serve(socket.socket(fileno=fd), ended)
    return 0


if __name__ == "__main__":
    sys.exit(main())
