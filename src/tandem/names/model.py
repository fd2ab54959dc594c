"""What calls know of names: peers that are wished for, places that a name leads to. It asks nobody."""

from ipaddress import ip_address

from msgspec import Struct

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
