"""Addresses of host names, as a value: who is known, who must be asked again. It asks nobody and knows no clock."""

from ipaddress import ip_address

from msgspec import Struct
from msgspec.structs import replace

FRESH_SECONDS = 60  # an answer is asked for again after this
FAILED_SECONDS = 10  # a name without an answer likewise
STALE_SECONDS = 3_600  # an answer is used for so long while the resolver fails
ADDRESSES_MOST = 8  # of one name
NAMES_MOST = 10_000
SECOND = 1_000_000


class Found(Struct, frozen=True):
    """What is known of one name."""

    addresses: tuple[str, ...] = ()
    at: int = 0  # microseconds since 1970, when the addresses were answered
    ask_at: int = 0  # when it is asked for again
    error: str = ""


class Names(Struct, frozen=True):
    """By name, lower case."""

    known: dict[str, Found] = {}


def is_numeric(host: str) -> bool:
    """Whether a host is an address, with or without brackets."""
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def wanted(names: Names, hosts: set[str]) -> Names:
    """Exactly these names, with what is known of them; addresses need no table."""
    kept = sorted({host.lower() for host in hosts if host and not is_numeric(host)})[:NAMES_MOST]
    return Names({host: names.known.get(host, Found()) for host in kept})


def due(names: Names, now: int) -> list[str]:
    return [host for host, found in names.known.items() if found.ask_at <= now]


def answered(names: Names, host: str, addresses: tuple[str, ...], now: int) -> Names:
    """An answer; no addresses: the resolver failed, and the old ones stay for a while."""
    if host not in names.known:
        return names
    old = names.known[host]
    if addresses:
        if set(addresses) == set(old.addresses):
            addresses = old.addresses  # resolvers turn the order; that is no change
        new = Found(addresses[:ADDRESSES_MOST], now, now + FRESH_SECONDS * SECOND)
    elif old.addresses and now - old.at < STALE_SECONDS * SECOND:
        new = replace(old, ask_at=now + FAILED_SECONDS * SECOND, error="no answer")
    else:
        new = Found((), 0, now + FAILED_SECONDS * SECOND, "no answer")
    return Names({**names.known, host: new})


def address(names: Names, host: str) -> str:
    """Where to send; "" when the name has no address now."""
    if is_numeric(host):
        return host.removeprefix("[").removesuffix("]")
    found = names.known.get(host.lower())
    return found.addresses[0] if found and found.addresses else ""


def addresses(names: Names, host: str) -> tuple[str, ...]:
    """All addresses of a host, for who may call from there."""
    if is_numeric(host):
        return (host.removeprefix("[").removesuffix("]"),)
    found = names.known.get(host.lower())
    return found.addresses if found else ()
