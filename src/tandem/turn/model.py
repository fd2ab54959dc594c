"""What tandem.toml says of TURN, coturn's configuration, and credentials that end by themselves. Pure: it opens nothing."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Annotated

from msgspec import Meta, Struct

from tandem.relay.model import Interface, RelaySection

PEERS_MAX = 64
EVERYBODY = ("0.0.0.0-255.255.255.255", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
Port = Annotated[int, Meta(ge=0, le=65_535)]
Count = Annotated[int, Meta(ge=1, le=30_000)]


class TurnSection(Struct, frozen=True, forbid_unknown_fields=True):
    """coturn (RFC 8656), for browsers in networks that let no UDP through: it reaches our media relay and nobody else."""

    enabled: bool = False  # `tandem up --turn` turns it on
    port: Annotated[int, Meta(ge=1, le=65_535)] = 3478  # UDP and TCP, on the relay's addresses
    tls_port: Port = 0  # TLS with sip.certificate, like 5349 or 443; 0: none
    host: str = ""  # name in the URLs that browsers get; "": the relay's addresses. With tls_port a name of the certificate
    realm: str = ""  # "": sip.default_domain
    ports: str = "50000-50999"  # of allocations, one each; apart from relay.ports
    peers: Annotated[
        tuple[str, ...], Meta(max_length=PEERS_MAX)
    ] = ()  # further addresses or networks that may be reached, as of other relays
    credential_seconds: Annotated[int, Meta(ge=60, le=604_800)] = (
        43_200  # then no new allocation is made with it
    )
    allocations: Count = 1_000  # at one time
    allocations_per_user: Count = 12  # of one credential


def bad(section: TurnSection, relay: RelaySection) -> str:
    """What is wrong with it, naming the field; "" when nothing is."""
    span = _span(section.ports)
    if span is None:
        return f"turn.ports: {section.ports!r}: write the first and the last above 1023, like 50000-50999"
    theirs = _span(relay.ports)
    if relay.enabled and theirs and span[0] <= theirs[1] and theirs[0] <= span[1]:
        return f"turn.ports: {section.ports!r}: the media relay has {relay.ports} (relay.ports)"
    for name, text in (("host", section.host), ("realm", section.realm)):
        if text and not all(c.isascii() and (c.isalnum() or c in ".-:") for c in text):
            return f"turn.{name}: {text!r}: letters, digits, dots and hyphens"
    for text in section.peers:
        try:
            ip_network(text)
        except ValueError:
            return f"turn.peers: {text!r}: write an address or a network, like 192.0.2.7 or 192.0.2.0/28"
    return ""


def conf(
    section: TurnSection,
    places: Sequence[Interface],
    *,
    realm: str,
    secret: str,
    certificate: tuple[str, str] | None = None,
    user: str = "",
) -> str:
    """turnserver.conf. certificate: PEM files of it and its key, for tls_port; user: whom a root process becomes."""
    least, most = _span(section.ports) or (0, 0)
    lines = [
        f"listening-port={section.port}", f"min-port={least}", f"max-port={most}",
        f"realm={section.realm or realm}",
        "use-auth-secret", f"static-auth-secret={secret}",
        "userdb=:memory:",  # it wants a database of secrets beside ours: an empty one that no file is needed for
        "no-cli", "no-tcp-relay", "no-multicast-peers", "no-rfc5780", "no-stun-backward-compatibility",
        "no-software-attribute", "no-dtls", "no-auth-pings", "no-dynamic-ip-list", "no-dynamic-realms",
        "fingerprint", "stale-nonce=600", "log-file=stdout", "simple-log", "pidfile=/dev/null",
        f"total-quota={section.allocations}", f"user-quota={section.allocations_per_user}",
    ]  # fmt: skip
    if certificate:
        lines += [f"tls-listening-port={section.tls_port}", "no-tlsv1", "no-tlsv1_1"]
        lines += [f"cert={certificate[0]}", f"pkey={certificate[1]}"]
    else:
        lines += ["no-tls"]
    lines += [f"proc-user={user}", f"proc-group={user}"] if user else []
    for place in places:
        lines += [f"listening-ip={place.address}", f"relay-ip={place.address}"]
        lines += [f"external-ip={place.advertised}/{place.address}"] if place.advertised else []
    lines += [f"denied-peer-ip={range}" for range in EVERYBODY]
    lines += [f"allowed-peer-ip={text}" for text in _allowed(section, places)]
    if any(ip_address(place.address).is_loopback for place in places):
        lines += ["allow-loopback-peers"]  # a relay on loopback is one for tests
    return "\n".join([*lines, ""])


def _allowed(section: TurnSection, places: Sequence[Interface]) -> list[str]:
    """Our relay by each of its names, and whom the configuration adds; networks as first-last."""
    ours = [text for place in places for text in (place.address, place.advertised) if text]
    nets = [ip_network(text) for text in section.peers]
    theirs = [str(n[0]) if n.num_addresses == 1 else f"{n[0]}-{n[-1]}" for n in nets]
    return list(dict.fromkeys([*ours, *theirs]))


def secret_of(hashed: str) -> str:
    """coturn's secret from the key of keyed hashes in keys.json (hex)."""
    return hmac.new(bytes.fromhex(hashed), b"turn credentials", hashlib.sha256).hexdigest()


class IceServer(Struct, frozen=True):
    """As RTCPeerConnection takes it."""

    urls: list[str]
    username: str
    credential: str


class Turn(Struct, frozen=True):
    """What credentials are made of. No URLs: there is no TURN."""

    urls: tuple[str, ...] = ()
    secret: str = ""
    seconds: int = 0

    def server(self, user: str, now: int) -> IceServer:
        """For one user, from `now` (seconds since 1970) on: "A REST API For Access To TURN Services" 2.2."""
        name = f"{now + self.seconds}:{user}"
        proof = hmac.new(self.secret.encode(), name.encode(), hashlib.sha1).digest()
        return IceServer(list(self.urls), name, base64.b64encode(proof).decode())


def urls(section: TurnSection, places: Sequence[Interface]) -> tuple[str, ...]:
    """By UDP, by TCP, by TLS (RFC 7065)."""
    hosts = [section.host] if section.host else [one.advertised or one.address for one in places]
    found = [
        f"turn:{_bracketed(host)}:{section.port}?transport={transport}"
        for host in hosts
        for transport in ("udp", "tcp")
    ]
    if section.tls_port:
        found += [f"turns:{_bracketed(host)}:{section.tls_port}?transport=tcp" for host in hosts]
    return tuple(found)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _span(text: str) -> tuple[int, int] | None:
    least, _, most = text.partition("-")
    if not (least.isascii() and least.isdigit() and most.isascii() and most.isdigit()):
        return None
    return (int(least), int(most)) if 1_024 <= int(least) < int(most) <= 65_535 else None
