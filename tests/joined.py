"""A call node in this process and edges in processes of their own, joined by links of any kind; phones on loopback. No test."""

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from frames import KEYS
from tandem._core import Node
from tandem.boundary import EdgeUp, Event, Request, read_events

PATIENCE_SECONDS = 10.0
BOB = "sip:bob@demo.example"
POLICY = {
    "version": 1, "default_domain": "demo.example", "domains": {"demo.example": "demo"},
    "trunks": [{"id": "phones", "tenant": "demo", "cidrs": ["127.0.0.0/8"], "tls_names": []}],
}  # fmt: skip
E = TypeVar("E")


class Owner:
    """A node, and what it has heard."""

    def __init__(self, node: Node) -> None:
        self.node, self.heard = node, list[Event]()

    def waits(self, kind: type[E], wanted: Callable[[E], bool] = lambda _: True) -> E:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            while self.heard:
                event = self.heard.pop(0)
                if isinstance(event, kind) and wanted(event):
                    return event
            self.listens(0.2)
        raise AssertionError(f"no {kind.__name__} came")

    def listens(self, seconds: float) -> None:
        select.select([self.node.fd], [], [], seconds)
        self.heard += read_events(self.node.drain())


class Joined:
    """Where nodes listen: `places` by kind of link, on ports that stay while nodes come and go."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.listeners = {kind: listening(socket.SOCK_STREAM) for kind in ("tcp", "tls")}
        make_certificates(base)

    def place(self, kind: str, number: int = 1) -> str:
        if kind == "unix":
            return f"unix:{self.base / f'node-{number}.sock'}"
        return f"{kind}:127.0.0.1:{self.listeners[kind].getsockname()[1]}"

    @contextmanager
    def node(self, epoch: int, number: int = 1, far: bool = True) -> Iterator[Owner]:
        config = {
            "node_id": number,
            "incarnation": epoch,
            "epoch": epoch,
            "keys": KEYS,
            "policy": POLICY,
        }
        kinds = [(kind, os.dup(one.fileno())) for kind, one in self.listeners.items() if far]
        made = Node(
            json.dumps(config).encode(),
            listen=self.base / f"node-{number}.sock",
            far=kinds,
            tls=self.certificate(f"node-{number}"),
        )
        made.open()
        try:
            yield Owner(made)
        finally:
            made.close()

    def certificate(self, name: str) -> tuple[Path, Path, Path]:
        return self.base / f"{name}.pem", self.base / f"{name}.key", self.base / "ca.pem"

    @contextmanager
    def edge(self, number: int, sip: socket.socket, *places: str) -> Iterator[Path]:
        """An edge process on a machine of its own: what it keeps is in the directory."""
        home = self.base / f"edge-{number}"
        home.mkdir(exist_ok=True)
        # of an earlier life: without a policy it challenges everybody until a node tells it one
        for name, value in (("keys.json", KEYS), ("edge-policy.json", POLICY)):
            if not (home / name).exists():
                (home / name).write_text(json.dumps(value))
        bound = "{}:{}".format(*sip.getsockname())
        names = ("certificate", "key", "ca")
        files = dict(zip(names, map(str, self.certificate(f"edge-{number}")), strict=True))
        config = {
            "edge": number, "owners": places, "link_tls": files, "keys": str(home / "keys.json"),
            "listen": [{"transport": "udp", "fd": sip.fileno(), "bound": bound, "advertised": bound}],
            "default_domain": "demo.example",
        }  # fmt: skip
        with (home / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tandem.edge"],
                env=dict(os.environ, TANDEM_EDGE=json.dumps(config)),
                pass_fds=(sip.fileno(),),
                stderr=log,
            )
        try:
            yield home
        finally:
            process.kill()
            process.wait()

    def close(self) -> None:
        for one in self.listeners.values():
            one.close()


def make_certificates(base: Path) -> None:
    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=base, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout")
    openssl("req", "-x509", *key, "ca.key", "-subj", "/CN=cluster", "-out", "ca.pem", "-days", "2")
    for name in ("node-1", "node-2", "edge-7", "edge-8"):
        openssl("req", *key, f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr")
        (base / f"{name}.ext").write_text(f"subjectAltName=DNS:{name}.tandem.internal\n")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext",
        )  # fmt: skip


def listening(kind: socket.SocketKind = socket.SOCK_DGRAM) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    made.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        made.listen()
    return made


def linked(owner: Owner, *edges: int) -> None:
    missing = set(edges)
    while missing:
        missing.discard(owner.waits(EdgeUp).edge)


class Caller:
    """A phone that calls over UDP; `hears` what comes back."""

    def __init__(self, edge: socket.socket) -> None:
        self.edge = edge.getsockname()
        self.socket = listening()
        self.socket.settimeout(PATIENCE_SECONDS)

    def says(
        self,
        method: str,
        call: str,
        cseq: int = 1,
        uri: str = BOB,
        tag: str = "",
    ) -> None:
        port = self.socket.getsockname()[1]
        # RFC 3261 17.1.1.3: the ACK of a refusal is its INVITE's transaction
        of = "INVITE" if method == "ACK" and uri == BOB else method
        to = "<sip:bob@demo.example>" + (f";tag={tag}" if tag else "")
        text = (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bK{call}{cseq}{of}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:alice@demo.example>;tag=a{call}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\n"
            f"Contact: <sip:alice@127.0.0.1:{port}>\r\nContent-Length: 0\r\n\r\n"
        )
        self.socket.sendto(text.encode(), self.edge)

    def hears(self) -> str:
        return self.socket.recv(65_535).decode()

    def close(self) -> None:
        self.socket.close()


def contact_of(answer: str) -> str:
    return answer.split("Contact: <")[1].split(">")[0]


def invited(owner: Owner, caller: Caller, call: str) -> Request:
    caller.says("INVITE", call)
    return owner.waits(Request, lambda event: event.call_id == call)
