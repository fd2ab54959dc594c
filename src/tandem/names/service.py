"""Keeps the names of peers known beside the calls, by the core's resolver. It decides nothing; calls only read it."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from tandem.log import log
from tandem.names.model import PLACES_MOST, Peer, Place, is_numeric

NUMBERS_MOST = 256  # ENUM look-ups that wait at a time; beyond it a number has none


class Core(Protocol):
    """As much of tandem._core.Resolver as is needed here."""

    @property
    def fd(self) -> int: ...
    def watch(self, peers: list[tuple[str, int, int]]) -> None: ...
    def drain(self) -> tuple[bool, list[tuple[int, list[str], str]]]: ...
    def targets(
        self, host: str, port: int, transport: int, seed: int
    ) -> tuple[list[tuple[int, str, int, str]], str]: ...
    def addresses(self, host: str, port: int, transport: int) -> list[str]: ...
    def failed(self, transport: int, host: str, port: int) -> None: ...
    def well(self, transport: int, host: str, port: int) -> None: ...
    def ask_enum(self, number: str, suffix: str, token: int) -> bool: ...


class Resolver:
    """`changed` is called when a name leads elsewhere than before."""

    def __init__(self, *, core: Core, changed: Callable[[], None]) -> None:
        self.core, self.changed = core, changed
        self.errors: dict[Peer, str] = {}  # why a watched name leads nowhere, as it was told last
        self.wanted: frozenset[Peer] = frozenset()
        self.numbers: dict[int, Callable[[tuple[str, ...]], None]] = {}
        self.token = 0
        self.loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        loop.add_reader(self.core.fd, self.heard)
        self.heard()

    def stop(self) -> None:
        if self.loop is not None:
            self.loop.remove_reader(self.core.fd)

    def want(self, peers: Iterable[Peer]) -> None:
        """The peers that there are now; addresses need nobody who knows them."""
        wanted = frozenset(peer for peer in peers if peer.host and not is_numeric(peer.host))
        if wanted != self.wanted:
            self.wanted = wanted
            self.core.watch([(peer.host, peer.port, peer.transport) for peer in wanted])

    def places(self, peer: Peer, hash: int) -> tuple[Place, ...]:
        """Where to try, in order; the same hash draws the same. Empty: the name leads nowhere now."""
        found, _ = self.core.targets(peer.host, peer.port, peer.transport, hash)
        return tuple(
            Place(transport, host, port) for transport, host, port, _ in found[:PLACES_MOST]
        )

    def addresses(self, peer: Peer) -> tuple[str, ...]:
        """Every address of a peer, for who may call from there."""
        return tuple(self.core.addresses(peer.host, peer.port, peer.transport))

    def failed(self, place: Place) -> None:
        """It refused (503), was silent, or could not be reached: it is tried last for a while."""
        self.core.failed(place.transport, place.host, place.port)

    def ask_number(
        self, number: str, suffix: str, answered: Callable[[tuple[str, ...]], None]
    ) -> None:
        """What a number leads to by ENUM; `answered` is called once, with nothing where there is nothing."""
        self.token += 1
        if len(self.numbers) >= NUMBERS_MOST or not self.core.ask_enum(number, suffix, self.token):
            answered(())
            return
        self.numbers[self.token] = answered

    def heard(self) -> None:
        """The eventfd is readable."""
        changed, numbers = self.core.drain()
        for token, uris, _ in numbers:
            if (answered := self.numbers.pop(token, None)) is not None:
                answered(tuple(uris))
        if changed:
            self.tell()
            self.changed()

    def tell(self) -> None:
        for peer in self.wanted:
            found, error = self.core.targets(peer.host, peer.port, peer.transport, 0)
            if error == "not-yet" or self.errors.get(peer) == error:
                continue
            self.errors[peer] = error
            if error:
                log.warning("name not found", host=peer.host, error=error)
            else:
                log.info("name found", host=peer.host, targets=len(found))
        self.errors = {peer: error for peer, error in self.errors.items() if peer in self.wanted}
