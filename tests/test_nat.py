"""Phones behind a NAT, with real edges: kept open by the edge that holds their flow, found again, and reached by GRUU."""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tandem._core import Node
from tandem.boundary import UDP, Answers, Ask, Flow, read_events, write_commands
from tandem.testing import sipp
from tandem.testing.machine import Machine
from tandem.testing.nat import Nat
from tandem.testing.pair import offer_md5
from tandem.testing.ports import free_port

SECRET = "000102030405060708090a0b0c0d0e0f"
KEY = [{"id": "a", "secret": SECRET}]
KEYS: dict[str, object] = {"hash": SECRET, "signing": KEY, "nonce": KEY}
PATIENCE_SECONDS = 8.0
INSTANCE = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"
ALICE = "alice@demo.example"


@contextmanager
def node(place: Path, **keepalive: object) -> Iterator[Node]:
    policy = {
        "version": 1, "default_domain": "demo.example", "domains": {"demo.example": "demo"},
        "keepalive": {"udp_seconds": 1, "options_seconds": 1, "options_misses": 1, **keepalive},
    }  # fmt: skip
    config = {
        "node_id": 1,
        "incarnation": time.time_ns(),
        "epoch": 3,
        "keys": KEYS,
        "policy": policy,
    }
    made = Node(json.dumps(config).encode(), listen=place / "link.sock")
    md5 = hashlib.md5(b"alice:demo.example:secret").digest()
    made.set_users([(ALICE, md5, None, None)])
    made.open()
    try:
        yield made
    finally:
        made.close()


@contextmanager
def edge(place: Path, number: int, sip: socket.socket, transport: str = "udp") -> Iterator[None]:
    (place / "keys.json").write_text(json.dumps(KEYS))
    bound = f"127.0.0.1:{sip.getsockname()[1]}"
    config = {
        "edge": number, "link": str(place / "link.sock"), "keys": str(place / "keys.json"),
        "listen": [{"transport": transport, "fd": sip.fileno(), "bound": bound}],
        "default_domain": "demo.example", "policy": str(place / f"policy-{number}.json"),
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "tandem.edge"],
        env=dict(os.environ, TANDEM_EDGE=json.dumps(config)),
        pass_fds=(sip.fileno(),),
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def listening(kind: socket.SocketKind = socket.SOCK_DGRAM) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    made.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        made.listen()
        made.setblocking(False)
    return made


class Phone:
    """One that speaks through a NAT: it does not know its outer address."""

    def __init__(self, at: tuple[str, int], kind: socket.SocketKind = socket.SOCK_DGRAM) -> None:
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.bind(("127.0.0.4", 0))
        self.socket.connect(at)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.number, self.over = 0, "UDP" if kind == socket.SOCK_DGRAM else "TCP"
        self.here = self.contact = "{}:{}".format(*self.socket.getsockname())

    def hears(self, begin: str) -> str:
        """The next message that begins so; keep-alives and others are passed over."""
        while True:
            text = self.socket.recv(65_535).decode("latin-1").lstrip("\r\n")
            if text.startswith(begin):
                return text

    def registers(self, parameters: str = "", extra: str = "", credential: str = "") -> str:
        self.number += 1
        transport = "" if self.over == "UDP" else ";transport=tcp"
        self.socket.send(
            f"REGISTER sip:demo.example SIP/2.0\r\nVia: SIP/2.0/{self.over} {self.here};branch=z9hG4bK{self.here}{self.number};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{ALICE}>;tag=f\r\nTo: <sip:{ALICE}>\r\nCall-ID: {self.here}\r\n"
            f"CSeq: {self.number} REGISTER\r\nContact: <sip:alice@{self.contact}{transport}>{parameters}\r\nExpires: 600\r\n"
            f"{extra}{credential}User-Agent: {'x' * 500}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        answer = self.hears("SIP/2.0")
        if not answer.startswith("SIP/2.0 401") or credential:
            return answer
        (nonce,) = re.findall('nonce="([^"]*)"', answer)[:1]

        def h(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        ha1, ha2 = h("alice:demo.example:secret"), h("REGISTER:sip:demo.example")
        response = h(f"{ha1}:{nonce}:0000000{self.number}:c:auth:{ha2}")
        login = (
            f'Authorization: Digest username="alice",realm="demo.example",nonce="{nonce}",uri="sip:demo.example",'
            f'response="{response}",algorithm=MD5,cnonce="c",qop=auth,nc=0000000{self.number}\r\n'
        )
        return self.registers(parameters, extra, login)


def ask(at: Node, flow: Flow, uri: str) -> None:
    """An OPTIONS of ours to a phone."""
    head = f"OPTIONS {uri} SIP/2.0\r\nFrom: <sip:x@demo.example>;tag=1\r\nTo: <{uri}>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n"
    at.run(
        write_commands([Ask(0, "00" + "1" * 11, 1, "OPTIONS", flow, "", "x", head.encode(), age=0)])
    )


def found(at: Node) -> list[tuple[str, Flow, Any]]:
    return [(uri, Flow(*flow), rest) for uri, _, flow, *rest in at.lookup(ALICE)]


def until(fact: Any, seconds: float = PATIENCE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_edge_with_the_flow_keeps_a_nat_open_and_no_other_edge_does(tmp_path: Path) -> None:
    with ExitStack() as stack:
        core = stack.enter_context(node(tmp_path))
        sockets = [stack.enter_context(listening()) for _ in range(2)]
        for number, sip in enumerate(sockets, 7):
            stack.enter_context(edge(tmp_path, number, sip))
        server = sockets[1].getsockname()
        nat = stack.enter_context(
            Nat(inside="127.0.0.2", outside="127.0.0.3", server=server, idle_seconds=2.5)
        )
        alice = Phone(nat.udp)
        assert alice.registers().startswith("SIP/2.0 200")
        mapped = nat.mapped(alice.socket.getsockname())
        until(lambda: nat.pings() >= 4)
        assert mapped == nat.mapped(alice.socket.getsockname()), "the mapping has lived on"
        ((uri, flow, _),) = found(core)
        assert (8, UDP, mapped) == (flow.edge, flow.transport, (flow.host, flow.port))
        ask(core, flow, uri)
        assert uri == alice.hears("OPTIONS").split()[1], "its own Contact, by the way it came"
        assert [] == nat.lost, "nobody else has sent anything"


def test_an_edge_that_was_killed_is_told_again_whom_to_keep(tmp_path: Path) -> None:
    with ExitStack() as stack:
        stack.enter_context(node(tmp_path))
        sip = stack.enter_context(listening())
        server = sip.getsockname()
        nat = stack.enter_context(
            Nat(inside="127.0.0.2", outside="127.0.0.3", server=server, idle_seconds=6)
        )
        alice = Phone(nat.udp)
        with edge(tmp_path, 7, sip):
            assert alice.registers().startswith("SIP/2.0 200")
            until(lambda: nat.pings() >= 1)
        before = nat.pings()
        with edge(tmp_path, 7, sip):
            until(lambda: nat.pings() >= before + 3)


def test_a_phone_that_is_gone_is_told_unreachable_and_one_that_is_back_is_not(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        core = stack.enter_context(node(tmp_path, options="nat"))
        sip = stack.enter_context(listening())
        stack.enter_context(edge(tmp_path, 7, sip))
        server = sip.getsockname()
        nat = stack.enter_context(Nat(inside="127.0.0.2", outside="127.0.0.3", server=server))
        alice = Phone(nat.udp)
        assert alice.registers().startswith("SIP/2.0 200")
        told: list[Answers] = []

        def news() -> list[bool]:
            told.extend(e for e in read_events(core.drain()) if isinstance(e, Answers))
            return [one.answers for one in told]

        until(lambda: news() == [False])
        assert ALICE == told[0].aor
        head = alice.hears("OPTIONS").partition("\r\n")[2]
        alice.socket.send(f"SIP/2.0 200 OK\r\n{head}".encode())
        until(lambda: news() == [False, True])


def test_outbound_over_a_broken_connection_binds_its_flow_anew(tmp_path: Path) -> None:
    contact, extra = f';+sip.instance="<{INSTANCE}>";reg-id=1', "Supported: outbound, gruu\r\n"
    with ExitStack() as stack:
        core = stack.enter_context(node(tmp_path))
        sip = stack.enter_context(listening(socket.SOCK_STREAM))
        stack.enter_context(edge(tmp_path, 7, sip, "tcp"))
        server = sip.getsockname()
        nat = stack.enter_context(Nat(inside="127.0.0.2", outside="127.0.0.3", server=server))
        alice = Phone(nat.tcp, socket.SOCK_STREAM)
        answer = alice.registers(contact, extra)
        assert "\r\nRequire: outbound\r\nFlow-Timer: 120\r\n" in answer, answer
        assert f'pub-gruu="sip:{ALICE};gr={INSTANCE}"' in answer
        (temporary,) = re.findall('temp-gruu="sip:([^@]*)@demo.example;gr"', answer)
        assert (ALICE, f"<{INSTANCE}>") == core.temporary(temporary)
        first = found(core)[0][1]
        assert first.connection
        nat.reboot()
        until(lambda: found(core)[0][1].port == 0)  # nothing can be sent there
        again = Phone(nat.tcp, socket.SOCK_STREAM)
        again.number = 5
        assert again.registers(contact, extra).startswith("SIP/2.0 200")
        ((uri, flow, _),) = found(core)
        assert flow.connection not in (0, first.connection)
        ask(core, flow, uri)
        again.hears("OPTIONS")
        assert core.temporary(temporary) is None, "RFC 5627 5.1: another Call-ID"


def test_a_phone_that_can_be_reached_is_called_at_its_contact_when_its_connection_is_gone(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        core = stack.enter_context(node(tmp_path))
        sip = stack.enter_context(listening(socket.SOCK_STREAM))
        alice = Phone(sip.getsockname(), socket.SOCK_STREAM)
        door = stack.enter_context(socket.create_server(("127.0.0.4", 0)))
        door.settimeout(PATIENCE_SECONDS)
        alice.contact = "{}:{}".format(*door.getsockname())
        with edge(tmp_path, 7, sip, "tcp"):
            assert alice.registers().startswith("SIP/2.0 200")
            assert found(core)[0][1].connection
        with edge(tmp_path, 7, sip, "tcp"):  # it has been killed, and the phone does not notice
            here = ("127.0.0.4", door.getsockname()[1])
            until(lambda: (found(core)[0][1].host, found(core)[0][1].port) == here)
            ((uri, flow, _),) = found(core)
            assert 0 == flow.connection
            until(lambda: core.counters()["edges_up"] == 1)
            ask(core, flow, uri)
            called, _ = door.accept()
            with called:
                assert called.recv(65_535).startswith(f"OPTIONS {uri} ".encode())


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("sipp"), reason="no sipp")
def test_what_tandem_toml_says_of_keep_alives_is_done_and_changed_while_it_runs(
    tmp_path: Path,
) -> None:
    settings = {"sip": {"listen": '["udp:127.0.0.1:0"]'}, "keepalive": {"udp_seconds": "1"}}
    with ExitStack() as stack:
        machine = stack.enter_context(Machine(tmp_path, settings))
        machine.up()
        offer_md5(machine)
        host, _, port = machine.address().rpartition(":")
        nat = stack.enter_context(
            Nat(inside="127.0.0.2", outside="127.0.0.3", server=(host, int(port)))
        )
        alice = machine.users["alice"]
        behind = sipp.Phone(
            "alice", alice.password, host="127.44.80.1", port=free_port("127.44.80.1"), edge="{}:{}".format(*nat.udp),
            domain=alice.domain,
        )  # fmt: skip
        stack.callback(behind.close)
        behind.register()
        until(lambda: nat.pings() >= 3)
        machine.file.write_text(
            machine.file.read_text().replace("udp_seconds = 1", "udp_seconds = 0")
        )
        machine.kill("supervisor", signal.SIGHUP)
        until(lambda: rests(nat))


def rests(nat: Nat) -> bool:
    """Whether nothing comes for longer than there was between two pings."""
    before = nat.pings()
    time.sleep(2.5)
    return before == nat.pings()
