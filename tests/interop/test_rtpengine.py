"""Another relay in our own one's place: rtpengine carries the media of real calls, asked by the call node in JSON."""

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("baresip")

from tandem.calls.model import described
from tandem.media.model import ng, policy
from tandem.testing.machine import Machine
from tandem.testing.phones import Phone, PhoneCall, Phones, phones, until

RTPENGINE = shutil.which("rtpengine")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not RTPENGINE, reason="no rtpengine")]
SIP_PORT, RTP_PORTS = 20_950, (20_952, 20_998)
MEDIA_PORTS = range(21_000, 21_100)


class Rtpengine:
    """The daemon in userspace, on loopback."""

    def __init__(self, base: Path) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.log = (base / "rtpengine.log").open("wb")
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        assert RTPENGINE
        self.process = subprocess.Popen(
            [RTPENGINE, "--table=-1", "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{self.port}", "--foreground", "--log-stderr",
             f"--port-min={MEDIA_PORTS.start}", f"--port-max={MEDIA_PORTS.stop}", "--num-threads=2", "--log-level=6"],
            stdout=self.log, stderr=self.log,
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while self.ask("ping").get("result") != "pong":
            assert time.monotonic() < deadline, "rtpengine does not answer"

    def ask(self, command: str) -> dict[str, object]:
        return self.tell({"command": command})

    def tell(self, command: dict[str, object]) -> dict[str, object]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(0.2)
            with suppress(OSError):
                one.sendto(
                    f"x{time.monotonic_ns()} ".encode() + json.dumps(command).encode(),
                    ("127.0.0.1", self.port),
                )
                return dict(json.loads(one.recv(65_536).partition(b" ")[2]))
        return {}

    @property
    def calls(self) -> list[object]:
        found = self.ask("list").get("calls")
        return found if isinstance(found, list) else []

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Rtpengine]:
    made = Rtpengine(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def machine(tmp_path: Path, relay: Rtpengine) -> Iterator[Machine]:
    media = {"relay": f'"udp:127.0.0.1:{relay.port}"', "policy": '"relay"'}
    with Machine(tmp_path, {"media": media, "relay": {"enabled": "false"}}) as made:
        made.up()
        yield made


async def registered(stack: Phones, machine: Machine, name: str, hz: int) -> Phone:
    user = machine.users[name]
    phone = await stack.phone(
        name, user.password, domain=user.domain, registrar=machine.address(), hz=hz
    )
    await phone.register()
    return phone


async def talk(alice: Phone, bob: Phone, machine: Machine) -> tuple[PhoneCall, PhoneCall]:
    out = await alice.call(f"sip:bob@{machine.users['bob'].domain}")
    ringing = await bob.incoming()
    await ringing.answer()
    await out.established()
    return out, ringing


def sdp_addresses(stack: Phones) -> set[tuple[bool, str]]:
    """(whether a phone said it, port) of each audio stream on the wire."""
    return {
        (message.sent, line.split(" ")[1])
        for message in stack.messages
        for line in message.text.split("\r\n")
        if line.startswith("m=audio ")
    }


async def test_both_phones_hear_each_other_through_rtpengine(
    machine: Machine, relay: Rtpengine
) -> None:
    async with phones(sip_port=SIP_PORT, rtp_ports=RTP_PORTS) as stack:
        alice = await registered(stack, machine, "alice", 440)
        bob = await registered(stack, machine, "bob", 1000)
        out, ringing = await talk(alice, bob, machine)
        assert 1 == len(relay.calls)
        await until(lambda: len(out.heard.windows) > 20, 10, "two seconds were heard")
        await out.hold()
        await asyncio.sleep(0.5)  # the phone refuses a change while one is under way
        await out.resume()
        await until(lambda: len(ringing.heard.windows) > 40, 10, "two more")
        dead = machine.kill("node")
        machine.wait_ready(not_pid=dead)
        await out.hangup()
        await ringing.ended()
        for sent, port in sdp_addresses(stack):
            assert sent or int(port) in MEDIA_PORTS, "a phone was told another one's port"
    assert 0.7 < out.heard.share(1000)
    assert 0.7 < ringing.heard.share(440)
    machine.until(lambda: relay.calls == [], "the relay has heard of the end")


async def test_a_call_without_the_relay_is_refused_and_the_next_one_with_it_is_not(
    machine: Machine, relay: Rtpengine
) -> None:
    async with phones(sip_port=SIP_PORT, rtp_ports=RTP_PORTS) as stack:
        alice = await registered(stack, machine, "alice", 440)
        bob = await registered(stack, machine, "bob", 1000)
        relay.stop()
        began = time.monotonic()
        out = await alice.call(f"sip:bob@{machine.users['bob'].domain}")
        with pytest.raises(Exception, match="503"):
            await out.established()
        assert time.monotonic() - began < 4
        relay.start()
        out, ringing = await talk(alice, bob, machine)
        await until(lambda: len(out.heard.windows) > 10, 10, "a second was heard")
        await out.hangup()
        await ringing.ended()
    assert 0.5 < out.heard.share(1000)


PHONE = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 4000 {profile} 0 8\r\n"
    "{more}a=sendrecv\r\n"
)
KEY = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:YUJDZGVmZ2hpSktMbU9QUXJzVHVWd3l6MTIzNDU2\r\n"
BROWSER = (
    "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:active\r\na=rtcp-mux\r\n"
    "a=fingerprint:sha-256 "
    + ":".join(["AB"] * 32)
    + "\r\na=candidate:1 1 udp 2130706431 127.0.0.2 4000 typ host\r\n"
)
OFFERS = {
    policy.PLAIN: PHONE.format(profile="RTP/AVP", more=""),
    policy.SDES: PHONE.format(profile="RTP/SAVP", more=KEY),
    policy.WEB: PHONE.format(
        profile="UDP/TLS/RTP/SAVPF", more=BROWSER.replace("active", "actpass")
    ),
}
ANSWERS = OFFERS | {policy.WEB: PHONE.format(profile="UDP/TLS/RTP/SAVPF", more=BROWSER)}


@pytest.mark.parametrize("towards", OFFERS)
@pytest.mark.parametrize("offered", OFFERS)
def test_what_is_asked_makes_of_each_kind_of_offer_one_for_each_kind_of_party(
    relay: Rtpengine, offered: str, towards: str
) -> None:
    common = {"call-id": f"{offered}{towards}", "from-tag": "a", "to-tag": "b0", "id": "1"}
    asked = {"command": "offer", **common, **ng.flags("offer", towards, natted=False)}
    offer = str(relay.tell({**asked, "sdp": OFFERS[offered]})["sdp"])
    replied = {"command": "answer", **common, **ng.flags("answer", offered, natted=False)}
    answer = str(relay.tell({**replied, "sdp": ANSWERS[towards]})["sdp"])
    for sdp, kind in ((offer, towards), (answer, offered)):
        assert kind == described.kind(sdp.encode()), sdp
        assert "127.0.0.2" not in sdp
        assert (kind == policy.WEB) == ("a=candidate" in sdp), sdp
        assert (kind == policy.SDES) == ("a=crypto" in sdp), sdp
    assert {"result": "ok"}.items() <= relay.tell({"command": "delete", **common}).items()
