"""Looks host names up in the background, by the system's resolver. What is known is in model.py; calls only read it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from socket import SOCK_DGRAM, gaierror

from tandem.log import log
from tandem.names import model
from tandem.names.model import Names

LOOKUPS_MOST = 8  # at once: they hold threads of the resolver
LOOKUP_SECONDS = 5.0
TICK_SECONDS = 0.5

Lookup = Callable[[str], Awaitable[tuple[str, ...]]]


class Resolver:
    """`changed` is called when a name's addresses are others than before."""

    def __init__(
        self, *, changed: Callable[[], None], now: Callable[[], int], lookup: Lookup | None = None
    ) -> None:
        self.changed, self.now = changed, now
        self.lookup: Lookup = lookup or look_up
        self.names = Names()
        self.wake = asyncio.Event()

    def want(self, hosts: set[str]) -> None:
        """The names that trunks have now."""
        self.names = model.wanted(self.names, hosts)
        self.wake.set()

    def address(self, host: str) -> str:
        return model.address(self.names, host)

    def addresses(self, host: str) -> tuple[str, ...]:
        return model.addresses(self.names, host)

    async def run(self) -> None:
        """Asks for what is due, for ever."""
        while True:
            await asyncio.gather(*map(self.ask, model.due(self.names, self.now())[:LOOKUPS_MOST]))
            self.wake.clear()
            if not model.due(self.names, self.now()):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), TICK_SECONDS)

    async def ask(self, host: str) -> None:
        before = self.addresses(host)
        try:
            found = await asyncio.wait_for(self.lookup(host), LOOKUP_SECONDS)
        except (gaierror, OSError, UnicodeError, TimeoutError) as error:
            found = ()
            log.warning("name not found", host=host, error=str(error) or "no answer in time")
        self.names = model.answered(self.names, host, found, self.now())
        if self.addresses(host) != before:
            log.info("name found", host=host, addresses=self.addresses(host))
            self.changed()


async def look_up(host: str) -> tuple[str, ...]:
    """A and AAAA, in the system's order (RFC 6724)."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=SOCK_DGRAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))
