"""What a session description tells of whose it is, and where it stands in a message. It writes none."""

import re

from tandem.media.model.policy import PLAIN, SDES, WEB

SDP = "application/sdp"
_STREAM = re.compile(rb"^m=", re.MULTILINE)
_PROTECTED = re.compile(rb"^m=\S+ \S+ (UDP/TLS/|RTP/SAVP)", re.MULTILINE)
_CONNECTION = re.compile(rb"^c=IN IP[46] ([^\s/]+)", re.MULTILINE)


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
    first = _STREAM.search(sdp)
    if first is None:
        found = _CONNECTION.search(sdp)
    else:
        second = _STREAM.search(sdp, first.end())
        own = _CONNECTION.search(sdp, first.end(), second.start() if second else len(sdp))
        found = own or _CONNECTION.search(sdp, 0, first.start())
    return found[1].decode("latin-1") if found else ""


def kind(sdp: bytes) -> str:
    """How it protects its media: by the first stream that is protected, wherever it stands."""
    if b"\na=fingerprint:" in sdp:
        return WEB
    found = _PROTECTED.search(sdp)
    if found is None:
        return PLAIN
    return WEB if found[1] == b"UDP/TLS/" else SDES
