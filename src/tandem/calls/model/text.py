"""SIP text: making requests and responses, reading the few header forms that call logic looks at. No Via, no Contact.

The core adds Via, Contact and Content-Length, because it knows which address the peer talks to (boundary.md, 3).
"""

import hashlib
import re

from tandem.boundary import TCP, TLS, UDP, Flow

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY, MESSAGE"
SUPPORTED = frozenset({"100rel", "timer", "replaces", "norefersub"})
REASONS = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress", 200: "OK",
    202: "Accepted", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    408: "Request Timeout", 410: "Gone", 415: "Unsupported Media Type", 420: "Bad Extension", 421: "Extension Required",
    422: "Session Interval Too Small", 423: "Interval Too Brief", 480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete",
    486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending",
    500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Server Time-out", 513: "Message Too Large", 600: "Busy Everywhere", 603: "Decline",
    604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}  # fmt: skip

_URI = re.compile(
    r"(?P<scheme>sips?|tel):(?:(?P<user>[^@:;?>]*)(?::[^@]*)?@)?(?P<host>\[[^\]]*\]|[^:;?>]*)(?::(?P<port>\d+))?(?P<rest>[^>]*)",
    re.I,
)


def response(
    status: int,
    head: str,
    extra: str = "",
    content_type: str = "",
    body: bytes = b"",
    reason: str = "",
) -> bytes:
    """Start line, the request's From, To, Call-ID, CSeq (`head`), more complete header lines, body."""
    text = f"SIP/2.0 {status} {reason or REASONS.get(status, 'Other')}\r\n{head}{extra}"
    if body:
        return f"{text}Content-Type: {content_type}\r\n\r\n".encode("latin-1") + body
    return f"{text}\r\n".encode("latin-1")


def request(
    method: str,
    uri: str,
    routes: tuple[str, ...],
    head: str,
    extra: str = "",
    content_type: str = "",
    body: bytes = b"",
) -> bytes:
    route = "".join(f"Route: {route}\r\n" for route in routes) if routes else ""
    text = f"{method} {uri} SIP/2.0\r\n{route}{head}{extra}"
    if body:
        return f"{text}Content-Type: {content_type}\r\n\r\n".encode("latin-1") + body
    return f"{text}\r\n".encode("latin-1")


def uri_of(value: str) -> str:
    """The URI in a name-addr or addr-spec: of a Contact, From, Refer-To or Route value."""
    start = value.find("<")
    if start >= 0:
        return value[start + 1 : value.find(">", start)]
    return value.split(";", 1)[0].strip()


def display_of(value: str) -> str:
    """The display name of a name-addr, without quotes."""
    start = value.find("<")
    return value[:start].strip().strip('"') if start > 0 else ""


def without_tag(value: str) -> str:
    """A From or To value without its parameters."""
    end = value.find(">")
    if end >= 0:
        return value[: end + 1]
    return f"<{value.split(';', 1)[0].strip()}>"


def user_of(uri: str) -> str:
    match = _URI.match(uri)
    if not match:
        return ""
    return match["host"] if match["scheme"].lower() == "tel" else match["user"] or ""


def host_of(uri: str) -> str:
    match = _URI.match(uri)
    return match["host"].lower() if match else ""


def next_hop(uri: str, flow: Flow) -> Flow:
    """Where a request to `uri` goes from now on: the peer's own address when it is the one that we hear it from.

    A peer behind NAT writes an address that is not the one its packets come from; then its flow is the way back.
    """
    match = _URI.match(uri)
    if flow.connection or (match and ";ob" in match["rest"].lower()):  # RFC 5626 5.3: this flow
        return flow
    if not match or match["host"].strip("[]") != flow.host:
        return flow
    transport = flow.transport
    rest = match["rest"].lower()
    if "transport=tcp" in rest:
        transport = TCP
    elif "transport=tls" in rest or match["scheme"].lower() == "sips":
        transport = TLS
    elif transport == UDP or "transport=udp" in rest:
        transport = UDP
    port = int(match["port"] or (5061 if transport == TLS else 5060))
    return Flow(flow.edge, 0, transport, flow.local, flow.host, port)


def place_of(uri: str) -> tuple[str, str, str]:
    """User, host and port of a URI: what tells two phones apart."""
    match = _URI.match(uri)
    return (
        (match["user"] or "", match["host"].lower(), match["port"] or "") if match else ("", "", "")
    )


def readdressed(message: bytes, uri: str, routes: tuple[str, ...]) -> bytes:
    """The same request with another Request-URI and Route: to another flow of the same phone."""
    head, end, body = message.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method = first.split(" ", 1)[0]
    kept = [line for line in lines if not line.startswith("Route:")]
    told = [f"{method} {uri} SIP/2.0", *(f"Route: {route}" for route in routes), *kept]
    return "\r\n".join(told).encode("latin-1") + end + body


def renumbered(message: bytes, cseq: int) -> bytes:
    """The same request with another CSeq."""
    return re.sub(rb"\r\nCSeq: \d+ ", b"\r\nCSeq: %d " % cseq, message, count=1)


def tokens(values: list[str] | None) -> frozenset[str]:
    """Option tags or methods of comma separated header values, lower case."""
    if not values:
        return frozenset()
    return frozenset(
        token.strip().lower() for value in values for token in value.split(",") if token.strip()
    )


def routes_of(record_routes: str, *, reverse: bool) -> tuple[str, ...]:
    """The route set that Record-Route lines make (RFC 3261 12.1.1 as they stand, 12.1.2 reversed)."""
    if not record_routes:
        return ()
    values = [
        split
        for line in unfold(record_routes).splitlines()
        if line
        for split in commas(line.split(":", 1)[1])
    ]
    return tuple(reversed(values)) if reverse else tuple(values)


def unfold(lines: str) -> str:
    """Header lines without folds (RFC 3261 7.3.1)."""
    return re.sub(r"\r\n[ \t]+", " ", lines)


def commas(value: str) -> list[str]:
    """Splits at commas outside quotes and angle brackets."""
    parts, depth, quoted, start = [], 0, False, 0
    for at, char in enumerate(value):
        if char == '"' and (at == 0 or value[at - 1] != "\\"):
            quoted = not quoted
        elif not quoted and char == "<":
            depth += 1
        elif not quoted and char == ">":
            depth -= 1
        elif char == "," and not quoted and not depth:
            parts.append(value[start:at].strip())
            start = at + 1
    parts.append(value[start:].strip())
    return [part for part in parts if part]


def quoted(name: str) -> str:
    """A display name as quoted-string."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' if name else ""


_DIRECTIVE = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def authorization(
    challenge: str, *, proxy: bool, method: str, uri: str, username: str, password: str, cnonce: str
) -> str:
    """The header line that answers a Digest challenge (RFC 7616); "" when the challenge is of a kind that we do not know."""
    if not challenge.lower().startswith("digest"):
        return ""
    found = {key.lower(): text or bare for key, text, bare in _DIRECTIVE.findall(challenge[6:])}
    algorithm = found.get("algorithm", "MD5")
    make = _HASHES.get(algorithm.upper())
    if make is None or "nonce" not in found:
        return ""

    def digest(*parts: str) -> str:
        return make(":".join(parts).encode("latin-1")).hexdigest()

    realm, nonce = found.get("realm", ""), found["nonce"]
    ha1, ha2 = digest(username, realm, password), digest(method, uri)
    name = "Proxy-Authorization" if proxy else "Authorization"
    line = f'{name}: Digest username="{username}", realm="{realm}", nonce="{nonce}", uri="{uri}", algorithm={algorithm}'
    if "auth" in [part.strip() for part in found.get("qop", "").split(",")]:
        line += f', response="{digest(ha1, nonce, "00000001", cnonce, "auth", ha2)}", qop=auth, nc=00000001, cnonce="{cnonce}"'
    else:
        line += f', response="{digest(ha1, nonce, ha2)}"'
    if "opaque" in found:
        line += f', opaque="{found["opaque"]}"'
    return line + "\r\n"
