"""What tandem.toml says of the media relay, and the addresses that follow from it. Pure: it opens nothing."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Annotated, Literal

from msgspec import Meta, Struct

INTERFACES_MAX = 16
NG_MAX = 16  # addresses for commands
WILDCARDS = ("0.0.0.0", "::")

Seconds = Annotated[int, Meta(ge=0, le=86_400)]


class RelaySection(Struct, frozen=True, forbid_unknown_fields=True):
    """The process that carries audio and video. It speaks rtpengine's ng protocol to whoever may ask."""

    enabled: bool = True  # false: none of ours; media flows between the phones, or by media.relay
    interfaces: Annotated[
        tuple[str, ...], Meta(max_length=INTERFACES_MAX)
    ] = ()  # `address`, `name=address`, behind either `advertise address`; none: the addresses of sip.listen, for a wildcard that of the default route
    ports: str = "20000-32767"  # for media; each endpoint takes two
    ng: Annotated[
        tuple[str, ...], Meta(max_length=NG_MAX)
    ] = ()  # where others may ask, like udp:127.0.0.1:2223; there is no password: never an address that strangers reach
    threads: Annotated[int, Meta(ge=0, le=64)] = 0  # that carry packets; 0: one for each core
    tos: Annotated[int, Meta(ge=0, le=255)] = 184  # DSCP and ECN byte of media; 184 is EF
    silence_seconds: Seconds = 60  # without a packet, then a call's media is gone; 0: never
    held_seconds: Seconds = 3_600  # the same for a call on hold
    kernel: Literal["auto", "on", "off"] = "auto"  # plain streams by eBPF where it may be loaded
    recording_format: Literal["wav", "ogg"] = (
        "wav"  # of what ng commands record; it goes to data/recordings
    )
    region: str = ""  # of media.regions: where it is
    weight: Annotated[int, Meta(ge=1, le=100)] = 1  # among media.relays: its share of calls
    recording_stereo: bool = False  # each side on a channel of its own, WAV only
    speech: Annotated[
        tuple[str, ...], Meta(max_length=32)
    ] = ()  # a program that speaks, like ["espeak-ng", "--stdout"]: `--` and the text follow, a WAV comes out


class Interface(Struct, frozen=True):
    """An address on which media comes and goes."""

    name: str
    address: str
    advertised: str = ""


def bad(section: RelaySection) -> str:
    """What is wrong with it, naming the field; "" when nothing is."""
    if why := _bad_ports(section.ports):
        return f"relay.ports: {section.ports!r}: {why}"
    for text in section.interfaces:
        if (found := interface(text)) is None:
            return f"relay.interfaces: {text!r}: write an IP address, like 192.0.2.7, `name=address` or `address advertise address`"
        if found.address in WILDCARDS:
            return f"relay.interfaces: {text!r}: needs one address, not all: peers are told it"
    for text in section.ng:
        if ng_address(text) is None:
            return f"relay.ng: {text!r}: write udp:address:port or tcp:address:port"
    return ""


def _bad_ports(text: str) -> str:
    least, _, most = text.partition("-")
    if not (least.isascii() and least.isdigit() and most.isascii() and most.isdigit()):
        return "write the first and the last, like 20000-32767"
    if not 1_024 <= int(least) < int(most) <= 65_535:
        return "ports are 1024 to 65535, the first below the last"
    return ""


def interface(text: str) -> Interface | None:
    """`name=address advertise address`; None: not of that form."""
    match text.split():
        case [first]:
            advertised = ""
        case [first, "advertise", advertised] if _is_address(advertised):
            pass
        case _:
            return None
    name, _, address = first.rpartition("=")
    return Interface(name or "default", address, advertised) if _is_address(address) else None


def ng_address(text: str) -> tuple[str, str] | None:
    """(transport, address:port); None: not of that form."""
    transport, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    good = port.isascii() and port.isdigit() and 0 < int(port) <= 65_535 and _is_address(bare)
    return (transport, rest) if transport in ("udp", "tcp") and good else None


def interfaces(
    section: RelaySection, hosts: Sequence[str], advertised: str, routes: dict[str, str]
) -> list[Interface]:
    """Those that are configured, else those of the edge's `hosts`; `routes`: the default address for each wildcard."""
    if section.interfaces:
        return [found for text in section.interfaces if (found := interface(text))]
    addresses = dict.fromkeys(routes.get(host, host) for host in hosts)
    shown = advertised if _is_address(advertised) else ""
    same = {address: shown for address in addresses if shown and _family(shown) == _family(address)}
    return [Interface("default", address, same.get(address, "")) for address in addresses]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _family(address: str) -> int:
    return ip_address(address).version
