"""A node on a real Unix socket with a hand-made edge: links, REGISTER, durability, trace."""

import hashlib
import json
import select
import socket
import struct
import time
from pathlib import Path

import pytest

from frames import INVITE, KEYS, POLICY, address, respond
from tandem._core import Node, Store, read_trace
from tandem.boundary import (
    UDP,
    EdgeDown,
    EdgeUp,
    Event,
    Request,
    Taken,
    read_events,
    write_commands,
)

REGISTER = (
    "REGISTER sip:demo.example SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.9.9;rport;branch=z9hG4bK{branch}\r\nFrom: <sip:alice@demo.example>;tag=r\r\n"
    "To: <sip:alice@demo.example>\r\nCall-ID: r1\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:alice@10.9.9.9>\r\nExpires: 600\r\n{extra}"
    "User-Agent: a phone with a long name so that the answer is not longer than the question, which no answer may be over UDP\r\n"
    "Content-Length: 0\r\n\r\n"
)  # fmt: skip


class Edge:
    """One connection to the node; `seq` goes on where the last one ended."""

    def __init__(self, path: Path, incarnation: int = 99) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(5)
        self.socket.connect(str(path))
        self.data, self.seq = b"", 0
        hello = (
            struct.pack("<BHHQB", 1, 1, 1, incarnation, 1)
            + b"\x01"
            + address("10.0.0.1", 5060)
            + struct.pack("<H", 13)
            + b"10.0.0.1:5060"
        )
        self.put(hello + struct.pack("<I", 2))

    def put(self, frame: bytes) -> None:
        self.socket.sendall(struct.pack("<I", len(frame)) + frame)

    def say(self, text: str, host: str = "192.0.2.1") -> None:
        self.seq += 1
        head = (
            struct.pack("<BQHIQBB", 2, self.seq, 9, 3, 0, UDP, 0)
            + address(host, 5062)
            + struct.pack("<Q", 1_700_000_000_000_000)
        )
        self.put(head + text.encode("latin-1"))

    def frame(self) -> bytes:
        while len(self.data) < 4 or len(self.data) < 4 + struct.unpack_from("<I", self.data)[0]:
            more = self.socket.recv(65536)
            assert more, "the node closed the link"
            self.data += more
        (length,) = struct.unpack_from("<I", self.data)
        frame, self.data = self.data[4 : 4 + length], self.data[4 + length :]
        return frame

    def until(self, kind: int) -> bytes:
        while (frame := self.frame())[0] != kind:
            pass
        return frame

    def message(self) -> str:
        return self.until(65)[43:].decode("latin-1")


def start(tmp_path: Path, **options: Store) -> Node:
    config = {"node_id": 1, "incarnation": 5, "epoch": 3, "keys": KEYS, "policy": POLICY}
    node = Node(
        json.dumps(config).encode(),
        listen=tmp_path / "link.sock",
        trace=tmp_path / "trace",
        **options,
    )
    ha1 = {
        name: hashlib.new(name, b"alice:demo.example:secret").digest() for name in ("md5", "sha256")
    }
    node.set_users([("alice@demo.example", ha1["md5"], ha1["sha256"], None)])
    node.open()
    return node


def events(node: Node, wanted: int = 1) -> list[Event]:
    found: list[Event] = []
    while len(found) < wanted:
        assert select.select([node.fd], [], [], 5)[0], f"{wanted} events, there were {found}"
        found += read_events(node.drain())
    return found


def register(edge: Edge, nc: int = 1) -> str:
    edge.say(REGISTER.format(branch=f"a{nc}", cseq=nc, extra=""), host="198.51.100.7")
    challenge = edge.message()
    assert challenge.startswith("SIP/2.0 401 ")
    nonce = challenge.split('nonce="')[1].split('"')[0]

    def h(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    answer = h(
        f"{h('alice:demo.example:secret')}:{nonce}:00000001:c:auth:{h('REGISTER:sip:demo.example')}"
    )
    extra = (
        f'Authorization: Digest username="alice",realm="demo.example",nonce="{nonce}",uri="sip:demo.example",response="{answer}",'
        "algorithm=SHA-256,cnonce=\"c\",qop=auth,nc=00000001\r\n"
    )  # fmt: skip
    edge.say(REGISTER.format(branch=f"b{nc}", cseq=nc + 100, extra=extra), host="198.51.100.7")
    return edge.message()


def test_an_invite_wakes_python_once_and_its_answer_reaches_the_edge(tmp_path: Path) -> None:
    node = start(tmp_path)
    edge = Edge(tmp_path / "link.sock")
    assert [64, 70, 68, 67] == [edge.frame()[0] for _ in range(4)]
    assert isinstance(events(node)[0], EdgeUp)
    edge.say(INVITE)
    (event,) = events(node)
    assert isinstance(event, Request) and [] == select.select([node.fd], [], [], 0)[0]
    assert 0 == node.run(write_commands([Taken(1, [event.seq]), respond(event, 100)]))
    assert edge.message().startswith("SIP/2.0 100 ") and struct.pack("<BQ", 66, 1) == edge.frame()
    node.run(write_commands([respond(event, 486, "t")]))
    first = time.monotonic()
    assert (
        edge.message() == edge.message() and 0.4 < time.monotonic() - first < 0.8
    )  # timer G, by the thread
    edge.socket.close()
    assert isinstance(events(node)[0], EdgeDown)
    records = read_trace(tmp_path / "trace", event.call)
    assert [] == records  # a tag that is not ours names no call
    node.close()
    with pytest.raises(RuntimeError):
        node.drain()


def test_a_phone_registers_and_is_still_there_after_a_restart(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "journal"))
    node = start(tmp_path, store=store)
    edge = Edge(tmp_path / "link.sock")
    assert register(edge).startswith("SIP/2.0 200 OK\r\n")
    (before,) = node.lookup("alice@demo.example")
    assert ("sip:alice@10.9.9.9", 1.0, (1, 0, UDP, 0, "198.51.100.7", 5062)) == before[:3]
    assert 595 < before[5] / 1e6 - time.time() < 602 and (0, True) == before[6:]
    assert 1 == node.bindings_count() and [("alice@demo.example", [before])] == node.registrations(
        0, 10
    )
    node.close()
    node = start(tmp_path, store=store)
    assert [before] == node.lookup("alice@demo.example")
    assert node.unregister("alice@demo.example") and [] == node.lookup("alice@demo.example")
    node.close()
    node = start(tmp_path, store=store)
    assert [] == node.lookup("alice@demo.example")
    node.close()
    store.close()


def row(store: Store) -> bytes:
    return dict(store.scan("reg/"))["reg/alice@demo.example"]


def test_a_refresh_is_answered_at_once_and_taken_when_it_is_stored(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "journal"))
    node = start(tmp_path, store=store)
    edge = Edge(tmp_path / "link.sock")
    assert register(edge).startswith("SIP/2.0 200 OK\r\n")
    first = row(store)
    time.sleep(1.1)  # whatever the first one left to store is stored
    assert register(edge, 2).startswith("SIP/2.0 200 OK\r\n")
    assert first == row(store)
    assert 1 == node.counters()["frames_in_hand"]
    taken: tuple[int, ...] = ()
    while edge.seq not in taken:
        frame = edge.until(66)
        taken = struct.unpack(f"<{len(frame) // 8}Q", frame[1:])
    assert first != row(store)
    assert 0 == node.counters()["frames_in_hand"]
    node.close()
    store.close()


def test_an_account_that_begins_too_much_is_sent_away_and_no_other(tmp_path: Path) -> None:
    node = start(tmp_path)
    node.set_policy(
        json.dumps(POLICY | {"limits": {"account_rate": 1, "account_burst": 2}}).encode()
    )
    edge = Edge(tmp_path / "link.sock")
    answers = [register(edge, n) for n in (1, 2, 3)]
    assert ["200", "200", "503"] == [answer[8:11] for answer in answers]
    assert "\r\nRetry-After: " in answers[2]
    assert 1 == node.counters()["account_rate_exceeded"]
    edge.say(INVITE)  # a trunk's
    assert any(isinstance(event, Request) for event in events(node, 2))
    node.close()


def test_a_wrong_password_is_challenged_again(tmp_path: Path) -> None:
    node = start(tmp_path)
    node.set_users([("alice@demo.example", b"x" * 16, b"y" * 32, None)])
    edge = Edge(tmp_path / "link.sock")
    assert register(edge).startswith("SIP/2.0 401 ")
    assert 1 == node.counters()["guessed"] and [] == node.lookup("alice@demo.example")
    node.close()


def test_the_trace_gives_a_call_back_in_order(tmp_path: Path) -> None:
    node = start(tmp_path)
    edge = Edge(tmp_path / "link.sock")
    edge.say(INVITE)
    request = next(event for event in events(node, 2) if isinstance(event, Request))
    node.run(write_commands([respond(request, 180, request.call + "a0", "a0")]))
    edge.message()
    edge.say(INVITE.replace("Call-ID: c1", "Call-ID: c2").replace("aaa", "ccc"))
    events(node)
    records = read_trace(tmp_path / "trace", request.call)
    assert [
        (True, UDP, "10.0.0.1:5060", "192.0.2.1:5062"),
        (False, UDP, "10.0.0.1:5060", "192.0.2.1:5062"),
    ] == [r[1:5] for r in records]
    assert INVITE.encode("latin-1") == records[0][5] and records[1][5].startswith(b"SIP/2.0 180 ")
    node.close()


def test_a_second_link_of_an_edge_replaces_the_first(tmp_path: Path) -> None:
    node = start(tmp_path)
    first = Edge(tmp_path / "link.sock")
    assert isinstance(events(node)[0], EdgeUp)
    second = Edge(tmp_path / "link.sock")
    assert [EdgeDown, EdgeUp] == [type(event) for event in events(node, 2)]
    second.say(INVITE)
    assert isinstance(events(node)[0], Request)
    first.socket.close()
    time.sleep(0.05)
    assert b"\x90" == node.drain() and 1 == node.counters()["links"]
    node.close()


def test_a_frame_that_is_none_ends_the_link(tmp_path: Path) -> None:
    node = start(tmp_path)
    edge = Edge(tmp_path / "link.sock")
    events(node)
    edge.socket.sendall(b"\xff" * 8)
    assert isinstance(events(node)[0], EdgeDown)
    node.close()
