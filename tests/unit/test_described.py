"""Descriptions in messages: found in plain and multipart bodies, read as far as ways need, replaced and left as they are else."""

import pytest

from tandem.calls.model import described
from tandem.media.model.policy import PLAIN, SDES, WEB

SDP = b"v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
MULTI = (
    b"--x1\r\nContent-Type: application/pidf+xml\r\n\r\n<presence/>\r\n"
    b"--x1\r\nContent-Type: application/sdp\r\nContent-Disposition: session\r\n\r\n" + SDP + b"\r\n--x1--\r\n"
)  # fmt: skip
HEAD = b"INVITE sip:b@x SIP/2.0\r\nFrom: <sip:a@x>\r\nContent-Type: "


@pytest.mark.parametrize(
    ("kind", "body", "found"),
    [
        ("application/sdp", SDP, SDP),
        ("Application/SDP; charset=utf-8", SDP, SDP),
        ('multipart/mixed; boundary="x1"', MULTI, SDP),
        ("multipart/mixed;boundary=x1", MULTI, SDP),
        ("multipart/mixed", MULTI, b""),
        ("multipart/mixed;boundary=other", MULTI, b""),
        ("text/plain", b"hello", b""),
        ("application/sdp", b"", b""),
    ],
)
def test_a_description_is_found_where_there_is_one(kind: str, body: bytes, found: bytes) -> None:
    assert found == described.part(kind, body)


@pytest.mark.parametrize("kind", [b"application/sdp", b"multipart/mixed; boundary=x1"])
def test_only_the_description_of_a_message_is_replaced(kind: bytes) -> None:
    body = MULTI if b"multi" in kind else SDP
    message = HEAD + kind + b"\r\n\r\n" + body
    assert SDP == described.of_message(message)
    new = described.rewritten(message, b"v=0\r\nnew\r\n")
    assert message.replace(SDP, b"v=0\r\nnew\r\n") == new


def test_a_message_without_its_body_has_no_content_type() -> None:
    message = HEAD + b"application/sdp\r\n\r\n" + SDP
    assert b"INVITE sip:b@x SIP/2.0\r\nFrom: <sip:a@x>\r\n\r\n" == described.without(message)
    assert b"" == described.of_message(described.without(message))


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (b"c=IN IP4 192.0.2.1\r\nm=audio 1 RTP/AVP 0\r\n", "192.0.2.1"),
        (b"c=IN IP4 192.0.2.1\r\nm=audio 1 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\n", "2001:db8::1"),
        (b"m=audio 1 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\nm=video 1 RTP/AVP 0\r\nc=IN IP4 192.0.2.2\r\n", "192.0.2.1"),
        (b"c=IN IP4 224.2.1.1/127\r\nm=audio 1 RTP/AVP 0\r\n", "224.2.1.1"),
        (b"c=IN IP4\r\nm=audio\r\n", ""),
        (b"", ""),
    ],
)  # fmt: skip
def test_where_the_first_stream_wants_its_media(lines: bytes, address: str) -> None:
    assert address == described.address(lines)


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (b"m=audio 1 RTP/AVP 0\r\n", PLAIN),
        (b"m=audio 1 RTP/AVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n", PLAIN),
        (b"m=audio 1 RTP/SAVPF 0\r\n", SDES),
        (b"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", WEB),
        (b"m=audio 9 RTP/SAVPF 111\r\na=fingerprint:sha-256 00\r\n", WEB),
        (b"m=image 1 udptl t38\r\n", PLAIN),
        (b"m=image 1 udptl t38\r\nm=audio 1 RTP/SAVP 0\r\n", SDES),
        (b"m=audio 1 RTP/AVP 0\r\nm=audio 3 RTP/SAVP 0\r\n", SDES),
        (b"m=\r\n", PLAIN),
    ],
)
def test_how_a_description_protects_its_media(lines: bytes, kind: str) -> None:
    assert kind == described.kind(b"v=0\r\n" + lines)
