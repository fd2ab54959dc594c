"""A client of the ng protocol, and the descriptions of its test calls. It knows no relay by name."""

import base64
import itertools
import os
import socket
from typing import Any

from msgspec import Struct

ANSWER_SECONDS = 5.0
_numbers = itertools.count()  # of all clients: relays remember the cookies of a while
ONLY_80 = ["no-AES_256_CM_HMAC_SHA1_80", "no-AEAD_AES_256_GCM", "no-AEAD_AES_128_GCM"]


def encode(what: Any) -> bytes:
    """Bencode."""
    match what:
        case dict():
            inner = b"".join(encode(key) + encode(what[key]) for key in sorted(what))
            return b"d" + inner + b"e"
        case list() | tuple():
            return b"l" + b"".join(map(encode, what)) + b"e"
        case int():
            return b"i%de" % what
        case str():
            return encode(what.encode())
        case _:
            return b"%d:%s" % (len(what), what)


def decode(text: bytes, at: int = 0) -> tuple[Any, int]:
    """A value and where it ends; keys are str, other strings bytes."""
    kind = text[at : at + 1]
    if kind == b"i":
        end = text.index(b"e", at)
        return int(text[at + 1 : end]), end + 1
    if kind in (b"l", b"d"):
        found, at = [], at + 1
        while text[at : at + 1] != b"e":
            value, at = decode(text, at)
            found.append(value)
        if kind == b"l":
            return found, at + 1
        keys = [key.decode() for key in found[::2]]
        return dict(zip(keys, found[1::2], strict=True)), at + 1
    colon = text.index(b":", at)
    end = colon + 1 + int(text[at:colon])
    return text[colon + 1 : end], end


class Ng:
    """One socket to a relay; `call_id=` in a command is call-id."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(ANSWER_SECONDS)
        self.address = address

    def ask(self, command: str, **fields: Any) -> dict[str, Any]:
        asked = {"command": command, **{k.replace("_", "-"): v for k, v in fields.items()}}
        cookie = b"%d_%d" % (os.getpid(), next(_numbers))
        self.socket.sendto(cookie + b" " + encode(asked), self.address)
        while True:
            answer = self.socket.recv(65_536)
            if answer.startswith(cookie + b" "):
                said: dict[str, Any] = decode(answer, len(cookie) + 1)[0]
                return said

    def close(self) -> None:
        self.socket.close()


class Side(Struct, frozen=True):
    """What a description says: where its author receives, and the key that it sends with."""

    host: str
    port: int
    key: str = ""
    tag: int = 1


def described(side: Side) -> str:
    protocol = "RTP/SAVP" if side.key else "RTP/AVP"
    lines = [
        "v=0",
        f"o=- 1 1 IN IP4 {side.host}",
        "s=-",
        f"c=IN IP4 {side.host}",
        "t=0 0",
        f"m=audio {side.port} {protocol} 0",
        "a=rtpmap:0 PCMU/8000",
        "a=ptime:20",
        "a=sendrecv",
    ]
    if side.key:
        lines.append(f"a=crypto:{side.tag} AES_CM_128_HMAC_SHA1_80 inline:{side.key}")
    return "\r\n".join(lines) + "\r\n"


def read(sdp: bytes) -> Side:
    host, port, key, tag = "", 0, "", 1
    for line in sdp.decode().splitlines():
        if line.startswith("c=IN IP4"):
            host = line.split()[2]
        elif line.startswith("m=audio"):
            port = int(line.split()[1])
        elif line.startswith("a=crypto:") and "AES_CM_128_HMAC_SHA1_80" in line and not key:
            tag = int(line.split(":")[1].split()[0])
            key = line.split("inline:")[1].split("|")[0].split()[0]
    return Side(host, port, key, tag)


def set_up(ng: Ng, number: int, a: Side, b: Side, *, srtp: bool = False) -> list[str]:
    """One call between two endpoints, B by SRTP when asked; two lines of a flow file for rtpgen."""
    common = {"call_id": f"c{number}", "from_tag": f"f{number}", "ICE": "remove"}
    common["replace"] = ["origin", "session-connection"]  # type: ignore[assignment]
    secure: dict[str, Any] = {}
    if srtp:
        secure = {"transport_protocol": "RTP/SAVP", "SDES": ONLY_80, "DTLS": "off"}
    said = ng.ask("offer", sdp=described(a), **common, **secure)
    to_b = read(good(said)["sdp"])
    key = base64.b64encode(bytes((number + n) & 255 for n in range(30))).decode() if srtp else ""
    plain = {"transport_protocol": "RTP/AVP"} if srtp else {}
    answer = described(Side(b.host, b.port, key, to_b.tag))
    said = ng.ask("answer", sdp=answer, to_tag=f"t{number}", **common, **plain)
    to_a = read(good(said)["sdp"])
    at_a, at_b = f"{a.host}:{a.port}", f"{b.host}:{b.port}"
    opens = f"dkey={base64.b64decode(to_b.key + '==').hex()}" if srtp else "-"
    closes = f"key={base64.b64decode(key).hex()}" if srtp else "-"
    return [
        f"{at_a} {to_a.host}:{to_a.port} {at_b} {opens}",
        f"{at_b} {to_b.host}:{to_b.port} {at_a} {closes}",
    ]


def good(said: dict[str, Any]) -> dict[str, Any]:
    if said.get("result") != b"ok":
        raise RuntimeError(f"the relay refused: {said}")
    return said
