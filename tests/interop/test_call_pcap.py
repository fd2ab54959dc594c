"""`tandem call pcap` of a call between two real phones: what tshark reads of SIP, RTP and RTCP in the file, and its refusals."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("baresip")

from talking import talking
from tandem.cli.relay_ask import ask_relay
from tandem.testing.machine import Machine

TSHARK = shutil.which("tshark")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(TSHARK is None, reason="no tshark")]
SIP_PORT, RTP_PORTS = 21_350, (21_352, 21_398)
SECONDS = 3
FRAMES_A_SECOND = 50


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    relay = {"enabled": "true", "ports": '"28000-28499"'}
    with Machine(tmp_path, {"media": {"policy": '"relay"'}, "relay": relay}) as made:
        made.up()
        yield made


async def tandem(machine: Machine, *words: str) -> tuple[int, str]:
    """Exit status, and what it said to whoever called it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tandem.cli", *words,
        env={**os.environ, "TANDEM_CONFIG": str(machine.file)}, cwd=machine.base,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, (out + err).decode()


def call_id(machine: Machine) -> str:
    from tandem.cli.ask import ask

    calls = ask(machine.config.control_socket, "calls.list", limit=1)
    return str(calls[0]["id"])


def read(file: Path, *fields: str, wanted: str = "") -> list[tuple[str, ...]]:
    """What tshark finds; RTP by its looks, as nobody has told it the ports."""
    assert TSHARK
    asked = [word for field in fields for word in ("-e", field)]
    command = [TSHARK, "-n", "-r", str(file), "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "--enable-heuristic", "rtp_udp",
               "-T", "fields", *asked, *(["-Y", wanted] if wanted else [])]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


async def test_one_file_has_the_sip_and_both_directions_of_both_legs(machine: Machine) -> None:
    async with talking(machine, SIP_PORT, RTP_PORTS) as (_, out, ringing):
        call = call_id(machine)
        status, said = await tandem(
            machine, "call", "pcap", call, "--output", "c.pcap", "--seconds", str(SECONDS)
        )
        streams = ask_relay(machine.config.relay_socket, "statistics")["statistics"]["streams"]
        await out.hangup()
        await ringing.ended()
    file = machine.base / "c.pcap"
    assert (0, True) == (status, "packets of media" in said), said
    assert 2 == streams["kernel"] + streams["userspace"]
    methods = [method for (method,) in read(file, "sip.Method", wanted="sip.Method")]
    assert {"INVITE", "ACK"} <= set(methods)
    flows = Counter(read(file, "udp.srcport", "udp.dstport", wanted="rtp"))
    ours = {int(port) for flow in flows for port in flow if 28_000 <= int(port) < 28_500}
    assert 2 == len(ours)
    frames = SECONDS * FRAMES_A_SECOND
    assert 4 == len(flows)
    assert all(0.7 * frames < packets < 1.3 * frames for packets in flows.values()), flows
    assert all((theirs, here) in flows for here, theirs in flows)
    assert [] == read(
        file, "frame.number", wanted="udp.checksum.status == 0 or ip.checksum.status == 0"
    )
    times = [float(at) for (at,) in read(file, "frame.time_epoch", wanted="rtp")]
    assert 0.7 * SECONDS < times[-1] - times[0] < 1.3 * SECONDS
    assert not list((machine.config.data / "taps").glob("*.pcap"))


async def test_an_ended_call_has_its_sip_and_an_unknown_one_nothing(machine: Machine) -> None:
    async with talking(machine, SIP_PORT, RTP_PORTS) as (_, out, ringing):
        call = call_id(machine)
        await out.hangup()
        await ringing.ended()
    status, said = await tandem(machine, "call", "pcap", call)
    assert (0, True) == (status, "only SIP was written: the call has ended" in said), said
    file = machine.base / f"{call}.pcap"
    assert read(file, "sip.Method", wanted="sip.Method") and not read(file, "rtp.seq", wanted="rtp")
    status, said = await tandem(machine, "call", "pcap", "0000000000000")
    assert (1, True) == (status, "no such call" in said), said
    assert not (machine.base / "0000000000000.pcap").exists()
    status, said = await tandem(machine, "call", "pcap", call, "--output", "/no/such/place.pcap")
    assert (1, True) == (status, "/no/such/place.pcap: No such file or directory" in said), said
    status, said = await tandem(machine, "call", "pcap", call, "--seconds", "601")
    assert (2, True) == (status, "<= 600" in said), said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
async def test_a_full_disk_and_an_absent_relay_are_said(machine: Machine) -> None:
    async with talking(machine, SIP_PORT, RTP_PORTS) as (_, out, ringing):
        call = call_id(machine)
        arguments = ("call", "pcap", call, "--seconds", "1", "--output")
        status, said = await tandem(machine, *arguments, "/dev/full")
        assert (1, True) == (status, "No space left on device" in said), said
        elsewhere = machine.config.relay_socket.rename(machine.config.run / "away.sock")
        status, said = await tandem(machine, *arguments, "c.pcap")
        assert (1, True) == (
            status,
            "only SIP was written: the media relay does not answer" in said,
        )
        elsewhere.rename(machine.config.relay_socket)
        await out.hangup()
        await ringing.ended()
    assert read(machine.base / "c.pcap", "sip.Method", wanted="sip.Method")
