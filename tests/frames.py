"""Frames made by hand, as an edge sends them, and an owner that hears them. Used by the core's tests; no test."""

import json
import struct
from ipaddress import ip_address

from tandem import boundary
from tandem._core import Owner
from tandem.boundary import (
    UDP,
    Ask,
    Flow,
    Request,
    Respond,
    read_events,
    write_commands,
)  # fmt: skip

SECOND = 1_000_000
KEYS = {
    "hash": "01" * 16,
    "signing": [{"id": "a", "secret": "02" * 16}],
    "nonce": [{"id": "a", "secret": "03" * 16}],
}
POLICY = {
    "version": 1, "default_domain": "demo.example", "domains": {"demo.example": "demo"},
    "trunks": [{"id": "carrier", "tenant": "demo", "cidrs": ["192.0.2.0/24"], "tls_names": []}],
}  # fmt: skip
INVITE = (
    "INVITE sip:bob@demo.example SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKaaa\r\nMax-Forwards: 70\r\n"
    "From: \"J\u00f6rg\" <sip:alice@demo.example>;tag=one\r\nTo: <sip:bob@demo.example>\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\n"
    "Contact: <sip:alice@192.0.2.1>\r\nSupported: timer\r\nX-Mine: yes\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\n"
)  # fmt: skip


class World:
    """An owner with one edge; `say` gives it a message from 192.0.2.1:5062."""

    def __init__(self) -> None:
        config = {"node_id": 1, "incarnation": 5, "epoch": 3, "keys": KEYS, "policy": POLICY}
        self.owner, self.now, self.seq = Owner(json.dumps(config).encode()), SECOND, 100
        self.owner.link_up(1, self.now)
        hello = (
            struct.pack("<BHHQB", 1, 1, 1, 99, 1)
            + b"\x01"
            + address("10.0.0.1", 5060)
            + struct.pack("<H", 13)
            + b"10.0.0.1:5060"
        )
        self.owner.handle(1, hello + struct.pack("<I", 0), self.now)

    def say(self, text: str, *, host: str = "192.0.2.1", shard: int = 9) -> list[boundary.Event]:
        self.seq += 1
        head = (
            struct.pack("<BQHIQBB", 2, self.seq, shard, 3, 0, UDP, 0)
            + address(host, 5062)
            + struct.pack("<Q", self.now + 5)
        )
        self.owner.handle(1, head + text.encode("latin-1"), self.now)
        return read_events(self.owner.drain())

    def run(self, *commands: boundary.Command) -> list[str]:
        self.owner.run(write_commands(list(commands)), self.now)
        return self.sent()

    def sent(self) -> list[str]:
        return [frame[43:].decode("latin-1") for _, frame in self.owner.output() if frame[0] == 65]

    def taken(self) -> list[int]:
        return [
            seq
            for _, frame in self.owner.output()
            if frame[0] == 66
            for (seq,) in struct.iter_unpack("<Q", frame[1:])
        ]

    def invited(self) -> Request:
        self.owner.drain(), self.owner.output()
        (event,) = self.say(INVITE)
        assert isinstance(event, Request)
        return event


def address(host: str, port: int) -> bytes:
    return b"\0" * 10 + b"\xff\xff" + ip_address(host).packed + struct.pack("<H", port)


def respond(event: Request, status: int, tag: str = "", contact: str = "") -> Respond:
    to = event.to + (f";tag={tag}" if tag else "")
    text = f"SIP/2.0 {status} X\r\nFrom: {event.from_}\r\nTo: {to}\r\nCall-ID: {event.call_id}\r\nCSeq: {event.cseq} {event.method}\r\n\r\n"
    return Respond(
        shard(event.call),
        event.txn,
        event.method,
        status,
        event.flow,
        event.vias,
        contact,
        event.call_id,
        text.encode("latin-1"),
        call=event.call,
    )


def request(call: str, n: int, method: str = "INVITE", branch_of: int = 0) -> Ask:
    text = f"{method} sip:bob@192.0.2.9 SIP/2.0\r\nFrom: <sip:a>;tag={call}b0\r\nTo: <sip:bob@x>\r\nCall-ID: {call}b0\r\nCSeq: {n} {method}\r\n\r\n"
    flow = Flow(1, 0, UDP, 0, "192.0.2.9", 5060)
    return Ask(
        9,
        call,
        n,
        method,
        flow,
        "b0" if method == "INVITE" else "",
        f"{call}b0",
        text.encode(),
        branch_of=branch_of,
    )


def reply(sent: str, status: int, tag: str = "bob") -> str:
    via = next(line for line in sent.split("\r\n") if line.startswith("Via"))
    lines = [
        line + (f";tag={tag}" if line.startswith("To:") else "")
        for line in sent.split("\r\n")
        if line.split(":")[0] in ("From", "To", "Call-ID", "CSeq")
    ]
    return "\r\n".join([f"SIP/2.0 {status} Whatever", via, *lines, "Content-Length: 0", "", ""])


def shard(call: str) -> int:
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    return alphabet.index(call[0]) * 32 + alphabet.index(call[1])
