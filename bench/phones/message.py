"""SIP messages as the phones see them: read, answered, signed. It trusts its peer to be well-formed; it is no parser to copy."""

import hashlib
import re
from collections.abc import Iterator

from msgspec import Struct

_DIGEST = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')
COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
}


class Message(Struct):
    """A request (method) or a response (status)."""

    start: str
    headers: list[tuple[str, str]]  # names in lower case, long form
    body: str = ""

    @property
    def method(self) -> str:
        """Of a request; of a response, what it answers."""
        return self.cseq[1]

    @property
    def status(self) -> int:
        return int(self.start.split(" ", 2)[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def cseq(self) -> tuple[int, str]:
        number, _, method = self.first("cseq").partition(" ")
        return int(number), method.strip()

    @property
    def branch(self) -> str:
        return parameter(self.first("via"), "branch")

    def first(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


def read(data: bytes) -> Message | None:
    """None: a keep-alive, or nothing that we understand."""
    head, _, body = data.decode("latin-1").partition("\r\n\r\n")
    lines = head.lstrip("\r\n").split("\r\n")
    if not lines[0]:
        return None
    headers = []
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers.append((COMPACT.get(name, name), value.strip()))
    return Message(lines[0], headers, body)


def cut(buffer: bytearray) -> Iterator[bytes]:
    """Whole messages of a stream, taken off its front."""
    while True:
        while buffer[:2] == b"\r\n":
            del buffer[:2]
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(buffer[:end]).lower()
        found = re.search(rb"\r\n(?:content-length|l)\s*:\s*(\d+)", head)
        whole = end + 4 + (int(found[1]) if found else 0)
        if len(buffer) < whole:
            return
        yield bytes(buffer[:whole])
        del buffer[:whole]


def write(start: str, headers: list[tuple[str, str]], body: str = "") -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append("Content-Type: application/sdp")
    lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1")


def answer(
    request: Message, status: int, reason: str, tag: str, contact: str, body: str = ""
) -> bytes:
    """A response (RFC 3261 8.2.6)."""
    headers = [("Via", via) for via in request.all("via")]
    headers += [("Record-Route", route) for route in request.all("record-route")]
    to = request.first("to")
    if status > 100 and ";tag=" not in to:
        to += f";tag={tag}"
    headers += [("From", request.first("from")), ("To", to)]
    headers += [("Call-ID", request.first("call-id")), ("CSeq", request.first("cseq"))]
    if contact and status > 100:
        headers.append(("Contact", contact))
    return write(f"SIP/2.0 {status} {reason}", headers, body)


def uri(value: str) -> str:
    """What stands between < and >."""
    found = re.search(r"<([^>]*)>", value)
    return found[1] if found else value.split(";")[0].strip()


def parameter(value: str, name: str) -> str:
    found = re.search(rf";\s*{name}=([^;,\s]+)", value)
    return found[1] if found else ""


def authorization(
    challenges: list[str], method: str, target: str, user: str, password: str, count: int = 1
) -> str:
    """The credential for the MD5 challenge among these (RFC 7616); count: of this nonce's uses."""
    for challenge in challenges:
        fields = {key.lower(): a or b for key, a, b in _DIGEST.findall(challenge)}
        if fields.get("algorithm", "MD5").upper() == "MD5":
            break
    realm, nonce = fields["realm"], fields["nonce"]
    first = _md5(f"{user}:{realm}:{password}")
    second = _md5(f"{method}:{target}")
    response = _md5(f"{first}:{nonce}:{count:08x}:c0ffee:auth:{second}")
    return (
        f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{target}",'
        f' response="{response}", algorithm=MD5, qop=auth, nc={count:08x}, cnonce="c0ffee"'
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("latin-1"), usedforsecurity=False).hexdigest()
