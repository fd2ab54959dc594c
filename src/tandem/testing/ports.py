"""Ports for servers of tests, below those that the kernel gives to whoever asks for any: between the choice and the start nobody else gets one. No test."""

import contextlib
import itertools
import random
import socket
from collections.abc import Iterator
from pathlib import Path

PORTS = range(24_500, 27_000)
_LISTENS, _UNCONNECTED = "0A", "07"  # include/net/tcp_states.h


def _chosen() -> Iterator[int]:
    """All of them in turn, from anywhere: no process is given one twice soon."""
    first = random.randrange(len(PORTS))
    for number in itertools.count(first):
        yield PORTS[number % len(PORTS)]


_next = _chosen()


def free_port(host: str = "127.0.0.1") -> int:
    """Free for datagrams and for streams at an IPv4 address. OSError: none is."""
    for port in itertools.islice(_next, len(PORTS)):
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
            socket.socket() as stream,
        ):
            datagrams.bind((host, port))
            stream.bind((host, port))
            return port
    raise OSError(f"no port of {PORTS} is free at {host}")


def bound(port: int, transport: str = "udp") -> bool:
    """Whether somebody has it for datagrams ("udp") or listens to streams there ("tcp"), at any address. Asks without
    taking it: a probe that binds makes the server that it waits for fail now and then."""
    for table in (transport, f"{transport}6"):
        path = Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            _, local, _, state, *_ = line.split()
            if int(local.rpartition(":")[2], 16) == port and state in (_LISTENS, _UNCONNECTED):
                return True
    return False
