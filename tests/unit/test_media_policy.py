"""Who needs the relay, and how each side is protected: by what is known when an offer is made."""

import pytest

from tandem.media.model import ng, policy
from tandem.media.model.policy import AUTO, DIRECT, PLAIN, RELAY, SDES, WEB, Side, combined, wanted


def phone(media: str, source: str = "", kind: str = PLAIN) -> Side:
    return Side(source or media, media, kind)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (RELAY, DIRECT, RELAY),
        (AUTO, RELAY, RELAY),
        (AUTO, DIRECT, DIRECT),
        ("", AUTO, DIRECT),
        (AUTO, AUTO, AUTO),
    ],
)
def test_the_stronger_word_of_two_sides_counts(one: str, other: str, expected: str) -> None:
    assert expected == combined(one, other) == combined(other, one)


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (phone("192.168.1.5"), phone("192.168.1.6"), ""),
        (phone("198.51.100.7"), phone("203.0.113.9"), ""),
        (phone("127.0.0.1"), phone("127.0.0.1"), ""),
        (phone("192.168.1.5", "198.51.100.7"), phone("203.0.113.9"), "nat"),
        (phone("203.0.113.9"), phone("100.64.3.4", "198.51.100.7"), "nat"),
        (phone("10.1.2.3"), phone("203.0.113.9"), "nat"),
        (phone("198.51.100.20", "198.51.100.7"), phone("203.0.113.9"), ""),  # a media server
        (phone("203.0.113.9"), phone("sbc.example", "198.51.100.7"), ""),  # a name
        (phone("10.1.2.3"), phone("sbc.example", "198.51.100.7"), "nat"),
        (phone("0.0.0.0", "203.0.113.9"), phone("198.51.100.7"), ""),  # on hold, as of old
        (phone("198.51.100.7"), phone("2001:db8::7"), "family"),
        (phone("::ffff:198.51.100.7"), phone("203.0.113.9"), ""),
        (phone("fd00::1"), phone("2001:db8::7"), "nat"),
        (Side("", "", ""), phone("203.0.113.9"), ""),
    ],
)
def test_auto_relays_where_addresses_do_not_meet(one: Side, other: Side, reason: str) -> None:
    assert reason == policy.why(AUTO, one, other, one.kind or PLAIN)
    assert "policy" == policy.why(RELAY, one, other, PLAIN)
    assert "" == policy.why(DIRECT, one, other, PLAIN)


@pytest.mark.parametrize(
    ("offered", "to", "srtp", "towards", "reason"),
    [
        (PLAIN, "", "preferred", PLAIN, ""),
        (SDES, "", "preferred", SDES, ""),
        (SDES, "", "off", PLAIN, "srtp"),
        (PLAIN, "", "required", SDES, "srtp"),
        (SDES, "", "required", SDES, ""),
        (PLAIN, SDES, "preferred", SDES, "srtp"),
        (SDES, "", "transparent", "t", ""),
        (WEB, "", "transparent", PLAIN, "transport"),
        (WEB, "", "preferred", PLAIN, "transport"),
        (WEB, "", "required", SDES, "transport"),
        (PLAIN, WEB, "off", WEB, "transport"),
        (WEB, WEB, "off", WEB, ""),
    ],
)
def test_what_a_party_is_offered_follows_its_srtp_policy(
    offered: str, to: str, srtp: str, towards: str, reason: str
) -> None:
    one, other = phone("203.0.113.9", kind=offered), phone("198.51.100.7", kind=to)
    assert towards == wanted(offered, other, srtp)
    assert reason == policy.why(AUTO, one, other, towards)


def test_a_browser_is_offered_what_browsers_speak() -> None:
    told = ng.flags("offer", WEB, natted=False)
    assert ("UDP/TLS/RTP/SAVPF", "force", ["offer"]) == (
        told["transport-protocol"], told["ICE"], told["rtcp-mux"],
    )  # fmt: skip
    assert ["generate-mid"] == told["flags"]


def test_a_phone_is_offered_no_ice_and_its_own_profile() -> None:
    assert "RTP/AVP" == ng.flags("offer", PLAIN, natted=False)["transport-protocol"]
    told = ng.flags("offer", SDES, natted=True)
    assert ("RTP/SAVP", "off", "remove") == (told["transport-protocol"], told["DTLS"], told["ICE"])
    assert ["SIP-source-address"] == told["flags"]


def test_keys_that_pass_are_asked_for_as_such() -> None:
    told = ng.flags("offer", PLAIN, natted=True, clean="both")
    assert ["SIP-source-address", "denoise", "cancel-echo"] == told["flags"]
    told = ng.flags("offer", policy.KEPT, natted=False)
    assert ["transparent"] == told["flags"]
    assert "transport-protocol" not in told


@pytest.mark.parametrize(
    "datagram", [b"", b"x", b"x ", b"x {", b'x {"result": 1}', b"\xff {}", b"x " + b"[" * 100_000]
)
def test_what_is_no_answer_is_none(datagram: bytes) -> None:
    assert ng.read(datagram) is None


def test_an_answer_may_carry_bytes_that_are_no_utf_8() -> None:
    assert "s=Caf\xe9" == ng.text_of(b"s=Caf\xe9")
    assert "s=Caf\xe9" == ng.text_of("s=Caf\xe9".encode())
