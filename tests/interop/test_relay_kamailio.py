"""Debian's Kamailio with its rtpengine module, unchanged, drives our relay, and rtpengine 10.5 beside it: real phones, real audio."""

import array
import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("baresip")

from baresip.errors import BaresipError

from tandem.testing.farm import KAMAILIO, wait
from tandem.testing.phones import Phone, PhoneCall, Phones, phones, until
from tandem.testing.ports import free_port
from tandem.testing.relay import RunningRelay
from tandem.testing.tones import measure

RTPENGINE = shutil.which("rtpengine", path="/usr/sbin:/usr/bin:/usr/local/sbin")
RELAYS = [
    "tandem",
    pytest.param("rtpengine", marks=pytest.mark.skipif(not RTPENGINE, reason="no rtpengine")),
]
CONFIG = """#!KAMAILIO
debug=0
log_stderror=yes
disable_tcp=yes
auto_aliases=no
children=2
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "rtpengine.so"
modparam("rtpengine", "rtpengine_sock", "udp:127.0.0.1:NG")
request_route {
	if (!mf_process_maxfwd_header("70")) { sl_send_reply("483", "Too Many Hops"); exit; }
	if (is_method("OPTIONS") && $rU == $null) { sl_send_reply("200", "OK"); exit; }
	if (is_method("REGISTER")) { save("location"); exit; }
	if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
	if (has_totag()) {
		loose_route();
	} else {
		record_route();
		if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
	}
	if ($(rU{s.substr,0,7}) == "managed" || $(tU{s.substr,0,7}) == "managed") {
		rtpengine_manage("FLAGS record-call=on");
	} else if (is_method("INVITE") && has_body("application/sdp")) {
		rtpengine_offer("FLAGS");
		if (!has_totag() && $(rU{s.substr,0,3}) == "rec") start_recording();
		if (has_totag() && search_body("a=(sendonly|inactive)")) stop_recording();
	} else if (is_method("ACK") && has_body("application/sdp")) {
		rtpengine_answer("FLAGS");
	} else if (is_method("BYE")) {
		rtpengine_delete();
	}
	t_on_reply("ANSWER");
	t_on_failure("FAILED");
	t_relay();
	exit;
}
onreply_route[ANSWER] {
	if ($(tU{s.substr,0,7}) == "managed") rtpengine_manage("FLAGS record-call=on");
	else if (has_body("application/sdp")) rtpengine_answer("FLAGS");
}
failure_route[FAILED] { rtpengine_delete(); }
"""
RATE = 8_000
FLAGS = "replace-origin replace-session-connection ICE=remove"

pytestmark = [
    pytest.mark.skipif(not KAMAILIO, reason="no kamailio"),
    pytest.mark.slow,
]


class Served:
    """A Kamailio before one relay, and two phones."""

    def __init__(self, stack: Phones, alice: Phone, bob: Phone, ask: Callable[..., Any]) -> None:
        self.stack, self.alice, self.bob, self.ask = stack, alice, bob, ask

    @property
    def bodies(self) -> list[str]:
        return [m.text for m in self.stack.messages if not m.sent and "m=audio" in m.text]


@contextmanager
def relay(name: str, base: Path) -> Iterator[tuple[int, Callable[..., Any]]]:
    """Its ng port, and a way to ask it."""
    recordings = {"directory": str(base / "recordings"), "stereo": True}
    one = RunningRelay(base, recordings=recordings)
    if name == "tandem":
        with one:
            yield one.ng[1], one.ask
        return
    words = [
        RTPENGINE, "--foreground", "--table=-1", "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{one.ng[1]}",
        "--port-min=27000", "--port-max=27999", "--log-level=3", "--log-stderr", "--delete-delay=0",
        f"--recording-dir={base}", "--recording-method=pcap",
    ]  # fmt: skip
    with (base / "rtpengine.log").open("wb") as log:
        process = subprocess.Popen([str(w) for w in words], stdout=log, stderr=log)
    try:
        wait(lambda: _pongs(one), "rtpengine answers")
        yield one.ng[1], one.ask
    finally:
        process.kill()
        process.wait()


def _pongs(one: RunningRelay) -> bool:
    try:
        return bool(one.ask("ping", seconds=0.2)["result"] == "pong")
    except OSError:
        return False


@contextmanager
def kamailio(port: int, ng: int, base: Path) -> Iterator[None]:
    (base / "kamailio.cfg").write_text(CONFIG.replace("NG", str(ng), 1).replace("FLAGS", FLAGS))
    words = [KAMAILIO, "-f", "kamailio.cfg", "-l", f"udp:127.0.0.1:{port}", "-DD", "-E", "-m", "32"]
    words += ["-M", "8", "-w", str(base), "-Y", str(base), "-P", str(base / "pid")]
    with (base / "kamailio.log").open("wb") as log:
        process = subprocess.Popen(
            [str(w) for w in words], cwd=base, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait(lambda: _serves(port), f"Kamailio serves: {(base / 'kamailio.log').read_text()}", 20)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _serves(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        probe.settimeout(0.2)
        host = "{}:{}".format(*probe.getsockname())
        probe.sendto(
            f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bKprobe{host}\r\nMax-Forwards: 9\r\n"
            f"From: <sip:t@{host}>;tag=t\r\nTo: <sip:127.0.0.1>\r\nCall-ID: {host}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n".encode(),
            ("127.0.0.1", port),
        )
        try:
            return probe.recv(4096).startswith(b"SIP/2.0 200")
        except (TimeoutError, ConnectionRefusedError):
            return False


@asynccontextmanager
async def house(name: str, base: Path, called: str) -> AsyncIterator[tuple[Served, str]]:
    port, sip = free_port(), free_port()
    with relay(name, base) as (ng, ask), kamailio(port, ng, base):
        async with phones(sip_port=sip, rtp_ports=(21_000, 21_400)) as stack:
            domain = f"127.0.0.1:{port}"
            alice = await stack.phone("alice", "", domain=domain, registrar=domain, hz=440)
            bob = await stack.phone(called, "", domain=domain, registrar=domain, hz=1000)
            await alice.register()
            await bob.register()
            yield Served(stack, alice, bob, ask), domain


@pytest.fixture
async def served(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[Served, str]]:
    async with house(request.param, tmp_path, "recbob") as one:
        yield one


@pytest.mark.parametrize("served", RELAYS, indirect=True)
async def test_a_call_through_kamailio_is_heard_on_both_sides_held_resumed_and_forgotten(
    served: tuple[Served, str],
) -> None:
    two, domain = served
    out = await two.alice.call(f"sip:recbob@{domain}")
    ringing = await two.bob.incoming()
    await ringing.answer()
    await out.established()
    await until(lambda: len(out.heard.windows) > 12, 8, "a second was heard")
    assert 0.8 < out.heard.share(1000)
    assert 0.8 < ringing.heard.share(440)
    offers = [text for text in two.bodies if text.startswith("INVITE")]
    assert offers and all(
        "\r\nm=audio 2" in text for text in offers
    )  # of the relay, not of a phone
    listed = json.dumps(two.ask("list"))
    call_id = next(
        line.split(":", 1)[1].strip()
        for line in offers[0].splitlines()
        if line.startswith("Call-ID:")
    )
    assert call_id in listed
    packets = _packets(two.ask("query", call_id=call_id))
    assert 50 < packets
    await out.hold()
    await until(
        lambda: any("a=sendonly" in t or "a=inactive" in t for t in two.bodies),
        5,
        "a hold arrived",
    )
    await resumed(out)
    heard = len(out.heard.windows)
    await until(lambda: len(out.heard.windows) > heard + 12, 8, "a second was heard again")
    assert out.heard.windows[-1][1].has(1000)
    await out.hangup()
    await ringing.ended()
    wait(lambda: two.ask("query", call_id=call_id)["result"] == "error", "the call is forgotten")
    assert 0.05 > out.lost


@pytest.mark.parametrize("called", ["recbob", "managedbob"])
async def test_a_recording_that_kamailio_asked_for_holds_both_sides(
    tmp_path: Path, called: str
) -> None:
    """By start_recording and stop_recording; by a flag of rtpengine_manage until the call's end."""
    async with house("tandem", tmp_path, called) as (two, domain):
        out = await two.alice.call(f"sip:{called}@{domain}")
        ringing = await two.bob.incoming()
        await ringing.answer()
        await out.established()
        await until(lambda: len(out.heard.windows) > 25, 8, "two seconds were heard")
        folder = tmp_path / "recordings"
        if called == "recbob":
            await out.hold()
            await until(
                lambda: bool(list(folder.glob("*.wav"))), 5, "stopped while the call goes on"
            )
        await out.hangup()
        await ringing.ended()
        await until(lambda: bool(list(folder.glob("*.wav"))), 5, "the recording has its place")
        [file] = folder.glob("*.wav")
    left, right = channels(file)
    for side, hz in ((left, 440), (right, 1000)):
        step = 2 * RATE // 10
        windows = [
            measure(side[at : at + step], RATE, (440, 1000)) for at in range(0, len(side), step)
        ]
        assert 15 < sum(window.has(hz) for window in windows), hz
        assert not any(window.has(1440 - hz) for window in windows), hz


def channels(file: Path) -> tuple[bytes, bytes]:
    with wave.open(str(file)) as sound:
        assert (2, RATE) == (sound.getnchannels(), sound.getframerate())
        pcm = array.array("h", sound.readframes(sound.getnframes()))
    return pcm[::2].tobytes(), pcm[1::2].tobytes()


async def resumed(call: PhoneCall) -> None:
    """The stack refuses while its own hold is still being answered."""
    for _ in range(50):
        try:
            return await call.resume()
        except BaresipError:
            await asyncio.sleep(0.05)
    raise TimeoutError("not resumed")


def _packets(query: Any) -> int:
    """RTP packets of all streams."""
    assert query["result"] == "ok", query
    return sum(
        stream["stats"]["packets"]
        for tag in query["tags"].values()
        for media in tag["medias"]
        for stream in media["streams"]
    )
