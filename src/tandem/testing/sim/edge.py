"""A simulated edge: the real keeper between phones and nodes, with sockets made of callbacks."""

import struct
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from tandem._core import Keeper
from tandem.testing.sim.clock import Clock
from tandem.testing.sim.phone import TCP, UDP, Phone
from tandem.testing.sim.wire import parse

ADDRESS = "10.9.0.1"
LINKS = 32  # owners that one run may have, one after another
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def address(host: str, port: int) -> bytes:
    packed = ip_address(host).packed
    return (b"\0" * 10 + b"\xff\xff" + packed if len(packed) == 4 else packed) + struct.pack(
        "<H", port
    )


def shard_of(data: bytes) -> int:
    """Call id in a branch or tag of ours; else any fixed function of the Call-ID (the real edge uses a keyed hash)."""
    message = parse(data)
    name = message.branch[7:] if message.status else message.to_tag
    if (
        (message.status or len(name) == 15)
        and len(name) >= 2
        and all(c in ALPHABET for c in name[:2])
    ):
        return ALPHABET.index(name[0]) * 32 + ALPHABET.index(name[1])
    return sum(message.get("Call-ID").encode()) * 7919 % 1024


class SimEdge:
    """`deliver(edge, host, data)` hands a datagram to the network; streams go straight to their phone."""

    def __init__(self, number: int, clock: Clock, deliver: Callable[[str, bytes], None]) -> None:
        self.number, self.clock, self.deliver = number, clock, deliver
        self.alive = True
        self.keeper = Keeper(clock.now, LINKS)
        self.links: dict[int, Callable[[bytes], None]] = {}  # by owner, those that stand
        self.connections: dict[int, Phone] = {}
        self.by_host: dict[str, int] = {}
        self.next_connection = clock.now  # never a number of an earlier incarnation
        self.said: list[
            tuple[int, int, int, str, bytes]
        ] = []  # time, shard, epoch, host, bytes: what went out
        self.dropped = 0

    def hello(self) -> bytes:
        text = b"%s:5060" % ADDRESS.encode()
        locals_ = b"".join(
            bytes([transport]) + address(ADDRESS, 5060) + struct.pack("<H", len(text)) + text
            for transport in (UDP, TCP)
        )
        return (
            b"\x01"
            + struct.pack("<HHQ", 1, self.number, self.keeper_started)
            + b"\x02"
            + locals_
            + struct.pack("<I", self.keeper.highest())
        )

    @property
    def keeper_started(self) -> int:
        return self.started

    def start(self) -> None:
        self.started = self.clock.now

    def connect(self, phone: Phone) -> int:
        number = self.next_connection
        self.next_connection += 1
        self.connections[number] = phone
        self.by_host[phone.host] = number
        return number

    def hear(self, host: str, transport: int, connection: int, data: bytes) -> None:
        """A message from a phone: kept, and handed to whoever owns the calls now."""
        if not self.alive:
            return
        link, frame = self.keeper.up(
            shard_of(data),
            connection,
            transport,
            0 if transport == UDP else 1,
            host,
            5060,
            self.clock.now,
            data,
        )
        if link in self.links:
            self.links[link](frame)

    def link(self, number: int, owner: Callable[[bytes], None] | None) -> None:
        """The link to an owner stands, or is gone."""
        self.keeper.lost(number)
        self.links.pop(number, None)
        if owner is not None:
            self.links[number] = owner
            owner(self.hello())
            owner(self.heard(number))

    def heard(self, number: int) -> bytes:
        return b"\x07" + struct.pack("<QQ", *self.keeper.heard(number))

    def down(self, number: int, frame: bytes) -> None:
        """A frame of an owner, old or new; the keeper's fence decides."""
        if not self.alive or number not in self.links:
            return
        kind = frame[0]
        if kind != 65:
            self.keeper.control(number, frame)
            for link, owner in self.links.items():
                for kept in self.keeper.hand(link) if kind == 67 else ():
                    owner(kept)
            return
        passes = self.keeper.down(number, frame)
        self.links[number](self.heard(number))
        if not passes:
            self.dropped += 1
            return
        shard, epoch, cookie, flow, transport = struct.unpack_from("<HIQQB", frame, 1)
        packed = IPv6Address(frame[25:41])
        host = str(packed.ipv4_mapped or packed)
        data = frame[43:]
        self.said.append((self.clock.now, shard, epoch, host, data))
        if transport == UDP:
            self.deliver(host, data)
            return
        number = flow or self.by_host.get(host, 0)
        phone = self.connections.get(number)
        if phone is None:
            self.failed(cookie)
            return
        self.clock.after(
            1_000, lambda: phone.hear(data) if self.alive and number in self.connections else None
        )

    def failed(self, cookie: int) -> None:
        for owner in self.links.values():
            owner(b"\x03" + struct.pack("<QB", cookie, 1))

    def die(self) -> None:
        self.alive = False
        self.connections.clear()
