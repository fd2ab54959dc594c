"""Calls of real phones through our own relay, under one supervisor: heard on both sides, also after the relay was killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("baresip")

from talking import talking
from tandem.adapters.sqlite import open_database
from tandem.adapters.sqlite_records import get_cdr, list_cdrs
from tandem.cli.call_media import media
from tandem.records.model import Cdr
from tandem.records.query import CdrQuery
from tandem.testing.machine import Machine
from tandem.testing.phones import PhoneCall, until
from tandem.watch.metrics import render

pytestmark = pytest.mark.slow
SIP_PORT, RTP_PORTS = 21_250, (21_252, 21_298)
WINDOWS = 12  # of a tenth of a second: what is listened to


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    relay = {"enabled": "true", "ports": '"27000-27999"'}
    with Machine(tmp_path, {"media": {"policy": '"relay"'}, "relay": relay}) as made:
        made.up()
        yield made


async def hears(call: PhoneCall, hz: int) -> None:
    """A second of the tone, from now on."""
    begun = len(call.heard.windows)
    await until(lambda: len(call.heard.windows) > begun + WINDOWS, 8, "a second was heard")
    heard = [window.has(hz) for _, window in call.heard.windows[begun + 2 :]]
    assert sum(heard) > 0.8 * len(heard), f"{hz} Hz"


def record(machine: Machine) -> Cdr:
    connection = open_database(machine.config.database)
    machine.until(lambda: bool(list_cdrs(connection, CdrQuery()).cdrs), "the CDR")
    call = list_cdrs(connection, CdrQuery()).cdrs[0].id
    machine.until(lambda: bool(getattr(get_cdr(connection, call), "quality", ())), "the quality")
    cdr = get_cdr(connection, call)
    connection.close()
    assert cdr is not None
    return cdr


async def test_a_call_goes_through_the_relay_and_its_cdr_says_how_well(machine: Machine) -> None:
    async with talking(machine, SIP_PORT, RTP_PORTS) as (stack, out, ringing):
        await hears(out, 1000)
        await hears(ringing, 440)
        bodies = [m.text for m in stack.messages if not m.sent and "\r\nm=audio " in m.text]
        assert bodies and all("\r\nm=audio 27" in text for text in bodies)
        [call] = machine.ask("calls.list")
        told = media(machine.config, call["id"])
        assert "own" == told["relay"]
        assert {"a", "b0"} == {one["leg"] for one in told["streams"] if one["packets"] > 40}
        await out.hangup()
        await ringing.ended()
    cdr = record(machine)
    incoming = {one.leg: one for one in cdr.quality if one.direction == "in"}
    assert {"a", "b0"} == set(incoming)
    assert all(one.packets > 100 and not one.lost for one in incoming.values())
    text = render(machine.ask("ping"), machine.ask("stats")).decode()
    assert "tandem_media_loss_percent_count 2.0" in text
    assert 'tandem_relay_up{region="",relay="own"} 1.0' in text


async def test_a_call_is_heard_again_after_its_relay_was_killed(machine: Machine) -> None:
    async with talking(machine, SIP_PORT, RTP_PORTS) as (_, out, ringing):
        await hears(out, 1000)
        killed = machine.kill("relay")
        machine.until(lambda: machine.pid("relay") not in (0, killed), "another relay runs")
        await hears(out, 1000)
        await hears(ringing, 440)
        await out.hangup()
        await ringing.ended()
    cdr = record(machine)
    assert ("", 200) == (cdr.why.replace("hung up", ""), cdr.status)
