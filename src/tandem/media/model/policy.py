"""Whether the media of two parties needs the relay, and how it is protected towards each. It knows no calls and no SIP."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from msgspec import Struct

RELAY, DIRECT, AUTO = "relay", "direct", "auto"
POLICIES = (RELAY, DIRECT, AUTO)
REQUIRED, PREFERRED, OFF, TRANSPARENT = "required", "preferred", "off", "transparent"
SRTP_POLICIES = (REQUIRED, PREFERRED, OFF, TRANSPARENT)
NOISE, ECHO, BOTH = "noise", "echo", "both"
CLEANED = (NOISE, ECHO, BOTH)  # what the relay takes out of what a party says

PLAIN, SDES, WEB, KEPT = "p", "s", "w", "t"
# How a party's media is protected: not; with keys in its description (RFC 4568); as browsers do it, with DTLS and ICE
# (RFC 8827); or as the other party likes (transparent)

ADDRESSES_KNOWN = 4_096  # judged addresses that are remembered
# RFC 1918, 6598 (behind a carrier's NAT), 1122, 3927, 4193, 4291: nobody outside can send there
OWN_NETS = tuple(
    map(
        ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
         "fc00::/7", "fe80::/10", "::1/128"),
    )
)  # fmt: skip


class Side(Struct, frozen=True):
    """What is known of one party before its media flows. "" where it is not."""

    source: str  # address that its SIP comes from, or goes to
    media: str  # address in its description, else in its Contact
    kind: str  # PLAIN, SDES or WEB


def combined(one: str, other: str) -> str:
    """The policy of two parties: who demands the relay gets it; who forbids it comes before who does not care."""
    if RELAY in (one, other):
        return RELAY
    return AUTO if one == other == AUTO else DIRECT


def wanted(offered: str, to: Side, srtp: str) -> str:
    """How an offer is protected when it reaches a party with this SRTP policy."""
    if to.kind == WEB:
        return WEB
    match srtp:
        case "required":
            return SDES
        case "off":
            return PLAIN
        case "transparent" if offered != WEB:
            return KEPT
    return to.kind or (SDES if offered == SDES else PLAIN)


def why(policy: str, one: Side, other: Side, towards: str) -> str:
    """Why an offer of `one` to `other`, protected as `towards` says, must pass the relay; "" when it need not."""
    if policy == RELAY:
        return "policy"
    if policy == DIRECT:
        return ""
    if towards != KEPT and towards != (one.kind or PLAIN):
        return "transport" if WEB in (towards, one.kind) else "srtp"
    ours, theirs = place(one), place(other)
    if family(ours) and family(theirs) and family(ours) != family(theirs):
        return "family"
    if behind_nat(one) or behind_nat(other):
        return "nat"
    if ours and theirs and is_private(ours) != is_private(theirs):
        return "nat"
    return ""


def place(side: Side) -> str:
    """Where its media would be sent."""
    return side.media if family(side.media) else side.source


def behind_nat(side: Side) -> bool:
    """Its own address is none of the world, and not the one that its packets come from."""
    return bool(
        family(side.media)
        and side.source
        and side.media != side.source
        and is_private(side.media)
        and family(side.media) == family(side.source)
    )


@lru_cache(maxsize=ADDRESSES_KNOWN)
def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The address that a text is; None for a name, and for the unspecified address, which is nobody's."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return None if found.is_unspecified else found


def family(text: str) -> int:
    """4 or 6; 0 for a name or nothing."""
    found = parsed(text) if text else None
    return found.version if found is not None else 0


@lru_cache(maxsize=ADDRESSES_KNOWN)
def is_private(text: str) -> bool:
    """An address that only its own network can reach."""
    found = parsed(text)
    return found is not None and any(found in net for net in OWN_NETS)
