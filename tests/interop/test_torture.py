"""RFC 4475's 49 messages at the running product, over UDP and TCP, from a stranger and from a trusted peer.

Each gets what the RFC and RFC 3261 name, or silence where silence is right; none of our processes dies, and calls go on.
"""

import contextlib
import os
import re
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.adapters.sqlite import open_database
from tandem.adapters.sqlite_routing import put_trunk
from tandem.routing.model.rows import Trunk
from tandem.testing.machine import Machine

pytestmark = pytest.mark.slow
FILES = Path(__file__).parent.parent / "golden" / "torture"
NET = f"127.{44 + os.getpid() % 200}.{os.getpid() // 200 % 256}"  # another run has others
STRANGER, PEER = f"{NET}.1", f"{NET}.2"
# Answers go to the port in Via, or to 5060 (RFC 3261 18.2.2); on the two addresses nobody else has them.
PORTS = (5060, 5050, 5070)
QUIET_SECONDS = 0.4  # nothing more comes after so long
PROVISIONAL = "1"

# The answer to a message that is wrong, whoever sends it. "": silence (responses that are not ours; a stream that waits for more).
WRONG = {
    "badaspec": "400", "baddn": "400", "badinv01": "400", "badvers": "505", "clerr": "400", "escruri": "400", "insuf": "400", "ltgtruri": "400",
    "lwsruri": "400", "lwsstart": "400", "mcl01": "400", "mismatch01": "400", "mismatch02": "400", "multi01": "400", "ncl": "400",
    "novelsc": "416", "quotbal": "400", "regbadct": "400", "scalar02": "400", "trws": "400", "unkscm": "416", "wsinv": "481",
    "zeromf": "483",
    "bcast": "", "bigcode": "", "noreason": "", "scalarlg": "", "unreason": "",
}  # fmt: skip
# To well-formed ones: what a trusted peer gets. Methods and REGISTER are judged before bodies and option tags (RFC 3261 8.2).
TRUSTED = {
    "badbranch": "200", "baddate": "480", "bext01": "420", "cparam01": "403", "cparam02": "403", "dblreq": "403", "esc01": "480",
    "esc02": "405", "escnull": "403", "intmeth": "405", "inv2543": "480", "invut": "480", "longreq": "480",
    "lwsdisp": "200", "mpart01": "202", "regaut01": "403", "regescrt": "403", "sdp01": "480", "semiuri": "200",
    "transports": "200", "unksm2": "403",
}  # fmt: skip
REGISTERS = {
    "cparam01",
    "cparam02",
    "dblreq",
    "escnull",
    "regaut01",
    "regbadct",
    "regescrt",
    "unksm2",
}
WAITING = {"baddn", "clerr"}  # over a stream they are not complete
STREAM_NEEDS_A_LENGTH = {"inv2543"}  # RFC 3261 18.3


def expected(name: str, transport: str, host: str) -> str:
    if transport == "tcp" and name in WAITING:
        return ""
    if transport == "tcp" and name in STREAM_NEEDS_A_LENGTH:
        return "400"
    if name in WRONG:
        return WRONG[name]
    if host == PEER:
        return TRUSTED[name]
    return "401" if name in REGISTERS else "407"


@pytest.fixture(scope="module", params=["udp", "tcp"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, str]]:  # fmt: skip
    with Machine(tmp_path_factory.mktemp("torture")) as machine:
        machine.up()
        connection = open_database(machine.config.database)
        put_trunk(
            connection, Trunk("peer", PEER, "demo", cidrs=(f"{PEER}/32",), default_to="alice")
        )
        connection.close()
        machine.ask("reload", what="all")
        yield machine, request.param


def finals(message: bytes, received: list[bytes]) -> list[str]:
    """The codes of the final responses to this message, repeated ones once; what is repeated of earlier calls is not its."""
    assert all(data.startswith(b"SIP/2.0 ") for data in received), received
    own = [data for data in received if call_id(data) in message]
    codes = [data[8:11].decode() for data in own]
    return sorted({code for code in codes if not code.startswith(PROVISIONAL)})


def call_id(data: bytes) -> bytes:
    """The value of the header as it was sent; empty without one."""
    match = re.search(rb"(?im)^(?:call-id|i)[ \t]*:[ \t]*(\S+)", data)
    return match[1] if match else b""


def over_udp(machine: Machine, host: str, message: bytes) -> list[bytes]:
    to, _, port = machine.address("udp").rpartition(":")
    received = []
    with contextlib.ExitStack() as stack:
        phones = [
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in PORTS
        ]
        for phone, own in zip(phones, PORTS, strict=True):
            phone.bind((host, own))
        phones[0].sendto(message, (to, int(port)))
        while readable := select.select(phones, [], [], QUIET_SECONDS)[0]:
            received += [phone.recv(65_535) for phone in readable]
    return received


def over_tcp(machine: Machine, host: str, message: bytes) -> list[bytes]:
    to, _, port = machine.address("tcp").rpartition(":")
    data = b""
    with socket.create_connection((to, int(port)), source_address=(host, 0)) as phone:
        phone.settimeout(QUIET_SECONDS)
        phone.sendall(message)
        try:
            while more := phone.recv(65_535):
                data += more
        except (TimeoutError, ConnectionResetError):
            pass
    return [b"SIP/2.0 " + part for part in data.split(b"SIP/2.0 ")[1:] if part[:3].isdigit()]


def pids(machine: Machine) -> list[int]:
    return [machine.pid(role) for role in ("supervisor", "edge", "node", "web")]


@pytest.mark.parametrize("host", [STRANGER, PEER], ids=["stranger", "peer"])
def test_no_torture_message_is_treated_wrongly(running: tuple[Machine, str], host: str) -> None:
    machine, transport = running
    before = pids(machine)
    say = over_udp if transport == "udp" else over_tcp
    wrong, files = {}, sorted(FILES.glob("*.dat"))
    for file in files:
        message = file.read_bytes()
        received = say(machine, host, message)
        got, wanted = finals(message, received), expected(file.stem, transport, host)
        # a challenge that is longer than the question does not leave over UDP: a short 403, or nothing
        short = transport == "udp" and host == STRANGER and wanted in ("401", "407")
        allowed = [[wanted] if wanted else [], *([["403"], []] if short else [])]
        allowed += [[]] if transport == "udp" and file.stem in REGISTERS else []
        if file.stem == "dblreq" and transport == "tcp":
            # two requests and then a byte that begins no message: that ends the stream, perhaps before the owner answers
            allowed = [["401", "407"], ["403", "480"], ["403"], []]
        if got not in allowed:
            wrong[file.stem] = f"{got}, not {wanted or 'silence'}"
    assert 49 == len(files)
    assert {} == wrong
    assert before == pids(machine)
    assert bool(machine.ask("ping")["ready"])
    edges = machine.ask("stats")["edges"]
    assert [0] == [counters["panics"] for counters in edges.values()]
