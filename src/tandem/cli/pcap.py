"""SIP messages of a trace, and packets of media that the relay wrote, as one pcap file for Wireshark and tcpdump. It opens no file.

The messages are what Tandem saw, not what was on the wire: each one becomes one UDP datagram between the same
addresses and ports, also those of TCP and TLS; addresses, times and texts are real, headers below SIP are made here.
"""

import heapq
import struct
from collections.abc import Iterable, Iterator
from io import BufferedReader
from ipaddress import IPv4Address, IPv6Address, ip_address

from tandem.cli.ladder import LadderMessage

MAGIC_MICROSECONDS = 0xA1B2C3D4
LINKTYPE_RAW = 101  # IPv4 or IPv6, by the version in the first four bits
SNAP_BYTES = 65_535
UDP_BYTES_MOST = 65_535 - 20 - 8  # payload; a longer message is cut
UDP = 17
HOPS = 64
FILE_HEADER = struct.Struct("<IHHiIII")
RECORD_HEADER = struct.Struct("<IIII")


class BadPcap(Exception):
    """The relay's file is none that this program reads; the text says why."""


def pcap(messages: Iterable[LadderMessage]) -> Iterator[bytes]:
    """The file's header, then a record per message in order of time."""
    return merged(messages, None)


def merged(messages: Iterable[LadderMessage], media: BufferedReader | None) -> Iterator[bytes]:
    """The same with the records of `media`, a file of the relay, between them. Raises BadPcap."""
    yield FILE_HEADER.pack(MAGIC_MICROSECONDS, 2, 4, 0, 0, SNAP_BYTES, LINKTYPE_RAW)
    said = ((m.at, packet(m)) for m in sorted(messages, key=lambda m: m.at))
    for at, data in heapq.merge(said, records(media) if media else (), key=lambda one: one[0]):
        seconds, micros = divmod(at, 1_000_000)
        yield RECORD_HEADER.pack(seconds, micros, len(data), len(data)) + data


def records(file: BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Times in microseconds since 1970 and packets of a file of the relay. Raises BadPcap."""
    head = file.read(FILE_HEADER.size)
    if len(head) < FILE_HEADER.size:
        raise BadPcap("its header is cut off")
    magic, *_, link = FILE_HEADER.unpack(head)
    if (magic, link) != (MAGIC_MICROSECONDS, LINKTYPE_RAW):
        raise BadPcap(f"magic {magic:#x}, link type {link}")
    while head := file.read(RECORD_HEADER.size):
        seconds, micros, kept, _ = RECORD_HEADER.unpack(head.ljust(RECORD_HEADER.size, b"\xff"))
        data = file.read(kept) if kept <= SNAP_BYTES else b""
        if len(data) < kept:
            raise BadPcap("a record is cut off")
        yield seconds * 1_000_000 + micros, data


def packet(message: LadderMessage) -> bytes:
    """IP, UDP and the message."""
    ours, theirs = endpoint(message.local), endpoint(message.remote)
    (source, source_port), (target, target_port) = (
        (theirs, ours) if message.inbound else (ours, theirs)
    )
    payload = message.text.encode("latin-1", "replace")[:UDP_BYTES_MOST]
    if isinstance(source, IPv4Address) and isinstance(target, IPv4Address):
        pseudo = source.packed + target.packed
        header = _ipv4(source, target, 8 + len(payload))
    else:
        source, target = _six(source), _six(target)
        pseudo = source.packed + target.packed
        payload = payload[: UDP_BYTES_MOST - 20]  # so that the packet fits SNAP_BYTES
        header = struct.pack("!IHBB", 6 << 28, 8 + len(payload), UDP, HOPS) + pseudo
    return header + _udp(pseudo, source_port, target_port, payload)


def endpoint(text: str) -> tuple[IPv4Address | IPv6Address, int]:
    """host:port, [host]:port; what is no address becomes 0.0.0.0."""
    host, _, port = text.rpartition(":")
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        address = IPv4Address(0)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address, int(port) if port.isdecimal() and port.isascii() and int(port) < 65_536 else 0


def _ipv4(source: IPv4Address, target: IPv4Address, length: int) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, HOPS, UDP, 0)
    head += source.packed + target.packed
    return head[:10] + struct.pack("!H", _sum(head)) + head[12:]


def _udp(pseudo: bytes, source_port: int, target_port: int, payload: bytes) -> bytes:
    length = 8 + len(payload)
    head = struct.pack("!HHHH", source_port, target_port, length, 0)
    proof = _sum(pseudo + struct.pack("!II", length, UDP) + head + payload) or 0xFFFF  # RFC 768
    return head[:6] + struct.pack("!H", proof) + payload


def _six(address: IPv4Address | IPv6Address) -> IPv6Address:
    return address if isinstance(address, IPv6Address) else IPv6Address(0xFFFF << 32 | int(address))


def _sum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
