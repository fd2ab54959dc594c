"""aiortc, a WebRTC peer of others, and a plain phone hear each other through our relay, also after it was killed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiortc")

import aioice.ice

from rtp_phone import RtpPhone
from tandem.media.model import ng
from tandem.media.model.policy import PLAIN, WEB
from tandem.testing.relay import RunningRelay
from webrtc_phone import WebRtcPhone

pytestmark = pytest.mark.slow
WEB_HZ, PLAIN_HZ = 440, 1000
MEETING_SECONDS = 5.0  # ICE and DTLS
HEALED_SECONDS = 5.0  # a browser's consent ends after 30, its user's patience before
KEPT_SECONDS = 0.2  # until the journal has what has changed
CALL = {"call_id": "call", "from_tag": "a"}


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])
    with RunningRelay(tmp_path) as running:
        yield running


def asked(relay: RunningRelay, verb: str, towards: str, sdp: str, **more: str) -> str:
    """A description as our call control has it rewritten."""
    words = {"to_tag": "b", **CALL} if verb == "answer" else CALL
    flags = {**ng.flags(verb, towards, natted=False), **more}
    said = relay.ask(verb, **words, sdp=sdp, **{k.replace("-", "_"): v for k, v in flags.items()})
    assert "ok" == said["result"], said
    return str(said["sdp"])


def aim(phone: RtpPhone, sdp: str) -> None:
    """To where the description says that media goes."""
    assert "RTP/AVP 0" in sdp and "a=candidate" not in sdp and "a=fingerprint" not in sdp, sdp
    port = next(line.split()[1] for line in sdp.splitlines() if line.startswith("m=audio"))
    phone.aim = ("127.0.0.1", int(port))


@asynccontextmanager
async def talking(relay: RunningRelay, way: str) -> AsyncIterator[tuple[WebRtcPhone, RtpPhone]]:
    """The two, after the descriptions have gone back and forth."""
    async with (
        RtpPhone(PLAIN_HZ, listens_to=(WEB_HZ,)) as phone,
        WebRtcPhone(WEB_HZ, listens_to=(PLAIN_HZ,)) as web,
    ):
        if way == "aiortc answers":
            answer = await web.answer(asked(relay, "offer", WEB, phone.description()))
            aim(phone, asked(relay, "answer", PLAIN, answer))
        else:
            aim(phone, asked(relay, "offer", PLAIN, await web.offer()))
            role = {"DTLS": "passive"} if way == "aiortc offers, is active" else {}
            await web.answered(asked(relay, "answer", WEB, phone.description(), **role))
        yield web, phone


async def heard(web: WebRtcPhone, phone: RtpPhone, *, within: float) -> None:
    """A second of the other's tone at both ends, from now on."""
    async with asyncio.TaskGroup() as both:
        both.create_task(web.ear.hears(PLAIN_HZ, within=within))
        both.create_task(phone.ear.hears(WEB_HZ, within=within))


WAYS = {
    "aiortc offers, is active": "client",
    "aiortc offers, is passive": "server",
    "aiortc answers": "client",
}


@pytest.mark.parametrize("way", WAYS)
async def test_both_hear_each_other_and_again_after_the_relay_was_killed(
    relay: RunningRelay, way: str
) -> None:
    async with talking(relay, way) as (web, phone):
        await heard(web, phone, within=MEETING_SECONDS)
        assert WAYS[way] == web.dtls._role  # type: ignore[attr-defined]
        assert await web.consent()
        relay.kill()
        assert not await web.consent()
        relay.up()
        assert await web.consent()
        await heard(web, phone, within=HEALED_SECONDS)
        assert "connected" == web.pc.connectionState


async def test_keys_that_were_agreed_a_moment_ago_are_known_to_the_heir(
    relay: RunningRelay,
) -> None:
    async with talking(relay, "aiortc offers, is active") as (web, phone):
        until = time.monotonic() + MEETING_SECONDS
        while "connected" != web.pc.connectionState:
            assert time.monotonic() < until, web.pc.connectionState
            await asyncio.sleep(0.01)
        await asyncio.sleep(KEPT_SECONDS)
        relay.kill()
        relay.up()
        await heard(web, phone, within=HEALED_SECONDS)


async def test_the_relay_killed_right_after_its_answer_is_met_by_its_heir(
    relay: RunningRelay,
) -> None:
    """Nothing of ICE and DTLS has begun: the heir has to do all of it."""
    async with talking(relay, "aiortc answers") as (web, phone):
        relay.kill()
        relay.up()
        await heard(web, phone, within=2 * MEETING_SECONDS)


async def test_a_peer_with_another_certificate_is_not_heard(relay: RunningRelay) -> None:
    async with (
        RtpPhone(PLAIN_HZ, listens_to=(WEB_HZ,)) as phone,
        WebRtcPhone(WEB_HZ, listens_to=(PLAIN_HZ,)) as web,
    ):
        offer = await web.offer()
        lines = offer.split("\r\n")
        forged = ":".join(["00"] * 32)
        lines = [
            f"a=fingerprint:sha-256 {forged}" if line.startswith("a=fingerprint:sha-256") else line
            for line in lines
            if not line.startswith(("a=fingerprint:sha-384", "a=fingerprint:sha-512"))
        ]
        aim(phone, asked(relay, "offer", PLAIN, "\r\n".join(lines)))
        await web.answered(asked(relay, "answer", WEB, phone.description()))
        await asyncio.sleep(2)
        assert 0 == phone.received and not web.ear.windows
        assert "fingerprint" in relay.log()
