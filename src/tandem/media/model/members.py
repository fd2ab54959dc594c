"""What tandem.toml says of several relays and of regions. Pure: it opens nothing."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

RELAYS_MOST = 64
REGIONS_MOST = 256
NETWORKS_MOST = 4_096  # of one region
NAME = r"[a-z0-9][a-z0-9-]{0,31}"
OWN = "own"  # the relay of this machine

Name = Annotated[str, Meta(pattern=f"^{NAME}$")]
Weight = Annotated[int, Meta(ge=1, le=100)]
Place = Path | tuple[str, int]


class RelayRow(Struct, frozen=True, forbid_unknown_fields=True):
    """A further media relay that speaks ng, which calls can take."""

    name: Name  # letters, digits, "-"; the one of this machine is "own"
    place: str  # where it is asked: udp:address:port, or unix:/path
    region: str = ""  # one of media.regions; "": near to all
    weight: Weight = 1  # twice the weight takes twice the calls


class RegionRow(Struct, frozen=True, forbid_unknown_fields=True):
    """A region, and who is in it: the longest network counts, then the country."""

    name: Name  # letters, digits, "-"
    networks: Annotated[tuple[str, ...], Meta(max_length=NETWORKS_MOST)] = ()  # like 10.1.0.0/16
    countries: Annotated[
        tuple[str, ...], Meta(max_length=300)
    ] = ()  # ISO codes, like DE, where media.geo is set
    milliseconds: dict[
        str, Annotated[int, Meta(ge=0, le=2_000)]
    ] = {}  # there and back, to other regions: { us = 90 }


class Member(Struct, frozen=True):
    """One relay that calls can take."""

    name: str
    place: Place
    region: str = ""
    weight: int = 1

    @property
    def shown(self) -> str:
        if isinstance(self.place, Path):
            return f"unix:{self.place}"
        host, port = self.place
        return f"udp:[{host}]:{port}" if ":" in host else f"udp:{host}:{port}"


def bad(relays: tuple[RelayRow, ...], regions: tuple[RegionRow, ...], own: str = "") -> str:
    """What is wrong with them, naming the field; "" when nothing is. `own`: the region of our own relay."""
    names = [row.name for row in relays]
    known = [row.name for row in regions]
    for kind, found in (("relays", names), ("regions", known)):
        if twice := [name for name in found if found.count(name) > 1]:
            return f"media.{kind}: the name {twice[0]!r} stands there twice"
    if regions and own and own not in known:
        return f"relay.region: no region {own!r} in media.regions"
    for row in relays:
        if row.name == OWN:
            return f"media.relays: the name {OWN!r} is that of the relay of this machine"
        if place(row.place) is None:
            return f"media.relays: {row.name}: {row.place!r}: write udp:address:port or unix:/path"
        if [place(other.place) for other in relays].count(place(row.place)) > 1:
            return f"media.relays: {row.name}: {row.place!r} stands there twice"
        if regions and row.region and row.region not in known:
            return f"media.relays: {row.name}: no region {row.region!r} in media.regions"
    return next((why for row in regions if (why := _bad_region(row, known))), "")


def _bad_region(row: RegionRow, known: list[str]) -> str:
    for text in row.networks:
        try:
            ip_network(text)
        except ValueError as error:
            return f"media.regions: {row.name}: {text!r}: {error}"
    for code in row.countries:
        if len(code) != 2 or not code.isascii() or not code.isalpha() or not code.isupper():
            return f"media.regions: {row.name}: {code!r}: write two letters, like DE"
    if strange := [name for name in row.milliseconds if name not in known]:
        return f"media.regions: {row.name}: no region {strange[0]!r}"
    return ""


def place(text: str) -> Place | None:
    """Where a relay is asked; None: not of that form."""
    kind, _, rest = text.partition(":")
    if kind == "unix":
        return Path(rest) if rest.startswith("/") else None
    host, _, port = rest.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        ip_address(bare)
    except ValueError:
        return None
    good = kind == "udp" and port.isascii() and port.isdigit() and 0 < int(port) <= 65_535
    return (bare, int(port)) if good else None
