"""What the relay is asked and what it answers: rtpengine's ng protocol in JSON, as text. It sends nothing.

A message is a cookie, a space, a dictionary. Beside ng's own keys a command carries `id`: the relay answers a repeat of
the same id with the same answer.
"""

import json
from typing import Any

import msgspec
from msgspec import Struct

from tandem.media.model.policy import BOTH, ECHO, KEPT, NOISE, PLAIN, SDES, WEB
from tandem.records.model import Quality

ANSWER_BYTES = 65_536
TEXT_MOST = 200  # characters of an error of the relay that are passed on

CLEAN = {NOISE: ("denoise",), ECHO: ("cancel-echo",), BOTH: ("denoise", "cancel-echo")}
PROFILES = {PLAIN: "RTP/AVP", SDES: "RTP/SAVP", WEB: "UDP/TLS/RTP/SAVPF"}


class Question(Struct, frozen=True):
    """One command of one call. `n` is its number in that call."""

    id: str
    call: str
    n: int
    command: dict[str, Any]
    since: int = 0  # when it was decided: somebody waits from then on; 0: from when it is asked, or nobody does
    relay: str = ""  # whom it is for; "": the only one

    @property
    def verb(self) -> str:
        return str(self.command["command"])


class Stream(Struct, frozen=True):
    """What the relay measured of a stream, in whole numbers: bencode has no others."""

    leg: str
    direction: str = "in"
    packets: int = 0
    lost: int = 0
    jitter_us: int = 0
    rtt_us: int = 0
    mos_hundredths: int = 0  # 0: not known

    def as_quality(self) -> Quality:
        mos, jitter_ms, rtt_ms = self.mos_hundredths / 100, self.jitter_us / 1e3, self.rtt_us / 1e3
        return Quality(self.leg, self.direction, self.packets, self.lost, jitter_ms, rtt_ms, mos)


class Current(Struct, frozen=True):
    """What a relay has now."""

    sessions: int | None = msgspec.field(name="sessionstotal", default=None)  # calls


class Statistics(Struct, frozen=True):
    """As much as is looked at."""

    streams: dict[
        str, int
    ] = {}  # that run now: kernel, userspace (how many pass there), packets, lost
    current: Current = msgspec.field(name="currentstatistics", default=Current())


class Told(Struct, frozen=True):
    """An answer, or what the relay says unasked (`event`)."""

    result: str = ""
    sdp: str = ""
    error: str = msgspec.field(name="error-reason", default="")
    quality: tuple[Stream, ...] = ()
    event: str = ""
    call: str = ""
    leg: str = ""
    statistics: Statistics | None = None


_told = msgspec.json.Decoder(Told)


def flags(verb: str, towards: str, *, natted: bool, clean: str = "") -> dict[str, Any]:
    """What the relay is to make of a description for a party of this kind. Of whose it is: natted: it sits behind NAT;
    clean: what is taken out of what it says."""
    offer = verb == "offer"
    words = [*(["SIP-source-address"] if natted else []), *CLEAN.get(clean, ())]
    found: dict[str, Any] = {"replace": ["origin", "session-connection"]}
    match towards:
        case "t":
            words.append("transparent")
            found["ICE"] = "remove"
        case "w":
            words += ["generate-mid"] if offer else []
            found |= {"ICE": "force", "rtcp-mux": ["offer" if offer else "accept"]}
            found |= {"SDES": ["off"]} if offer else {}
        case _:
            found |= {"ICE": "remove", "rtcp-mux": ["demux"]}
            found |= {"DTLS": "off"} if offer and towards == SDES else {}
            found |= {"SDES": ["pad"]} if towards == SDES else {}  # RFC 4568 6.1; phones need it
    if offer and towards != KEPT:
        found["transport-protocol"] = PROFILES[towards]
    return found | ({"flags": words} if words else {})


def text_of(sdp: bytes) -> str:
    """A description as JSON can carry it: bytes that are no UTF-8 are read as Latin-1."""
    try:
        return sdp.decode("utf-8")
    except UnicodeDecodeError:
        return sdp.decode("latin-1")


def write(cookie: str, command: dict[str, Any]) -> bytes:
    return f"{cookie} {json.dumps(command, separators=(',', ':'), ensure_ascii=False)}".encode()


def read(datagram: bytes) -> tuple[str, Told] | None:
    """Cookie ("" for what is said unasked) and message; None when it is none."""
    cookie, space, body = datagram.partition(b" ")
    if datagram[:1] == b"{":
        cookie, space, body = b"", b" ", datagram
    try:
        return (cookie.decode("ascii"), _told.decode(body)) if space else None
    except (UnicodeDecodeError, msgspec.MsgspecError, RecursionError):
        return None
