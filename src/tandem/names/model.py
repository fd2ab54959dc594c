"""What is known of names: peers that are wished for, places that a name leads to, how it is asked. It asks nobody."""

from ipaddress import ip_address
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tandem.boundary import TLS, UDP

PLACES_MOST = 8  # tried one after the other for one peer
SIP_PORT, SIPS_PORT = 5060, 5061  # RFC 3261 19.1.2


class Peer(Struct, frozen=True, array_like=True):
    """Whom somebody wants to reach. port 0, transport 0: what NAPTR and SRV say (RFC 3263)."""

    host: str
    port: int = 0
    transport: int = 0


class Place(Struct, frozen=True, array_like=True):
    """Where a message can be sent: an address, no name."""

    transport: int
    host: str
    port: int


def is_numeric(host: str) -> bool:
    """Whether a host is an address, with or without brackets."""
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def as_written(peer: Peer, hash: int = 0) -> tuple[Place, ...]:
    """The place that a peer's own words give; a name stays one. For where nothing is looked up."""
    transport = peer.transport or UDP
    port = peer.port or (SIPS_PORT if transport == TLS else SIP_PORT)
    return (Place(transport, peer.host.removeprefix("[").removesuffix("]"), port),)


class DnsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """How host names are looked up (RFC 3263). Times of life are seconds."""

    servers: Annotated[
        tuple[str, ...], Meta(max_length=8)
    ] = ()  # address or address:port; none: those of resolv_conf
    resolv_conf: str = "/etc/resolv.conf"  # read again when it changes
    hosts: str = "/etc/hosts"  # comes before any server; read again when it changes; "": none
    server_milliseconds: Annotated[int, Meta(ge=50, le=30_000)] = 1_500  # for one server's answer
    attempts: Annotated[int, Meta(ge=1, le=5)] = 2  # rounds over all servers
    lookup_milliseconds: Annotated[int, Meta(ge=50, le=60_000)] = (
        4_000  # for all questions that one name leads to
    )
    ttl_floor: Annotated[int, Meta(ge=0, le=3_600)] = 5  # an answer counts at least so long,
    ttl_ceiling: Annotated[int, Meta(ge=1, le=604_800)] = 3_600  # and at most so long
    negative: Annotated[int, Meta(ge=0, le=10_800)] = (
        300  # that there is no such name or record, at most
    )
    stale: Annotated[int, Meta(ge=0, le=604_800)] = (
        3_600  # what was known is used so much longer while servers fail
    )
    failed_target: Annotated[int, Meta(ge=0, le=3_600)] = (
        30  # a target that failed is tried last for so long
    )
    transports: Annotated[tuple[Literal["udp", "tcp", "tls"], ...], Meta(min_length=1)] = (
        "udp",
        "tcp",
        "tls",
    )  # what is spoken, the preferred one first
    families: Annotated[
        tuple[Literal["ipv6", "ipv4"], ...], Meta(max_length=2)
    ] = ()  # the preferred one first; none: IPv6 first where this machine has a global IPv6 address

    @property
    def told(self) -> dict[str, Any]:
        """As the core reads it."""
        return {
            "servers": self.servers,
            "resolv_conf": self.resolv_conf,
            "hosts": self.hosts,
            "server_ms": self.server_milliseconds,
            "question_ms": self.lookup_milliseconds,
            "lookup_ms": self.lookup_milliseconds,
            "attempts": self.attempts,
            "ttl_floor_seconds": self.ttl_floor,
            "ttl_ceiling_seconds": self.ttl_ceiling,
            "negative_seconds": self.negative,
            "stale_seconds": self.stale,
            "ill_seconds": self.failed_target,
            "transports": self.transports,
            "families": self.families,
        }

    @property
    def json(self) -> bytes:
        return msgspec.json.encode(self.told)


def bad_server(section: DnsSection) -> str:
    """The field, the value and the rule, where a server is no address; "" where all are."""
    for text in section.servers:
        host, _, port = text.rpartition(":")
        good = is_numeric(text) or (
            is_numeric(host) and port.isascii() and port.isdigit() and 0 < int(port) <= 65_535
        )
        if not good:
            like = "write address or address:port, like 192.0.2.53 or [2001:db8::53]:53"
            return f"dns.servers: {text!r}: {like}"
    return ""
