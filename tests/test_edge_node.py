"""An edge process in front of a node, as on one machine: REGISTER, INVITE, and the death of each."""

import json
import select
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tandem._core import Node
from tandem.boundary import Request, Taken, read_events, write_commands
from test_core import INVITE, KEYS, POLICY, respond
from test_edge_process import PATIENCE_SECONDS, edge
from test_node import register, start


class Phone:
    """A UDP peer of the edge, spoken to as test_node speaks to its hand-made edge."""

    def __init__(self, at: tuple[str, int]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(PATIENCE_SECONDS)
        self.at = at

    def say(self, text: str, host: str = "") -> None:
        self.socket.sendto(text.encode("latin-1"), self.at)

    def message(self) -> str:
        return self.socket.recv(65_535).decode("latin-1")


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def invite(node: Node, every: Callable[[], None] = lambda: None) -> Request:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        every()
        assert time.monotonic() < until, "no INVITE came"
        if not select.select([node.fd], [], [], 0.5)[0]:
            continue
        for event in read_events(node.drain()):
            if isinstance(event, Request):
                return event


def test_a_phone_registers_through_the_edge_also_after_its_death(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip:
        sip.bind(("127.0.0.1", 0))
        node = start(tmp_path)
        phone = Phone(sip.getsockname())
        for life in (1, 2):
            process = edge(tmp_path, sip, KEYS)
            try:
                assert register(phone, nc=life).startswith("SIP/2.0 200 ")
            finally:
                kill(process)
        assert 1 == node.bindings_count()
        phone.socket.close()


def test_an_invite_that_no_node_took_goes_to_the_next_node(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip:
        sip.bind(("127.0.0.1", 0))
        # the first node gives its policy, in which this phone is a trunk
        policy = json.loads(json.dumps(POLICY))
        policy["trunks"][0]["cidrs"] = ["127.0.0.0/8"]
        config = {"node_id": 1, "incarnation": 5, "epoch": 3, "keys": KEYS, "policy": policy}
        node = Node(json.dumps(config).encode(), listen=tmp_path / "link.sock")
        node.open()
        process = edge(tmp_path, sip, KEYS)
        phone = Phone(sip.getsockname())
        try:
            # Timer A: the first one may come before the policy, and a stranger's short request gets no answer
            assert "INVITE" == invite(node, every=lambda: phone.say(INVITE)).method
            node.close()
            (tmp_path / "link.sock").unlink(missing_ok=True)
            heir = Node(
                json.dumps({**config, "incarnation": 6, "epoch": 4}).encode(),
                listen=tmp_path / "link.sock",
            )
            heir.open()
            event = invite(heir)
            heir.run(write_commands([Taken(1, [event.seq]), respond(event, 100)]))
            assert phone.message().startswith("SIP/2.0 100 ")
            heir.close()
        finally:
            kill(process)
            phone.socket.close()
