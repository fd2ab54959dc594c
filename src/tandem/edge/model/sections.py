"""What edge.toml and tandem.toml have in common: bans in the kernel, copies for a Homer. It opens nothing."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

METHOD_CHARACTERS = 32

Method = Annotated[str, Meta(min_length=1, max_length=METHOD_CHARACTERS, pattern="^[A-Z]+$")]


class NftSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Bans in the kernel's nf_tables: what is banned costs the edge nothing more."""

    mode: Literal["off", "auto", "on"] = (
        "off"  # auto: where it may (CAP_NET_ADMIN), tried once; on: tried for ever
    )


class HepSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Copies of SIP messages for a Homer, HEP version 3 (docs/guide/homer.md). Calls never wait for it."""

    to: str = ""  # udp:host:port or tcp:host:port; "": no copies
    id: Annotated[int, Meta(ge=0, le=4_294_967_295)] = 2_001  # Homer's capture id of this edge
    password: Annotated[str, Meta(max_length=255)] = ""  # "": none is sent
    sample_percent: Annotated[float, Meta(ge=0, le=100)] = (
        100.0  # of a hundred calls, so many are copied whole
    )
    errors: bool = True  # a call that fails is copied whole too, with what it said before
    errors_except: Annotated[
        tuple[Annotated[int, Meta(ge=400, le=699)], ...], Meta(max_length=300)
    ] = (401, 407)  # statuses that are no failure
    methods: Annotated[
        tuple[Method, ...], Meta(max_length=32)
    ] = ()  # only these, with their responses; none: all
    per_second: Annotated[int, Meta(ge=1, le=1_000_000)] = (
        5_000  # copies at most, of each edge process; what is more is dropped and counted
    )

    @property
    def told(self) -> dict[str, Any] | None:
        """As the core reads it; None: no copies."""
        return msgspec.to_builtins(self) if self.to else None


def bad_copies(section: HepSection) -> str:
    """The field, the value and the rule, where `to` is no place; "" where it is."""
    if not section.to:
        return ""
    kind, _, place = section.to.partition(":")
    host, _, port = place.rpartition(":")
    good = kind in ("udp", "tcp") and host and (":" not in host or host[0] == "[")
    if good and port.isascii() and port.isdigit() and 0 < int(port) <= 65_535:
        return ""
    return (
        f"hep.to: {section.to!r}: write udp:host:port or tcp:host:port, like udp:homer.example:9060"
    )
