"""coturn under our supervisor: a browser's ICE stack gets an allocation with what the API gave it, and reaches the relay only."""

import asyncio
import os
import shutil
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aioice import stun, turn
from aioice.stun import TransactionFailed

from ice_servers import ice_servers
from tandem.testing.machine import Machine
from tandem.testing.relay import RunningRelay
from tandem.turn.place import turn_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("turnserver"), reason="no coturn"),
]
PORT, TLS_PORT = 19_478, 19_479  # below what the kernel gives out


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    settings = {
        "sip": {"listen": '["udp:127.0.0.1:0", "tls:127.0.0.1:0"]'},
        "relay": {"enabled": "true", "ports": '"28500-28999"'},
        "turn": {"enabled": "true", "port": str(PORT), "tls_port": str(TLS_PORT), "ports": '"29000-29099"'},
    }  # fmt: skip
    with Machine(tmp_path_factory.mktemp("turn"), settings) as made:
        made.up()
        yield made


@pytest.fixture(scope="module")
def offered(machine: Machine) -> dict[str, Any]:
    """The one server that the API gives whoever has logged in."""
    [server] = ice_servers(machine)
    return server


class Client(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.put_nowait(data)


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(b"echo " + data, addr)


async def allocated(username: str, password: str, **how: Any) -> tuple[Any, Client]:
    port = TLS_PORT if how.get("ssl") else PORT
    until = time.monotonic() + 10
    while True:
        try:
            made = await turn.create_turn_endpoint(
                Client, ("127.0.0.1", port), username=username, password=password, **how
            )
        except OSError:  # it starts
            assert time.monotonic() < until
            await asyncio.sleep(0.2)
        else:
            return made


async def reaches(transport: Any, client: Client, host: str) -> bool:
    loop = asyncio.get_running_loop()
    peer, _ = await loop.create_datagram_endpoint(Echo, local_addr=(host, 0))
    transport.sendto(b"hi", peer.get_extra_info("sockname"))
    try:
        return b"echo hi" == await asyncio.wait_for(client.heard.get(), 1.5)
    except TimeoutError:
        return False
    finally:
        peer.close()


@pytest.mark.parametrize("how", ["udp", "tcp", "tls"])
async def test_what_the_api_gives_makes_an_allocation_that_reaches_the_relay_only(
    machine: Machine, offered: dict[str, Any], how: str
) -> None:
    assert f"turn:127.0.0.1:{PORT}?transport=udp" in offered["urls"]
    assert f"turns:127.0.0.1:{TLS_PORT}?transport=tcp" in offered["urls"]
    trusted = ssl.create_default_context(cafile=str(machine.config.certificate))
    trusted.check_hostname = False
    ways: dict[str, dict[str, Any]] = {
        "udp": {},
        "tcp": {"transport": "tcp"},
        "tls": {"transport": "tcp", "ssl": trusted},
    }
    transport, client = await allocated(offered["username"], offered["credential"], **ways[how])
    try:
        host, port = transport.get_extra_info("sockname")
        assert "127.0.0.1" == host and 29_000 <= port <= 29_099
        assert await reaches(transport, client, "127.0.0.1")
    finally:
        transport.close()


async def test_another_peer_is_not_reached(machine: Machine, offered: dict[str, Any]) -> None:
    transport, client = await allocated(offered["username"], offered["credential"])
    try:
        assert not await reaches(transport, client, "127.0.0.2")
    finally:
        transport.close()


async def test_an_expired_credential_and_a_wrong_one_get_nothing(machine: Machine) -> None:
    ours = turn_of(machine.config)
    now = int(time.time())
    good = ours.server("alice", now)
    transport, _ = await allocated(good.username, good.credential)
    transport.close()
    past = ours.server("alice", now - ours.seconds - 1)
    for user, password in (
        (past.username, past.credential),
        (good.username, "wrong"),
        (good.username.replace("alice", "bob"), good.credential),
    ):  # fmt: skip
        with pytest.raises(TransactionFailed, match="401"):
            await allocated(user, password)


def test_coturn_is_a_child_that_comes_back_and_is_nobody(machine: Machine) -> None:
    killed = machine.kill("turn")
    machine.until(lambda: machine.pid("turn") not in (0, killed), "another coturn runs")
    assert 0o600 == (machine.config.run / "turn.conf").stat().st_mode & 0o777
    if os.geteuid() == 0:
        owner = Path(f"/proc/{machine.pid('turn')}")
        machine.until(lambda: owner.stat().st_uid != 0, "it is not root any more")


def test_a_reload_starts_and_ends_it(tmp_path: Path) -> None:
    section = {"enabled": "false", "port": str(PORT + 2), "ports": '"29100-29199"'}
    settings = {"turn": section, "relay": {"ports": '"28500-28999"'}}
    with Machine(tmp_path, settings) as made:
        made.up()
        assert "turn" not in made.state.children
        text = made.file.read_text()
        for enabled, there in (("true", True), ("false", False)):
            made.file.write_text(text.replace("enabled = false", f"enabled = {enabled}"))
            os.kill(made.state.supervisor.pid, signal.SIGHUP)
            made.until(lambda there=there: there == ("turn" in made.state.children), "reloaded")


def test_a_media_port_answers_plain_stun(tmp_path: Path) -> None:
    offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
    with RunningRelay(tmp_path) as relay, socket.socket(type=socket.SOCK_DGRAM) as asker:
        sdp = relay.ask("offer", call_id="c", from_tag="a", sdp=offer)["sdp"]
        port = int(sdp.partition("m=audio ")[2].split()[0])
        asker.bind(("127.0.0.1", 0))
        asker.settimeout(3)
        asked = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        asker.sendto(bytes(asked), ("127.0.0.1", port))
        answer = stun.parse_message(asker.recv(1_500))
        assert asked.transaction_id == answer.transaction_id
        assert asker.getsockname() == answer.attributes["XOR-MAPPED-ADDRESS"]
