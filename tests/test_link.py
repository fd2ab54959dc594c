"""A real edge process, a real node, phones on loopback: what a phone sends reaches Python, and the answer the phone."""

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from frames import KEYS, respond
from tandem._core import Node
from tandem.boundary import (
    UDP,
    Acked,
    Ask,
    Event,
    Flow,
    Request,
    Response,
    Taken,
    read_events,
    write_commands,
)

POLICY = {
    "version": 1, "default_domain": "demo.example", "domains": {"demo.example": "demo"},
    "trunks": [{"id": "phones", "tenant": "demo", "cidrs": ["127.0.0.1/32"], "tls_names": []}],
}  # fmt: skip


class Bench:
    """One edge with one UDP socket, one node."""

    def __init__(self, place: Path) -> None:
        self.sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sip.bind(("127.0.0.1", 0))
        self.port = self.sip.getsockname()[1]
        (place / "keys.json").write_text(json.dumps(KEYS))
        self.place = place
        self.heard: list[Event] = []
        self.node = self.start_node(3)
        self.edge = self.start_edge()
        self.wait(lambda event: event.__class__.__name__ == "EdgeUp")

    def start_node(self, epoch: int) -> Node:
        config = {
            "node_id": 1,
            "incarnation": epoch,
            "epoch": epoch,
            "keys": KEYS,
            "policy": POLICY,
        }
        node = Node(json.dumps(config).encode(), listen=self.place / "link.sock")
        node.open()
        return node

    def start_edge(self) -> subprocess.Popen[bytes]:
        listen = {
            "transport": "udp",
            "fd": self.sip.fileno(),
            "bound": f"127.0.0.1:{self.port}",
            "advertised": f"127.0.0.1:{self.port}",
        }
        config = {
            "edge": 1, "link": str(self.place / "link.sock"), "keys": str(self.place / "keys.json"), "listen": [listen],
            "default_domain": "demo.example",
        }  # fmt: skip
        environ = dict(os.environ, TANDEM_EDGE=json.dumps(config))
        return subprocess.Popen(
            [sys.executable, "-m", "tandem.edge"], env=environ, pass_fds=(self.sip.fileno(),)
        )

    def wait(self, wanted: Callable[[Event], bool]) -> Event:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            while self.heard:
                if wanted(event := self.heard.pop(0)):
                    return event
            select.select([self.node.fd], [], [], 0.5)
            self.heard += read_events(self.node.drain())
        raise AssertionError("nothing came")

    def close(self) -> None:
        self.edge.kill()
        self.edge.wait()
        self.node.close()
        self.sip.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def phone() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(5)
    return made


def invite(bench: Bench, phone: socket.socket, number: int) -> str:
    return (
        f"INVITE sip:bob@127.0.0.1:{bench.port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{phone.getsockname()[1]};rport;branch=z9hG4bKi{number}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:alice@demo.example>;tag=a{number}\r\nTo: <sip:bob@demo.example>\r\nCall-ID: call{number}\r\n"
        "CSeq: 1 INVITE\r\nContact: <sip:alice@127.0.0.1>\r\nContent-Length: 0\r\n\r\n"
    )  # fmt: skip


def test_an_invite_is_answered_acknowledged_and_its_dialog_finds_its_way_back(bench: Bench) -> None:
    alice = phone()
    alice.sendto(invite(bench, alice, 1).encode(), ("127.0.0.1", bench.port))
    event = bench.wait(lambda event: isinstance(event, Request))
    assert isinstance(event, Request) and "trunk:phones" == event.trust
    bench.node.run(
        write_commands([Taken(1, [event.seq]), respond(event, 200, event.call + "a0", "a0")])
    )
    answer = alice.recv(65535).decode()
    assert answer.startswith("SIP/2.0 200 ")
    contact = answer.split("Contact: <")[1].split(">")[0]
    for method, number in (("ACK", 1), ("BYE", 2)):
        text = (
            f"{method} {contact} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{method}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:alice@demo.example>;tag=a1\r\nTo: <sip:bob@demo.example>;tag={event.call}a0\r\nCall-ID: call1\r\nCSeq: {number} {method}\r\n"
            "Content-Length: 0\r\n\r\n"
        )  # fmt: skip
        alice.sendto(text.encode(), ("127.0.0.1", bench.port))
    assert event.call == bench.wait(lambda event: isinstance(event, Acked)).call  # type: ignore[union-attr]
    bye = bench.wait(lambda event: isinstance(event, Request))
    assert isinstance(bye, Request) and ("BYE", event.call) == (bye.method, bye.call)


def test_what_a_killed_node_had_not_taken_is_given_to_the_next(bench: Bench) -> None:
    alice = phone()
    alice.sendto(invite(bench, alice, 2).encode(), ("127.0.0.1", bench.port))
    first = bench.wait(lambda event: isinstance(event, Request))
    bench.node.close()
    bench.node = bench.start_node(4)
    again = bench.wait(lambda event: isinstance(event, Request))
    assert isinstance(first, Request) and isinstance(again, Request)
    assert (first.txn, first.call, first.seq, first.at) == (
        again.txn,
        again.call,
        again.seq,
        again.at,
    )
    bench.node.run(write_commands([Taken(1, [again.seq]), respond(again, 486, again.call + "a0")]))
    assert alice.recv(65535).startswith(b"SIP/2.0 486 ")


def test_a_callee_is_rung_through_the_edge_and_its_answer_comes_back(bench: Bench) -> None:
    alice, bob = phone(), phone()
    alice.sendto(invite(bench, alice, 3).encode(), ("127.0.0.1", bench.port))
    event = bench.wait(lambda event: isinstance(event, Request))
    assert isinstance(event, Request)
    flow = Flow(1, 0, UDP, 0, *bob.getsockname())
    text = f"INVITE sip:bob@127.0.0.1 SIP/2.0\r\nFrom: <sip:a>;tag={event.call}b0\r\nTo: <sip:b>\r\nCall-ID: {event.call}b0\r\nCSeq: 1 INVITE\r\nMax-Forwards: 69\r\n\r\n"
    bench.node.run(
        write_commands(
            [
                Ask(
                    shard(event.call),
                    event.call,
                    1,
                    "INVITE",
                    flow,
                    "b0",
                    event.call + "b0",
                    text.encode(),
                )
            ]
        )
    )
    asked, source = bob.recvfrom(65535)
    lines = [
        line + (";tag=bob" if line.startswith("To:") else "")
        for line in asked.decode().split("\r\n")
        if line[:3] in ("Via", "Fro", "To:", "Cal", "CSe")
    ]
    bob.sendto(
        "\r\n".join(["SIP/2.0 180 Ringing", *lines, "Content-Length: 0", "", ""]).encode(), source
    )
    ringing = bench.wait(lambda event: isinstance(event, Response))
    assert isinstance(ringing, Response) and (180, event.call, 1, "bob") == (
        ringing.status,
        ringing.call,
        ringing.n,
        ringing.to_tag,
    )


def shard(call: str) -> int:
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    return alphabet.index(call[0]) * 32 + alphabet.index(call[1])
