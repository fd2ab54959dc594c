"""SIP as a simulated phone reads and writes it: enough of RFC 3261 for an honest peer, nothing of the product's own code."""

from dataclasses import dataclass, field

SDP = (
    "v=0\r\no={name} 1 {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
)


@dataclass
class Message:
    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""

    @property
    def method(self) -> str:
        """The method; for a response that of its CSeq."""
        return self.cseq[1] if self.status else self.start.split(" ", 1)[0]

    @property
    def status(self) -> int:
        return int(self.start.split(" ", 2)[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def uri(self) -> str:
        return self.start.split(" ")[1]

    def get(self, name: str) -> str:
        return next((value for known, value in self.headers if known.lower() == name.lower()), "")

    def all(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known.lower() == name.lower()]

    @property
    def cseq(self) -> tuple[int, str]:
        number, _, method = self.get("CSeq").partition(" ")
        return int(number), method.strip()

    @property
    def branch(self) -> str:
        return param(self.get("Via"), "branch")

    @property
    def from_tag(self) -> str:
        return param(self.get("From"), "tag")

    @property
    def to_tag(self) -> str:
        return param(self.get("To"), "tag")

    def bytes(self) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        return f"{self.start}\r\n{lines}Content-Length: {len(self.body)}\r\n\r\n{self.body}".encode(
            "latin-1"
        )


def parse(data: bytes) -> Message:
    head, _, body = data.decode("latin-1").partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    headers = [
        (name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)
    ]
    return Message(start, [pair for pair in headers if pair[0].lower() != "content-length"], body)


def param(value: str, name: str) -> str:
    for part in value.split(";")[1:]:
        key, _, found = part.partition("=")
        if key.strip().lower() == name:
            return found.strip().rstrip(">")
    return ""


def uri_in(value: str) -> str:
    return value[value.find("<") + 1 : value.find(">")] if "<" in value else value.split(";")[0]


def reply(
    request: Message,
    status: int,
    reason: str,
    tag: str,
    contact: str = "",
    body: str = "",
    extra: list[tuple[str, str]] | None = None,
) -> Message:
    """A response with the headers that RFC 3261 8.2.6.2 copies."""
    headers = [("Via", value) for value in request.all("Via")]
    headers += [("Record-Route", value) for value in request.all("Record-Route")]
    to = request.get("To")
    headers += [
        ("From", request.get("From")),
        ("To", to if "tag=" in to or status == 100 else f"{to};tag={tag}"),
    ]
    headers += [("Call-ID", request.get("Call-ID")), ("CSeq", request.get("CSeq"))]
    if contact:
        headers.append(("Contact", contact))
    headers += extra or []
    if body:
        headers.append(("Content-Type", "application/sdp"))
    return Message(f"SIP/2.0 {status} {reason}", headers, body)
