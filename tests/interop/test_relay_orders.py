"""What call control orders from the relay's audio engine, heard by real phones: music for who is held, a recording."""

import array
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("baresip")

from talking import talking
from tandem.testing.machine import Machine
from tandem.testing.phones import PhoneCall, until
from tandem.testing.tones import goertzel_share, wav

pytestmark = pytest.mark.slow
SIP_PORT, RTP_PORTS = 21_300, (21_302, 21_348)
RATE, MUSIC_HZ = 8_000, 1_000  # who is held has said that himself, and hears it of nobody else
WINDOWS = 10  # of a tenth of a second: what is listened to


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    media = {"policy": '"relay"', "music": '"hold.wav"'}
    with Machine(tmp_path, {"media": media, "relay": {"ports": '"27000-27999"'}}) as made:
        sounds = made.config.data / "sounds"
        sounds.mkdir(parents=True)
        (sounds / "hold.wav").write_bytes(wav(MUSIC_HZ, RATE, seconds=1))
        made.up()
        yield made


async def hears(call: PhoneCall, hz: int) -> None:
    """A second of the tone, within a few."""

    def heard() -> bool:
        last = [window for _, window in call.heard.windows[-WINDOWS:]]
        return len(last) == WINDOWS and sum(window.has(hz) for window in last) > 0.7 * WINDOWS

    await until(heard, 20, f"{hz} Hz was heard")


async def test_who_is_held_hears_music_and_then_the_other_again(machine: Machine) -> None:
    async with talking(machine, SIP_PORT, RTP_PORTS) as (_, out, ringing):
        await hears(out, 1000)
        await hears(ringing, 440)
        await out.hold()
        await hears(ringing, MUSIC_HZ)
        killed = machine.kill("relay")
        machine.until(lambda: machine.pid("relay") not in (0, killed), "another relay runs")
        ringing.heard.windows.clear()
        await hears(ringing, MUSIC_HZ)
        await out.resume()
        await hears(ringing, 440)
        await hears(out, 1000)
        await out.hangup()
        await ringing.ended()


async def test_a_call_is_recorded_when_a_desk_says_so(machine: Machine) -> None:
    async with talking(machine, SIP_PORT, RTP_PORTS) as (_, out, ringing):
        await hears(out, 1000)
        [call] = machine.ask("calls.list")
        machine.ask("calls.record", id=call["id"], action="start")
        out.heard.windows.clear()
        await hears(out, 1000)
        machine.ask("calls.record", id=call["id"], action="stop")
        recordings = machine.config.data / "recordings"
        await until(lambda: bool(list(recordings.glob("*.wav"))), 5, "the recording has its place")
        told = [event["what"] for event in machine.ask("events", id=call["id"])]
        assert {"recorded", "recording ended"} <= set(told) and "no sound" not in told
        await out.hangup()
        await ringing.ended()
    [place] = recordings.glob("*.wav")
    with wave.open(str(place)) as file:
        pcm = array.array("h", file.readframes(file.getnframes()))
        assert 0.8 < file.getnframes() / file.getframerate() < 8
        assert min(goertzel_share(pcm, file.getframerate(), hz) for hz in (440, 1000)) > 0.2
