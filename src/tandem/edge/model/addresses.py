"""Addresses as people write them in edge.toml: listening ones, members, networks. It looks no name up."""

import re
from ipaddress import ip_address, ip_network

from msgspec import Struct

from tandem.edge.model.tree import TRANSPORTS, ListenTable

# RFC 1123 2.1; its last label is not a number, or it would be a wrong address
HOST_NAME = re.compile(
    r"^(?=.{1,253}$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*(?![0-9]+$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$"
)
PORTS = {
    "auto": 5060,
    "udp": 5060,
    "tcp": 5060,
    "tls": 5061,
    "ws": 80,
    "wss": 443,
}  # RFC 3261 19.1.2, RFC 7118 8


class BadValue(Exception):
    """A value that cannot be used, with its field: the text says the rule."""

    def __init__(self, field: str, value: object, why: str) -> None:
        super().__init__(f"{field}: {value!r}: {why}")
        self.field, self.value, self.why = field, value, why


class At(Struct, frozen=True):
    """A listening address as the configuration means it."""

    text: str  # as it is written, without what is advertised: how routes name it
    transport: str
    host: str  # without brackets
    port: int
    advertised: str = ""  # host:port, or ""
    balancers: tuple[str, ...] = ()  # networks from which connections begin with a PROXY header


def listening(written: str | ListenTable, field: str, host: str) -> At:
    """`udp:0.0.0.0:5060`, also with `advertise host:port` or `proxy_protocol network ..` behind it.

    `host` is advertised where nothing is said.
    """
    if isinstance(written, ListenTable):
        field = f"{field}.address"
        text, said, nets = written.address.strip(), written.advertised, list(written.proxy_protocol)
    else:
        text, said, nets = _words(written, field)
    said = said.strip() or host
    transport, _, rest = text.partition(":")
    if transport not in TRANSPORTS:
        raise BadValue(field, text, f"the transport must be one of {', '.join(TRANSPORTS)}")
    ip, port = _hostport(rest, field, text, None)
    if _is_name(ip):
        raise BadValue(field, text, f"{ip!r} is not an IP address; write it like udp:0.0.0.0:5060")
    if nets and transport == "udp":
        raise BadValue(field, text, "proxy_protocol is for tcp, tls, ws and wss")
    balancers = tuple(network(net, field) for net in nets)
    return At(text, transport, ip, port, _advertised(said, port, field) if said else "", balancers)


def _words(written: str, field: str) -> tuple[str, str, list[str]]:
    """Address, what is advertised, networks of balancers."""
    address, *rest = written.split() or [""]
    said, nets = "", list[str]()
    while rest:
        word = rest.pop(0)
        if word == "advertise" and rest:
            said = rest.pop(0)
        elif word == "proxy_protocol" and rest:
            while rest and rest[0] != "advertise":
                nets.append(rest.pop(0))
        else:
            why = "behind an address stands `advertise host:port` or `proxy_protocol network ..`"
            raise BadValue(field, word, why)
    return address, said, nets


def member_address(text: str, transport: str, field: str) -> tuple[str, int]:
    """Host (an IP address, or a name that the workers look up) and port, the transport's where none is written."""
    host, port = _hostport(text, field, text, PORTS[transport])
    if _is_name(host) and not HOST_NAME.match(host):
        raise BadValue(
            field,
            text,
            "write an address or a name, like 10.0.0.11:5060, [2001:db8::1]:5060 or fs1.example",
        )
    if port == 0:
        raise BadValue(field, text, "the port must be a number from 1 to 65535")
    return host, port


def is_name(host: str) -> bool:
    """Whether it is to be looked up."""
    return _is_name(host)


def joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def network(text: str, field: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise BadValue(field, text, "write a network, like 192.0.2.0/24 or 2001:db8::/32") from None


def _advertised(text: str, port: int, field: str) -> str:
    host, port = _hostport(text, field, text, port)
    return joined(host, port)


def _hostport(text: str, field: str, whole: str, port: int | None) -> tuple[str, int]:
    """Host without brackets, and port; `port` is the one of a text without any, None: it must have one."""
    host, digits = text, ""
    if text.startswith("["):
        inner, bracket, rest = text[1:].partition("]")
        if not bracket or not (rest == "" or rest.startswith(":")):
            raise BadValue(
                field, whole, "write an IPv6 address in brackets, like [2001:db8::1]:5060"
            )
        host, digits = inner, rest[1:]
    elif text.count(":") == 1:
        host, _, digits = text.partition(":")
    elif text.count(":") > 1:
        raise BadValue(field, whole, "write an IPv6 address in brackets, like [2001:db8::1]:5060")
    if not host:
        raise BadValue(field, whole, "the address is missing")
    if not digits and port is None:
        raise BadValue(field, whole, "the port is missing: write it like udp:0.0.0.0:5060")
    if digits and not (digits.isascii() and digits.isdigit() and int(digits) <= 65_535):
        raise BadValue(field, whole, "the port must be a number from 0 to 65535")
    return host, int(digits) if digits else port or 0


def _is_name(host: str) -> bool:
    try:
        ip_address(host)
        return False
    except ValueError:
        return True
