"""What a session description tells of whose it is, and where it stands in a message. It writes none."""

from tandem.calls.model.sdp import lines
from tandem.media.model.policy import PLAIN, SDES, WEB

SDP = "application/sdp"


def part(content_type: str, body: bytes) -> bytes:
    """The description in a body: all of it, or the part of a multipart one (RFC 5621). b"" where there is none."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == SDP:
        return body
    if not kind.startswith("multipart/"):
        return b""
    parameters = dict(
        (name.strip().lower(), value.strip().strip('"'))
        for name, _, value in (p.partition("=") for p in content_type.split(";")[1:])
    )
    boundary = parameters.get("boundary", "").encode("latin-1")
    if not boundary:
        return b""
    for piece in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        head, _, content = piece.partition(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.strip() == b"content-type" and value.split(b";")[0].strip() == SDP.encode():
                return content
    return b""


def of_message(message: bytes) -> bytes:
    """The description in a SIP message of ours."""
    head, _, body = message.partition(b"\r\n\r\n")
    return part(content_type(head), body) if body else b""


def rewritten(message: bytes, new: bytes) -> bytes:
    """The same message with another description."""
    head, end, body = message.partition(b"\r\n\r\n")
    old = part(content_type(head), body) if body else b""
    return head + end + body.replace(old, new, 1) if old else message


def without(message: bytes) -> bytes:
    """The same message with no body."""
    head, end, _ = message.partition(b"\r\n\r\n")
    kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-type:")]
    return b"\r\n".join(kept) + end


def content_type(head: bytes) -> str:
    for line in head.split(b"\r\n"):
        if line[:13].lower() == b"content-type:":
            return line[13:].strip().decode("latin-1")
    return ""


def address(sdp: bytes) -> str:
    """Where its first stream wants its media: its own c= line, else that of the session. "" when it says nothing."""
    found, in_stream = "", False
    for line in lines(sdp):
        if line.startswith(b"m="):
            if in_stream:
                break
            in_stream = True
        elif line.startswith(b"c=IN IP"):
            words = line[7:].split()
            found = words[1].decode("latin-1").partition("/")[0] if len(words) > 1 else found
    return found


def kind(sdp: bytes) -> str:
    """How it protects its first RTP stream."""
    if b"\na=fingerprint:" in sdp:
        return WEB
    for line in lines(sdp):
        if line.startswith(b"m="):
            words = line.split()
            if len(words) > 2 and words[2].startswith(b"UDP/TLS/"):
                return WEB
            if len(words) > 2 and words[2].startswith(b"RTP/SAVP"):
                return SDES
    return PLAIN
