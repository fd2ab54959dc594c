"""Requests above 1,300 bytes to an address: TCP first, UDP when nobody takes that (RFC 3261 18.1.1). Real edge, real SIPp."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem._core import Node
from tandem.boundary import TCP, UDP, Ask, Flow, Response, Taken, read_events, write_commands
from tandem.testing.ports import bound, free_port

pytestmark = pytest.mark.skipif(shutil.which("sipp") is None, reason="there is no sipp")

PATIENCE_SECONDS = 10.0
SECRET = "000102030405060708090a0b0c0d0e0f"
KEY = [{"id": "a", "secret": SECRET}]
KEYS = {"hash": SECRET, "signing": KEY, "nonce": KEY}
POLICY = {"version": 1, "default_domain": "demo.example", "domains": {"demo.example": "demo"}}
CALL = "0a" + "0" * 11
ANY_LOCAL = 255


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node with an edge that listens on UDP and TCP."""
    (tmp_path / "keys.json").write_text(json.dumps(KEYS))
    config = {"node_id": 1, "incarnation": 5, "epoch": 3, "keys": KEYS, "policy": POLICY}
    node = Node(json.dumps(config).encode(), listen=tmp_path / "link.sock")
    node.open()
    edge = {
        "edge": 7,
        "link": str(tmp_path / "link.sock"),
        "keys": str(tmp_path / "keys.json"),
        "listen": [{"transport": name, "bound": "127.0.0.1:0"} for name in ("udp", "tcp")],
        "default_domain": "demo.example",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tandem.edge"], env=dict(os.environ, TANDEM_EDGE=json.dumps(edge))
    )
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while not node.counters()["links"]:
            assert time.monotonic() < until, "no edge came"
            time.sleep(0.01)
        yield node
    finally:
        process.kill()
        process.wait()
        node.close()


def answering(transport: str, port: int, place: Path) -> subprocess.Popen[bytes]:
    command = ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-t", transport]
    command += ["-nostdin", "-mp", str(free_port())]
    process = subprocess.Popen(
        command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + PATIENCE_SECONDS
    while not bound(port, "tcp" if transport == "t1" else "udp"):
        assert time.monotonic() < until and process.poll() is None, "sipp did not start"
        time.sleep(0.02)
    return process


def invite(node: Node, n: int, port: int, pad: int) -> Response:
    """The first response to an INVITE of ours to 127.0.0.1:port, of which UDP was asked."""
    text = (
        f"INVITE sip:bob@127.0.0.1:{port} SIP/2.0\r\nMax-Forwards: 70\r\nFrom: <sip:a@demo.example>;tag={CALL}b{n}\r\n"
        f"To: <sip:bob@127.0.0.1>\r\nCall-ID: large{n}-{port}\r\nCSeq: 1 INVITE\r\nX-Pad: {'x' * pad}\r\n\r\n"
    )
    flow = Flow(0, 0, UDP, ANY_LOCAL, "127.0.0.1", port)
    ask = Ask(10, CALL, n, "INVITE", flow, "b0", f"large{n}-{port}", text.encode())
    node.run(write_commands([ask]))
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        heard = read_events(node.drain())
        for event in heard:
            if isinstance(event, Response) and event.n == n:
                node.run(write_commands([Taken(event.flow.edge, [event.seq])]))
                return event
        time.sleep(0.01)
    raise AssertionError("no response came")


def test_a_large_request_goes_over_tcp_and_a_small_one_over_udp(node: Node, tmp_path: Path) -> None:
    port = free_port()
    peers = [answering("t1", port, tmp_path), answering("u1", port, tmp_path)]
    try:
        assert TCP == invite(node, 1, port, 1300).flow.transport
        assert UDP == invite(node, 2, port, 100).flow.transport
        assert TCP == invite(node, 3, port, 1300).flow.transport
        assert 0 == node.counters()["fell_back_to_udp"]
    finally:
        for peer in peers:
            peer.kill()
            peer.wait()


def test_a_peer_without_tcp_gets_datagrams_at_once_and_is_not_asked_again(
    node: Node, tmp_path: Path
) -> None:
    port = free_port()
    peer = answering("u1", port, tmp_path)
    try:
        began = time.monotonic()
        assert UDP == invite(node, 1, port, 1300).flow.transport
        assert UDP == invite(node, 2, port, 1300).flow.transport
        assert time.monotonic() - began < 1.0
        assert 1 == node.counters()["fell_back_to_udp"]
    finally:
        peer.kill()
        peer.wait()
