"""One party's offer made into the answer to another's: what a picked-up call needs (RFC 3264 6)."""

import pytest

from tandem.calls.model.sdp import answer_from, direction

ALICE = (
    b"v=0\r\no=alice 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0 8 96 101\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
)
CAROL = (
    b"v=0\r\no=carol 1 1 IN IP4 10.0.0.3\r\ns=-\r\nt=0 0\r\n"
    b"m=audio 6000 RTP/AVP 111 8 97\r\nc=IN IP4 10.0.0.33\r\na=rtpmap:111 opus/48000/2\r\n"
    b"a=rtpmap:97 telephone-event/8000\r\na=sendrecv\r\n"
)
VIDEO = b"m=video 4002 RTP/AVP 99\r\na=rtpmap:99 VP8/90000\r\n"


def lines(body: bytes) -> list[bytes]:
    return body.split(b"\r\n")


def test_the_answer_has_the_other_ones_address_and_the_common_codecs_under_his_numbers() -> None:
    said = lines(answer_from(ALICE, CAROL))
    assert b"m=audio 6000 RTP/AVP 111 8 97" in said
    assert b"c=IN IP4 10.0.0.33" in said
    assert b"a=rtpmap:111 opus/48000/2" in said


def test_codecs_that_only_one_has_are_left_out_with_their_lines() -> None:
    said = answer_from(CAROL, ALICE)
    assert b"m=audio 4000 RTP/AVP 8 96 101" in lines(said)
    assert b"a=fmtp:96 useinbandfec=1" in lines(said)
    plain = CAROL.replace(b"111 8 97", b"8").replace(b"a=rtpmap:111 opus/48000/2\r\n", b"")
    assert b"opus" not in answer_from(plain, ALICE)


@pytest.mark.parametrize(
    "other",
    [
        CAROL.replace(b"111 8 97", b"18 97").replace(b"a=rtpmap:111 opus/48000/2\r\n", b""),
        CAROL.replace(b"RTP/AVP", b"UDP/TLS/RTP/SAVPF"),
        b"v=0\r\ns=-\r\nt=0 0\r\n",
        b"",
        b"m=\r\nm=audio\r\n",
    ],
    ids=["only DTMF in common", "another transport", "no stream", "nothing", "no SDP"],
)
def test_nothing_in_common_is_no_answer(other: bytes) -> None:
    assert b"" == answer_from(ALICE, other)


def test_a_stream_that_the_other_does_not_have_is_refused_in_its_place() -> None:
    said = [line for line in lines(answer_from(ALICE + VIDEO, CAROL)) if line.startswith(b"m=")]
    assert [b"m=audio 6000 RTP/AVP 111 8 97", b"m=video 0 RTP/AVP 99"] == said


def test_a_stream_that_was_not_offered_is_left_out() -> None:
    said = [line for line in lines(answer_from(ALICE, CAROL + VIDEO)) if line.startswith(b"m=")]
    assert [b"m=audio 6000 RTP/AVP 111 8 97"] == said


def test_who_begins_dtls_is_settled_where_both_left_it_open() -> None:
    open_ = CAROL + b"a=setup:actpass\r\n"
    assert b"a=setup:active" in lines(answer_from(ALICE, open_))
    assert b"a=setup:passive" in lines(answer_from(ALICE, open_, "passive"))


@pytest.mark.parametrize(
    ("offered", "own", "said"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendonly", "sendrecv", "recvonly"),
        ("inactive", "sendrecv", "inactive"),
        ("recvonly", "sendrecv", "sendonly"),
        ("sendrecv", "inactive", "inactive"),
        ("sendonly", "sendonly", "inactive"),
    ],
)
def test_the_direction_is_what_both_allow(offered: str, own: str, said: str) -> None:
    first = ALICE.replace(b"a=sendrecv", b"a=" + offered.encode())
    second = CAROL.replace(b"a=sendrecv", b"a=" + own.encode())
    assert said == direction(answer_from(first, second))
