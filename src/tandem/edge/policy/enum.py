"""ENUM (RFC 6116) for policy functions: what a telephone number leads to, by the name servers of [dns]. It routes nothing."""

import asyncio
from itertools import count

from tandem import _core
from tandem.edge.policy.model import URI
from tandem.names.model import DnsSection

ZONE = "e164.arpa"
ASKED_MOST = 1_024  # numbers at a time; beyond it a number has none


class Numbers:
    """One resolver; its thread starts with the first question, its loop is that of who asks first."""

    def __init__(self, dns: DnsSection) -> None:
        self.dns, self.core = dns, _core.Resolver(dns.json)
        self.asked: dict[int, asyncio.Future[tuple[str, ...]]] = {}
        self.tokens = count(1)
        self.loop: asyncio.AbstractEventLoop | None = None

    async def lead(self, number: str, zone: str) -> tuple[str, ...]:
        """Every question is answered in [dns] lookup_milliseconds."""
        if self.loop is None:
            self.loop = asyncio.get_running_loop()
            self.loop.add_reader(self.core.fd, self.heard)
        token = next(self.tokens)
        if len(self.asked) >= ASKED_MOST or not self.core.ask_enum(number, zone, token):
            return ()
        self.asked[token] = self.loop.create_future()
        try:
            return await self.asked[token]
        finally:
            del self.asked[token]

    def heard(self) -> None:
        """The eventfd is readable."""
        for token, uris, _ in self.core.drain()[1]:
            answered = self.asked.get(token)
            if answered is not None and not answered.done():
                answered.set_result(tuple(uri for uri in uris if URI.match(uri)))

    def stop(self) -> None:
        if self.loop is not None:
            self.loop.remove_reader(self.core.fd)


_numbers: list[Numbers] = []  # one, once it was needed or told what to ask


def use(dns: DnsSection) -> None:
    """The name servers that are asked from now on."""
    while _numbers:
        _numbers.pop().stop()
    _numbers.append(Numbers(dns))


async def enum(number: str, zone: str = ZONE) -> tuple[str, ...]:
    """SIP URIs of a number, the preferred one first; () where there are none, or nobody can say. For functions that are `async`.

    `+` and digits; anything else has none. `zone`: below which it is looked up, a private one where you have one.
    """
    if not _numbers:
        use(DnsSection())
    return await _numbers[0].lead(number, zone)
