"""`python -m tandem.edge` as the supervisor starts it: an inherited socket, the link, SIGTERM."""

import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from tandem._core import Node

SECRET = "000102030405060708090a0b0c0d0e0f"
OPTIONS = (
    "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;branch=z9hG4bKopt;rport\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:alice@demo.example>;tag=f\r\nTo: <sip:edge@127.0.0.1>\r\n"
    "Call-ID: options\r\nCSeq: 1 OPTIONS\r\nUser-Agent: {pad}\r\nContent-Length: 0\r\n\r\n"
).replace("{pad}", "x" * 400)
REGISTER = (
    "REGISTER sip:demo.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;branch=z9hG4bKreg{n};rport\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:alice@demo.example>;tag=f\r\nTo: <sip:alice@demo.example>\r\n"
    "Call-ID: register\r\nCSeq: {n} REGISTER\r\nContact: <sip:alice@127.0.0.1:5999>\r\nExpires: 600\r\n"
    "{credential}User-Agent: {pad}\r\nContent-Length: 0\r\n\r\n"
)
PATIENCE_SECONDS = 5.0


def options(call_id: str) -> bytes:
    return OPTIONS.replace("Call-ID: options", f"Call-ID: {call_id}").encode()


def frames(link: socket.socket) -> list[bytes]:
    """The whole frames that one read gives."""
    data = link.recv(1 << 20)
    found = []
    while len(data) >= 4:
        (length,) = struct.unpack_from("<I", data)
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


KEY = [{"id": "a", "secret": SECRET}]
KEYS: dict[str, object] = {"hash": SECRET, "signing": KEY, "nonce": KEY}


def edge(place: Path, sip: socket.socket) -> subprocess.Popen[bytes]:
    (place / "keys.json").write_text(json.dumps(KEYS))
    config = {
        "edge": 7,
        "link": str(place / "link.sock"),
        "keys": str(place / "keys.json"),
        "listen": [{"transport": "udp", "fd": sip.fileno(), "bound": "127.0.0.1:0"}],
        "default_domain": "demo.example",
    }
    environ = dict(os.environ, TANDEM_EDGE=json.dumps(config))
    command = [sys.executable, "-m", "tandem.edge"]
    return subprocess.Popen(command, env=environ, pass_fds=(sip.fileno(),))


def test_an_edge_serves_without_an_owner_says_hello_to_one_and_ends_in_a_second(
    tmp_path: Path,
) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as owner,
    ):
        sip.bind(("127.0.0.1", 0))
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(PATIENCE_SECONDS)
        owner.settimeout(PATIENCE_SECONDS)
        # sent before the edge lives: the socket keeps it
        phone.sendto(OPTIONS.encode(), sip.getsockname())
        process = edge(tmp_path, sip)
        try:
            answer = phone.recv(65_535)
            assert answer.startswith(b"SIP/2.0 200 "), answer
            owner.bind(str(tmp_path / "link.sock"))
            owner.listen()
            link, _ = owner.accept()
            with link:
                link.settimeout(PATIENCE_SECONDS)
                hello = frames(link)[0]
                kind, protocol, number = struct.unpack_from("<BHH", hello)
                assert (1, 1, 7) == (kind, protocol, number)
                begin = time.monotonic()
                process.send_signal(signal.SIGTERM)
                assert 0 == process.wait(PATIENCE_SECONDS)
                assert time.monotonic() - begin < 1.0
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def test_a_killed_edge_loses_no_datagram(tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone,
    ):
        sip.bind(("127.0.0.1", 0))
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(PATIENCE_SECONDS)
        for life in range(3):
            process = edge(tmp_path, sip)
            try:
                phone.sendto(options(f"alive{life}"), sip.getsockname())
                while f"alive{life}".encode() not in phone.recv(65_535):
                    pass
            finally:
                process.kill()
                process.wait()
            phone.sendto(options(f"dead{life}"), sip.getsockname())
            process = edge(tmp_path, sip)
            try:
                while f"dead{life}".encode() not in phone.recv(65_535):
                    pass
            finally:
                process.kill()
                process.wait()


def register(phone: socket.socket, at: tuple[str, int], life: int) -> bytes:
    """The answer to a REGISTER with the password, after the challenge to one without."""

    def ask(credential: str, n: int) -> bytes:
        text = REGISTER.format(credential=credential, n=n, pad="x" * 400)
        phone.sendto(text.encode(), at)
        return phone.recv(65_535)

    def h(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    nonce = ask("", 10 * life).split(b'nonce="')[1].split(b'"')[0].decode()
    ha1, ha2 = h("alice:demo.example:secret"), h("REGISTER:sip:demo.example")
    response = h(f"{ha1}:{nonce}:00000001:c:auth:{ha2}")
    credential = (
        f'Authorization: Digest username="alice",realm="demo.example",nonce="{nonce}",uri="sip:demo.example",'
        f'response="{response}",algorithm=MD5,cnonce="c",qop=auth,nc=00000001\r\n'
    )
    return ask(credential, 10 * life + 1)


def test_a_phone_registers_at_a_node_through_edges_that_die(tmp_path: Path) -> None:
    policy = {"version": 1, "default_domain": "demo.example", "domains": {"demo.example": "demo"}}
    config = {"node_id": 1, "incarnation": 5, "epoch": 3, "keys": KEYS, "policy": policy}
    node = Node(json.dumps(config).encode(), listen=tmp_path / "link.sock")
    md5 = hashlib.md5(b"alice:demo.example:secret").digest()
    node.set_users([("alice@demo.example", md5, None, None)])
    node.open()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone,
    ):
        sip.bind(("127.0.0.1", 0))
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(PATIENCE_SECONDS)
        for life in (1, 2):
            process = edge(tmp_path, sip)
            try:
                answer = register(phone, sip.getsockname(), life)
                assert answer.startswith(b"SIP/2.0 200 "), answer
            finally:
                process.kill()
                process.wait()
    assert 1 == node.bindings_count()
    node.close()


def test_a_wrong_configuration_is_named_and_does_not_start() -> None:
    environ = dict(os.environ, TANDEM_EDGE='{"edge": 1}')
    command = [sys.executable, "-m", "tandem.edge"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=10)
    assert 78 == done.returncode
    assert "missing field `link`" in done.stderr
