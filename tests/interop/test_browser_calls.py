"""A phone in a real browser (Chromium with JsSIP over WSS) and a plain SIP phone talk through a real Tandem: tones at both ends."""

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytest.importorskip("baresip")
pytest.importorskip("websockets")

from browser import CHROMIUM, Browser, Page, browser, served
from bundle import PACKAGES, WEB, bundle
from ice_servers import ice_servers
from tandem.adapters.sqlite import open_database
from tandem.adapters.sqlite_records import list_cdrs
from tandem.records.query import CdrQuery
from tandem.testing.machine import Machine
from tandem.testing.phones import Phone, PhoneCall, phones, until
from tandem.testing.relay import RunningRelay
from tandem.testing.tones import wav
from two_relays import served_by, two_relays

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no chromium"),
    pytest.mark.skipif(not PACKAGES.is_dir(), reason="no tests/web/node_modules"),
]
SIP_PORT, RTP_PORTS = 21_350, (21_352, 21_398)
PAGE_HZ, PHONE_HZ = 440, 1000
MICROPHONE_RATE = 48_000
TALK_SECONDS = 20.0  # until both hear each other; the browser is slow to start its audio
WINDOWS = 10  # of a tenth of a second, in a row
SETTLE_SECONDS, SILENCE_SECONDS = 0.7, 1.0
HEALED_SECONDS = 5.0
TURN_PORT = 19_482  # below what the kernel gives out
# what the page's candidate in use is, and what carries it to the TURN server
SENT_FROM = """phone.peers.at(-1).getStats().then((all) => {
  const { localCandidateId } = [...all.values()].find((one) => one.type === "candidate-pair" && one.nominated);
  const { candidateType, relayProtocol } = all.get(localCandidateId);
  return [candidateType, relayProtocol];
})"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    base = tmp_path_factory.mktemp("browser")
    microphone = base / "tone.wav"
    microphone.write_bytes(wav(PAGE_HZ, MICROPHONE_RATE, seconds=10))
    with browser(base, f"--use-file-for-fake-audio-capture={microphone}") as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    for name in ("phone.html", "phone.js"):
        (folder / name).write_bytes((WEB / name).read_bytes())
    (folder / "jssip.js").write_text(bundle("jssip", "JsSIP"))
    with served(folder) as origin:
        yield origin


@pytest.fixture
def machine(tmp_path: Path, site: str) -> Iterator[Machine]:
    listen = ", ".join(f'"{t}:127.0.0.1:0"' for t in ("udp", "wss"))
    sip = {"listen": f"[{listen}]", "ws_origins": f'["{site}"]'}
    relay = {"enabled": "true", "ports": '"27000-27999"'}
    with Machine(tmp_path, {"sip": sip, "relay": relay}) as made:
        made.up()
        yield made


@pytest.fixture
def relays(tmp_path: Path) -> Iterator[dict[str, RunningRelay]]:
    """Two that nobody starts again."""
    with two_relays(tmp_path) as made:
        yield made


@pytest.fixture
def roaming(tmp_path: Path, site: str, relays: dict[str, RunningRelay]) -> Iterator[Machine]:
    """A machine whose calls can move from one relay to the other."""
    listen = ", ".join(f'"{t}:127.0.0.1:0"' for t in ("udp", "wss"))
    sip = {"listen": f"[{listen}]", "ws_origins": f'["{site}"]'}
    with served_by(tmp_path, relays, {"sip": sip}) as made:
        yield made


class Two:
    """A page of alice's and a phone of bob's, both registered, and their sides of a call."""

    def __init__(self, page: Page, phone: Phone, domain: str) -> None:
        self.page, self.phone, self.domain = page, phone, domain
        self.call: PhoneCall | None = None

    async def page_calls(self) -> None:
        await self.page.run(f"phone.call('sip:bob@{self.domain}')")
        self.call = await self.phone.incoming()
        await self.call.answer()
        await self.page.until("phone.state === 'talking'")

    async def phone_calls(self) -> None:
        self.call = await self.phone.call(f"sip:alice@{self.domain}")
        await self.page.until("phone.state === 'ringing'")
        await self.page.run("phone.answer()")
        await self.call.established()
        await self.page.until("phone.state === 'talking'")

    async def hear_each_other(self, seconds: float = TALK_SECONDS) -> None:
        """For a second from now on, which begins within so many."""
        assert self.call is not None
        windows, since = self.call.heard.windows, int(1e3 * time.time())
        first, seconds = len(windows) + 2, seconds + WINDOWS / 10
        both = asyncio.gather(
            until(
                lambda: [w.has(PAGE_HZ) for _, w in windows[first:]][-WINDOWS:] == [True] * WINDOWS,
                seconds,
                "the phone hears the page",
            ),
            self.page.until(f"phone.hears({PHONE_HZ}, {since}, {WINDOWS})", seconds),
        )
        try:
            await both
        except (TimeoutError, AssertionError) as error:
            page = await self.page.run("phone.heard.slice(-5)")
            raise AssertionError(f"{error}: phone {windows[-5:]}, page {page}") from error

    async def phone_hears_nothing(self) -> None:
        assert self.call is not None
        await asyncio.sleep(SETTLE_SECONDS)
        before = len(self.call.heard.windows)
        await asyncio.sleep(SILENCE_SECONDS)
        assert not any(w.has(PAGE_HZ) for _, w in self.call.heard.windows[before:])

    async def page_hears_nothing(self) -> None:
        await asyncio.sleep(SETTLE_SECONDS)
        since = int(1e3 * time.time())
        await asyncio.sleep(SILENCE_SECONDS)
        assert not await self.page.run(f"phone.hears({PHONE_HZ}, {since}, 1)")

    async def phone_hangs_up(self) -> None:
        assert self.call is not None
        await self.call.hangup()
        await self.page.until("phone.state === 'ended'")

    async def page_hangs_up(self) -> None:
        assert self.call is not None
        await self.page.run("phone.session.terminate()")
        await self.call.ended()


@asynccontextmanager
async def two(machine: Machine, chromium: Browser, site: str) -> AsyncIterator[Two]:
    alice, bob = machine.users["alice"], machine.users["bob"]
    async with (
        phones(sip_port=SIP_PORT, rtp_ports=RTP_PORTS) as stack,
        chromium.page(f"{site}/phone.html") as page,
    ):
        phone = await stack.phone(
            "bob", bob.password, domain=bob.domain, registrar=machine.address(), hz=PHONE_HZ
        )
        await phone.register()
        words = (f"wss://{machine.address('wss')}/sip", "alice", alice.domain, alice.password)
        await page.run(f"phone.register({', '.join(map(repr, words))})")
        yield Two(page, phone, alice.domain)
        await page.run("phone.ua.stop()")


async def test_a_page_calls_a_phone_and_both_hear_each_other(
    machine: Machine, chromium: Browser, site: str
) -> None:
    async with two(machine, chromium, site) as pair:
        await pair.page_calls()
        await pair.hear_each_other()
        await pair.page.run("phone.session.hold()")
        await pair.page.until("phone.session.isOnHold().local")
        await asyncio.gather(pair.phone_hears_nothing(), pair.page_hears_nothing())
        await pair.page.until("phone.session.unhold()")
        await pair.hear_each_other()
        await pair.page_hangs_up()


async def test_a_phone_calls_a_page_and_both_hear_each_other(
    machine: Machine, chromium: Browser, site: str
) -> None:
    async with two(machine, chromium, site) as pair:
        await pair.phone_calls()
        await pair.hear_each_other()
        assert pair.call is not None
        await pair.call.hold()
        await pair.page.until("phone.session.isOnHold().remote")
        await pair.phone_hears_nothing()
        await pair.call.resume()
        await pair.hear_each_other()
        await pair.phone_hangs_up()


@pytest.mark.parametrize("caller", ["page", "phone"])
async def test_a_page_and_a_phone_hear_each_other_again_after_their_relay_was_killed(
    machine: Machine, chromium: Browser, site: str, caller: str
) -> None:
    async with two(machine, chromium, site) as pair:
        await (pair.page_calls() if caller == "page" else pair.phone_calls())
        await pair.hear_each_other()
        killed = machine.kill("relay")
        machine.until(lambda: machine.pid("relay") not in (0, killed), "another relay runs")
        await pair.hear_each_other(HEALED_SECONDS)
        await pair.page_hangs_up()


@pytest.mark.parametrize("caller", ["page", "phone"])
async def test_a_page_and_a_phone_hear_each_other_by_another_relay(
    roaming: Machine, relays: dict[str, RunningRelay], chromium: Browser, site: str, caller: str
) -> None:
    """Their relay is gone for good: new ICE, new keys, the same call."""
    async with two(roaming, chromium, site) as pair:
        await (pair.page_calls() if caller == "page" else pair.phone_calls())
        await pair.hear_each_other()
        [mine] = [row["name"] for row in roaming.ask("relays.list") if row["calls"]]
        relays[mine].kill()
        roaming.until(
            lambda: all(
                row["calls"] != 1 or row["name"] != mine for row in roaming.ask("relays.list")
            ),
            "the call has moved",
        )
        await pair.hear_each_other(HEALED_SECONDS)
        await pair.page.run("phone.session.hold()")
        await pair.page.until("phone.session.isOnHold().local")
        await pair.phone_hears_nothing()
        await pair.page.until("phone.session.unhold()")
        await pair.hear_each_other()
        await pair.page_hangs_up()


@pytest.mark.skipif(not shutil.which("turnserver"), reason="no coturn")
@pytest.mark.parametrize("caller", ["page", "phone"])
async def test_a_page_that_may_send_to_nobody_but_turn_talks_with_a_phone(
    tmp_path: Path, chromium: Browser, site: str, caller: str
) -> None:
    """As behind a firewall that lets no UDP out: its media goes over TCP to coturn, and from there to the relay."""
    sip = {"listen": '["udp:127.0.0.1:0", "wss:127.0.0.1:0"]', "ws_origins": f'["{site}"]'}
    turn = {"enabled": "true", "port": str(TURN_PORT), "ports": '"29200-29299"'}
    relay = {"ports": '"27000-27999"'}
    with Machine(tmp_path, {"sip": sip, "relay": relay, "turn": turn}) as machine:
        machine.up()
        [server] = ice_servers(machine)
        server["urls"] = [url for url in server["urls"] if url.endswith("transport=tcp")]
        ice = {"iceServers": [server], "iceTransportPolicy": "relay"}
        async with two(machine, chromium, site) as pair:
            await pair.page.run(f"void (phone.ice = {json.dumps(ice)})")
            await (pair.page_calls() if caller == "page" else pair.phone_calls())
            await pair.hear_each_other()
            kind = await pair.page.run(SENT_FROM)
            assert ["relay", "tcp"] == kind, "the pair in use"
            killed = machine.kill("relay")
            machine.until(lambda: machine.pid("relay") not in (0, killed), "another relay runs")
            await pair.hear_each_other(HEALED_SECONDS)
            await pair.page_hangs_up()


async def test_a_page_that_drops_its_media_without_a_word_ends_the_call(
    machine: Machine, chromium: Browser, site: str
) -> None:
    async with two(machine, chromium, site) as pair:
        await pair.page_calls()
        await pair.hear_each_other()
        await pair.page.run("phone.peers.at(-1).close()")  # no BYE
        assert pair.call is not None
        await pair.call.ended()
    connection = open_database(machine.config.database)
    machine.until(lambda: bool(list_cdrs(connection, CdrQuery()).cdrs), "the CDR")
    [cdr] = list_cdrs(connection, CdrQuery()).cdrs
    connection.close()
    assert cdr.why.startswith("a is gone") and "nobody" == cdr.ended_by
