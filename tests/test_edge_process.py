"""`python -m tandem.edge` as the supervisor starts it: an inherited socket, the link, SIGTERM."""

import hashlib
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from pathlib import Path

from tandem._core import Node
from tandem.boundary import Request, read_events

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


def edge(
    place: Path, sip: socket.socket, transport: str = "udp", **more: object
) -> subprocess.Popen[bytes]:
    (place / "keys.json").write_text(json.dumps(KEYS))
    config = {
        "edge": 7,
        "link": str(place / "link.sock"),
        "keys": str(place / "keys.json"),
        "listen": [{"transport": transport, "fd": sip.fileno(), "bound": "127.0.0.1:0"}],
        "default_domain": "demo.example",
        **more,
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


def issue(place: Path, name: str, *names: str) -> tuple[Path, Path]:
    """A certificate of the authority in `place` for these names, and its key."""
    made, key = place / f"{name}.pem", place / f"{name}.key"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    new += ["-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(made)]
    if names:
        new += ["-CA", str(place / "ca.pem"), "-CAkey", str(place / "ca.key")]
        new += ["-addext", "subjectAltName=" + ",".join(names)]
        new += ["-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(new, check=True, capture_output=True)
    return made, key


def test_a_trunk_is_trusted_by_its_certificate_and_another_is_asked_for_a_password(
    tmp_path: Path,
) -> None:
    ca, _ = issue(tmp_path, "ca")
    own, own_key = issue(tmp_path, "edge", "IP:127.0.0.1")
    trunk = {"id": "carrier", "tenant": "demo", "cidrs": [], "tls_names": ["sbc.carrier.example"]}
    policy = {
        "version": 1,
        "default_domain": "demo.example",
        "domains": {"demo.example": "demo"},
        "trunks": [trunk],
    }
    config = {"node_id": 1, "incarnation": 5, "epoch": 3, "keys": KEYS, "policy": policy}
    invite = (
        OPTIONS.replace("OPTIONS sip:127.0.0.1", "INVITE sip:+4930@127.0.0.1")
        .replace("1 OPTIONS", "1 INVITE")
        .replace("SIP/2.0/UDP", "SIP/2.0/TLS")
        .encode()
    )
    node = Node(json.dumps(config).encode(), listen=tmp_path / "link.sock")
    node.open()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sip:
        sip.bind(("127.0.0.1", 0))
        sip.listen()
        sip.setblocking(False)
        tls = {"certificate": str(own), "key": str(own_key), "ca": str(ca)}
        process = edge(tmp_path, sip, "tls", tls=tls)

        def connected(name: str) -> ssl.SSLSocket:
            context = ssl.create_default_context(cafile=str(ca))
            context.load_cert_chain(*issue(tmp_path, name, f"DNS:{name}"))
            plain = socket.create_connection(sip.getsockname(), PATIENCE_SECONDS)
            return context.wrap_socket(plain, server_hostname="127.0.0.1")

        try:
            with connected("other.example") as stranger:
                until = time.monotonic() + PATIENCE_SECONDS
                while not node.counters()["links"] and time.monotonic() < until:
                    time.sleep(0.01)
                stranger.sendall(invite)
                assert stranger.recv(65_535).startswith(b"SIP/2.0 407 ")
            with connected("sbc.carrier.example") as carrier:
                carrier.sendall(invite.replace(b"bKopt", b"bKtrunk"))
                asked: list[Request] = []
                while not asked and time.monotonic() < until:
                    asked = [e for e in read_events(node.drain()) if isinstance(e, Request)]
                    time.sleep(0.01)
                assert ["trunk:carrier"] == [request.trust for request in asked]
                assert 0 == node.counters()["challenged"]
        finally:
            process.kill()
            process.wait()
    node.close()


def test_a_wrong_configuration_is_named_and_does_not_start() -> None:
    environ = dict(os.environ, TANDEM_EDGE='{"edge": 1}')
    command = [sys.executable, "-m", "tandem.edge"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=10)
    assert 78 == done.returncode
    assert "missing field `keys`" in done.stderr
