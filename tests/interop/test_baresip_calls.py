"""Debian's baresip, plain and with SRTP by SDES, talks through a real Tandem with a plain phone, another baresip and a browser: tones at both ends."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytest.importorskip("baresip")
pytest.importorskip("websockets")

from baresip_phone import BARESIP, PORTS, BaresipPhone, account
from browser import CHROMIUM, Browser, Page, browser, served
from bundle import PACKAGES, WEB, bundle
from tandem.routing.model.rows import Route, Trunk
from tandem.testing.machine import Machine
from tandem.testing.pair import offer_md5, put
from tandem.testing.phones import Phone, PhoneCall, phones, until
from tandem.testing.tones import wav

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not BARESIP, reason="no baresip")]
needs_browser = pytest.mark.skipif(
    not CHROMIUM or not PACKAGES.is_dir(), reason="no chromium or no tests/web/node_modules"
)
SIP_PORT, RTP_PORTS = 21_600, (21_602, 21_648)
BARESIP_PORT = 21_650
BOB_PORT = BARESIP_PORT + PORTS + 10
BARESIP_HZ, OTHER_HZ = 1000, 440
NUMBER = "+4930123456"  # of a phone behind a trunk that insists on SRTP
SDES = "mediaenc=srtp-mand"
CHOSEN = "0,audio,AES_CM_128_HMAC_SHA1_80"  # by us, of what baresip offers
TAKEN = "0,audio,AEAD_AES_256_GCM"  # by baresip, of what we offer
TALK_SECONDS, BROWSER_SECONDS = (
    5.0,
    20.0,
)  # until they hear each other; a browser is slow to start its audio
HEALED_SECONDS = 5.0
SETTLE_SECONDS, SILENCE_SECONDS = 0.7, 1.0
WINDOWS = 10  # of a tenth of a second, in a row


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    if PACKAGES.is_dir():
        for name in ("phone.html", "phone.js"):
            (folder / name).write_bytes((WEB / name).read_bytes())
        (folder / "jssip.js").write_text(bundle("jssip", "JsSIP"))
    with served(folder) as origin:
        yield origin


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, site: str) -> Iterator[Machine]:
    """Phones are offered plain RTP, and one trunk SRTP only."""
    listen = ", ".join(f'"{t}:127.0.0.1:0"' for t in ("udp", "wss"))
    settings = {
        "sip": {"listen": f"[{listen}]", "ws_origins": f'["{site}"]'},
        "media": {"policy": '"relay"', "srtp": '"off"'},
        "relay": {"enabled": "true", "ports": '"27000-27999"'},
    }
    with Machine(tmp_path_factory.mktemp("machine"), settings) as made:
        made.up()
        offer_md5(made)  # baresip 1.0 knows nothing else
        secure = Trunk("secure", "127.0.0.1", "demo", BARESIP_PORT, srtp="required")
        put(made, secure, Route("out", "secure", "demo"))
        yield made


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    base = tmp_path_factory.mktemp("browser")
    microphone = base / "tone.wav"
    microphone.write_bytes(wav(OTHER_HZ, 48_000, seconds=10))
    with browser(base, f"--use-file-for-fake-audio-capture={microphone}") as running:
        yield running


@asynccontextmanager
async def baresip_of_alice(
    machine: Machine, base: Path, *options: str
) -> AsyncIterator[BaresipPhone]:
    words = account(machine, "alice", *options)
    async with BaresipPhone(
        base / "alice", words, port=BARESIP_PORT, hz=BARESIP_HZ, listens_to=OTHER_HZ
    ) as phone:
        await phone.registered()
        yield phone


@asynccontextmanager
async def baresip_of_the_trunk(base: Path) -> AsyncIterator[BaresipPhone]:
    words = f"<sip:{NUMBER}@127.0.0.1:{BARESIP_PORT}>;regint=0;{SDES}"
    async with BaresipPhone(
        base / "trunk", words, port=BARESIP_PORT, hz=BARESIP_HZ, listens_to=OTHER_HZ
    ) as phone:
        yield phone


@asynccontextmanager
async def baresip_of_bob(machine: Machine, base: Path) -> AsyncIterator[BaresipPhone]:
    words = account(machine, "bob")
    async with BaresipPhone(
        base / "bob", words, port=BOB_PORT, hz=OTHER_HZ, listens_to=BARESIP_HZ
    ) as phone:
        await phone.registered()
        yield phone


@asynccontextmanager
async def soft_phone_of_bob(machine: Machine) -> AsyncIterator[Phone]:
    bob = machine.users["bob"]
    async with phones(sip_port=SIP_PORT, rtp_ports=RTP_PORTS) as stack:
        phone = await stack.phone(
            "bob", bob.password, domain=bob.domain, registrar=machine.address(), hz=OTHER_HZ
        )
        await phone.register()
        yield phone
        await phone.unregister()


@asynccontextmanager
async def page_of_bob(machine: Machine, chromium: Browser, site: str) -> AsyncIterator[Page]:
    bob = machine.users["bob"]
    words = (f"wss://{machine.address('wss')}/sip", "bob", bob.domain, bob.password)
    async with chromium.page(f"{site}/phone.html") as page:
        await page.run(f"phone.register({', '.join(map(repr, words))})")
        yield page
        await page.run("phone.ua.stop()")


async def hears(call: PhoneCall, hz: int, within: float) -> None:
    """For a second from now on, which begins within so many."""
    windows, first = call.heard.windows, len(call.heard.windows) + 2
    await until(
        lambda: [w.has(hz) for _, w in windows[first:]][-WINDOWS:] == [True] * WINDOWS,
        within + WINDOWS / 10,
        f"{hz} Hz is heard",
    )


async def both_hear(sdes: BaresipPhone, plain: PhoneCall, within: float = TALK_SECONDS) -> None:
    await asyncio.gather(sdes.hears(within), hears(plain, BARESIP_HZ, within))


async def page_hears(sdes: BaresipPhone, page: Page, within: float) -> None:
    since = int(1e3 * time.time())
    await asyncio.gather(
        sdes.hears(within),
        page.until(f"phone.hears({BARESIP_HZ}, {since}, {WINDOWS})", within + WINDOWS / 10),
    )


def relay_is_killed(machine: Machine) -> None:
    killed = machine.kill("relay")
    machine.until(lambda: machine.pid("relay") not in (0, killed), "another relay runs")


async def test_a_phone_with_srtp_calls_a_plain_one(machine: Machine, tmp_path: Path) -> None:
    async with (
        soft_phone_of_bob(machine) as plain,
        baresip_of_alice(machine, tmp_path, SDES) as sdes,
    ):
        await sdes.call(f"sip:bob@{machine.users['bob'].domain}")
        ringing = await plain.incoming()
        await ringing.answer()
        await sdes.established()
        await both_hear(sdes, ringing)
        assert CHOSEN == (await sdes.event("CALL_MENC"))["param"]
        await ringing.hangup()
        await sdes.ended()


async def test_a_plain_phone_calls_one_with_srtp(machine: Machine, tmp_path: Path) -> None:
    async with (
        soft_phone_of_bob(machine) as plain,
        baresip_of_the_trunk(tmp_path) as sdes,
    ):
        out = await plain.call(f"sip:{NUMBER}@{machine.users['bob'].domain}")
        await sdes.answer()
        await out.established()
        await both_hear(sdes, out)
        assert TAKEN == (await sdes.event("CALL_MENC"))["param"]
        await sdes.hangup()
        await out.ended()


@pytest.mark.parametrize("caller", ["srtp", "plain"])
async def test_two_baresips_hold_resume_and_hear_each_other_again_after_their_relay_was_killed(
    machine: Machine, tmp_path: Path, caller: str
) -> None:
    secure = baresip_of_the_trunk(tmp_path)
    if caller == "srtp":
        secure = baresip_of_alice(machine, tmp_path, SDES)
    domain = machine.users["bob"].domain
    async with baresip_of_bob(machine, tmp_path) as plain, secure as sdes:
        if caller == "srtp":
            await sdes.call(f"sip:bob@{domain}")
            await plain.answer()
        else:
            await plain.call(f"sip:{NUMBER}@{domain}")
            await sdes.answer()
        holder = sdes if caller == "srtp" else plain
        await asyncio.gather(sdes.hears(TALK_SECONDS), plain.hears(TALK_SECONDS))
        holder.say("hold")
        await asyncio.sleep(SETTLE_SECONDS)
        await holder.hears_nothing(SILENCE_SECONDS)
        holder.say("resume")
        await asyncio.gather(sdes.hears(TALK_SECONDS), plain.hears(TALK_SECONDS))
        relay_is_killed(machine)
        await asyncio.gather(sdes.hears(HEALED_SECONDS), plain.hears(HEALED_SECONDS))
        await plain.hangup()
        await sdes.ended()


@needs_browser
async def test_a_baresip_with_srtp_calls_a_browser(
    machine: Machine, chromium: Browser, site: str, tmp_path: Path
) -> None:
    async with (
        page_of_bob(machine, chromium, site) as page,
        baresip_of_alice(machine, tmp_path, SDES) as sdes,
    ):
        await sdes.call(f"sip:bob@{machine.users['bob'].domain}")
        await page.until("phone.state === 'ringing'")
        await page.run("phone.answer()")
        await sdes.established()
        await page_hears(sdes, page, BROWSER_SECONDS)
        relay_is_killed(machine)
        await page_hears(sdes, page, HEALED_SECONDS)
        await page.run("phone.session.terminate()")
        await sdes.ended()


@needs_browser
@pytest.mark.parametrize("kind", ["srtp", "plain"])
async def test_a_browser_calls_a_baresip(
    machine: Machine, chromium: Browser, site: str, tmp_path: Path, kind: str
) -> None:
    called = baresip_of_alice(machine, tmp_path)
    if kind == "srtp":
        called = baresip_of_the_trunk(tmp_path)
    user = NUMBER if kind == "srtp" else "alice"
    async with page_of_bob(machine, chromium, site) as page, called as phone:
        await page.run(f"phone.call('sip:{user}@{machine.users['bob'].domain}')")
        await phone.answer()
        await page.until("phone.state === 'talking'")
        await page_hears(phone, page, BROWSER_SECONDS)
        assert (kind == "srtp") == any(e.get("type") == "CALL_MENC" for e in phone.events)
        await phone.hangup()
        await page.until("phone.state === 'ended'")
