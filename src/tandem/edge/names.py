"""Host names of servers: looked up in the background, kept in a file. Nobody waits for a name server but whoever asks here."""

import asyncio
import socket
from collections.abc import Iterable
from pathlib import Path

import msgspec

LOOKUP_SECONDS = 3.0  # for all names together
NAMES_BYTES = 1024 * 1024  # of the file


def read_names(path: Path) -> dict[str, str]:
    """{} without a usable file: it is only a memory of what name servers said."""
    try:
        if path.stat().st_size > NAMES_BYTES:
            return {}
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError):
        return {}


def keep_names(path: Path, names: dict[str, str]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(names))
    fresh.replace(path)


async def look_up(hosts: Iterable[str], known: dict[str, str]) -> dict[str, str]:
    """An address for each; what is known stays while name servers still say it, and while they say nothing."""
    each = list(hosts)
    found = await asyncio.gather(*(_addresses(host) for host in each))
    names = {}
    for host, addresses in zip(each, found, strict=True):
        old = known.get(host, "")
        if old and (not addresses or old in addresses):
            names[host] = old
        elif addresses:
            names[host] = addresses[0]
    return names


async def _addresses(host: str) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LOOKUP_SECONDS):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, TimeoutError, UnicodeError):
        return []
    return [str(address[0]) for *_, address in found]
