"""The relay's audio engine as a client of the ng protocol has it: transcoded, played to, gathered from, recorded, in rooms; and after kill -9."""

import array
import json
import os
import socket
import struct
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from tandem.testing.g711 import PCMA, PCMU, decode, encode
from tandem.testing.relay import RunningRelay
from tandem.testing.tones import measure, tone, wav

pytestmark = pytest.mark.slow

EVENT = 101  # payload type of telephone events
NAMES = {PCMU: "PCMU", PCMA: "PCMA"}
RATE, FRAME = 8_000, 160
KEPT_FRAMES = 10  # a window of tones.measure is 0.1 s; twice that is listened to
SECONDS = 8.0
A, B, C = 440, 700, 1_250  # Hz


class Party:
    """A socket that says a tone in a law, and keeps what it hears last."""

    def __init__(self, hz: int, codec: int = PCMU) -> None:
        self.hz, self.codec = hz, codec
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.05)
        self.to: tuple[str, int] | None = None
        self.heard: list[bytes] = []
        self.types: set[int] = set()
        self.sequence = 0
        self.key = ""  # pressed with the next packet
        self.over = False
        self.threads = [threading.Thread(target=work) for work in (self._say, self._hear)]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        for thread in self.threads:
            thread.join()
        self.socket.close()

    @property
    def sdp(self) -> str:
        port = self.socket.getsockname()[1]
        head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        lines = [
            f"a=rtpmap:{self.codec} {NAMES[self.codec]}/8000",
            f"a=rtpmap:{EVENT} telephone-event/8000",
        ]
        return head + "\r\n".join([f"m=audio {port} RTP/AVP {self.codec} {EVENT}", *lines, ""])

    def told(self, sdp: str) -> None:
        port = next(line for line in sdp.splitlines() if line.startswith("m=audio")).split()[1]
        self.to = ("127.0.0.1", int(port))

    def forget(self) -> None:
        self.heard, self.types = [], set()

    def hears(self, *hz: int) -> bool:
        """These tones and none of the others, in what came last."""
        last = b"".join(self.heard[-KEPT_FRAMES:])
        if len(last) < KEPT_FRAMES * FRAME * 2:
            return not hz
        window = measure(last, RATE, (A, B, C))
        return {one for one in (A, B, C) if window.shares[one] > 0.25 and window.dbfs > -35} == set(
            hz
        )

    def _say(self) -> None:
        at = time.monotonic()
        while not self.over:
            if self.to:
                key, self.key = self.key, ""
                if key:
                    at_key = (self.sequence + 1) * FRAME
                    for end in (0, 0x80, 0x80):
                        event = struct.pack("!BBH", "0123456789*#".index(key), end | 10, 800)
                        self._send(EVENT, event, at_key)
                self._send(
                    self.codec,
                    encode(tone(self.hz, RATE, self.sequence * FRAME, FRAME), self.codec),
                )
            at += 0.02
            time.sleep(max(0.0, at - time.monotonic()))

    def _send(self, number: int, payload: bytes, timestamp: int = 0) -> None:
        assert self.to
        self.sequence += 1
        timestamp = timestamp or self.sequence * FRAME
        head = struct.pack("!BBHII", 0x80, number, self.sequence & 0xFFFF, timestamp, self.hz)
        try:
            self.socket.sendto(head + payload, self.to)
        except OSError:
            return  # the relay is dead just now

    def _hear(self) -> None:
        while not self.over:
            try:
                packet = self.socket.recv(2_048)
            except OSError:
                continue
            number = packet[1] & 0x7F
            self.types.add(number)
            if number in NAMES:
                self.heard = [*self.heard[-100:], decode(packet[12:], number)]


class Listener:
    """A call node's socket at the relay: what happens comes here."""

    def __init__(self, base: Path) -> None:
        self.path, self.gate = base / "node.sock", base / "ng.sock"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(0.1)
        self.told: list[Any] = []
        self.ask("ping")

    def ask(self, command: str, **fields: Any) -> None:
        asked = {
            "command": command,
            **{key.replace("_", "-"): value for key, value in fields.items()},
        }
        self.socket.sendto(f"{time.monotonic_ns()} {json.dumps(asked)}".encode(), str(self.gate))

    def events(self, name: str) -> list[Any]:
        try:
            while True:
                message = self.socket.recv(65_536).decode()
                if message.startswith("{"):
                    self.told.append(json.loads(message))
        except TimeoutError:
            return [event for event in self.told if event["event"] == name]


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[RunningRelay]:
    config: dict[str, Any] = {
        "ng": {"unix": str(tmp_path / "ng.sock")},
        "sounds": str(tmp_path),
        "recordings": {"directory": str(tmp_path / "recordings"), "stereo": True},
        "speech": ["sh", "-c", f"cat {tmp_path}/b.wav"],
    }
    one = RunningRelay(tmp_path)
    config["ng"]["udp"] = one.config["ng"]["udp"]
    one.config |= config
    for name, hz, seconds in [("b", B, 1), ("c", C, 60)]:
        (tmp_path / f"{name}.wav").write_bytes(wav(hz, 16_000, seconds=seconds))
    with one:
        yield one


def wait(fact: Callable[[], bool], sentence: str) -> None:
    until = time.monotonic() + SECONDS
    while not fact():
        assert time.monotonic() < until, sentence
        time.sleep(0.05)


def good(answer: Any) -> Any:
    assert answer["result"] == "ok", answer
    return answer


def joined(relay: RunningRelay, a: Party, b: Party, **more: Any) -> None:
    names = {"call_id": "c", "from_tag": "a"}
    b.told(good(relay.ask("offer", sdp=a.sdp, **names, **more))["sdp"])
    a.told(good(relay.ask("answer", sdp=b.sdp, to_tag="b", **names))["sdp"])


def alone(relay: RunningRelay, name: str, party: Party) -> None:
    answer = relay.ask(
        "publish", call_id=name, from_tag="a", sdp=party.sdp, flags=["bidirectional"]
    )
    party.told(good(answer)["sdp"])


def killed(relay: RunningRelay) -> None:
    relay.kill()
    relay.up()


def test_two_laws_hear_each_other_also_after_the_relay_was_killed(relay: RunningRelay) -> None:
    with Party(A, PCMU) as a, Party(B, PCMA) as b:
        joined(relay, a, b, codec={"transcode": ["PCMA"], "mask": ["PCMU"]})
        wait(lambda: a.hears(B) and b.hears(A), "both are heard")
        assert (a.types, b.types) == ({PCMU}, {PCMA})
        time.sleep(1.2)  # what an heir needs is kept each second
        killed(relay)
        a.forget()
        b.forget()
        wait(lambda: a.hears(B) and b.hears(A), "both are heard again")


def test_a_file_is_played_on_after_a_kill_and_its_end_is_told(
    relay: RunningRelay, tmp_path: Path
) -> None:
    node = Listener(tmp_path)
    with Party(A) as a, Party(B) as b:
        joined(relay, a, b)
        wait(lambda: a.hears(B), "the other side is heard")
        answer = good(
            relay.ask(
                "play media",
                call_id="c",
                from_tag="a",
                file="c.wav",
                id="music",
                flags=["block-egress"],
            )
        )
        assert answer["duration"] == 60_000
        wait(lambda: a.hears(C) and b.hears(A), "music is heard on one side")
        time.sleep(2.2)
        killed(relay)
        a.forget()
        wait(lambda: a.hears(C), "music is heard again")
        node.ask("ping")
        good(relay.ask("stop media", call_id="c", from_tag="a"))
        wait(lambda: a.hears(B), "the other side is heard again")
        wait(lambda: bool(node.events("played")), "its end is told")
        assert node.events("played")[0] == {
            "event": "played",
            "call": "c",
            "leg": "a",
            "id": "music",
            "whole": 0,
        }
        assert (
            "none.wav"
            in relay.ask("play media", call_id="c", from_tag="a", file="none.wav")["error-reason"]
        )


def test_who_asks_from_another_machine_is_told_too_if_he_says_so(relay: RunningRelay) -> None:
    with (
        Party(A) as a,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as node,
    ):
        for asker, more in ((deaf, ""), (node, ', "events": 1')):
            asker.settimeout(0.5)
            asker.sendto(f'1 {{"command": "ping"{more}}}'.encode(), relay.ng)
            answer = asker.recv(2_048)
            assert b"pong" in answer and b"warning" not in answer
        alone(relay, "g", a)
        good(relay.ask("play media", call_id="g", from_tag="a", file="c.wav", id="x"))
        good(relay.ask("stop media", call_id="g", from_tag="a"))
        assert {"event": "played", "call": "g", "leg": "a", "id": "x", "whole": 0} == json.loads(
            node.recv(2_048)
        )
        with pytest.raises(TimeoutError):
            deaf.recv(2_048)


def test_digits_are_gathered_behind_a_spoken_prompt(relay: RunningRelay, tmp_path: Path) -> None:
    node = Listener(tmp_path)
    with Party(A) as a:
        alone(relay, "g", a)
        good(
            relay.ask("play media", call_id="g", from_tag="a", speech="press a key", repeat_times=0)
        )
        wait(lambda: a.hears(B), "the prompt is heard")
        good(
            relay.ask(
                "gather", call_id="g", from_tag="a", id="menu", digits=2, inter_digit_ms=3_000
            )
        )
        for key in "42":
            a.key = key
            time.sleep(0.3)
        wait(lambda: bool(node.events("gathered")), "digits are told")
        [gathered] = node.events("gathered")
        assert (gathered["id"], gathered["digits"], gathered["why"]) == ("menu", "42", "full")
        assert [event["digit"] for event in node.events("digit")] == ["4", "2"]


def test_one_file_holds_a_call_across_a_kill(relay: RunningRelay, tmp_path: Path) -> None:
    with Party(A) as a, Party(B) as b:
        joined(relay, a, b)
        wait(lambda: a.hears(B) and b.hears(A), "both are heard")
        good(relay.ask("start recording", call_id="c", metadata="k:v", recording_file="whole.wav"))
        time.sleep(3.0)
        killed(relay)
        time.sleep(2.5)
        assert relay.ask("query", call_id="c")["result"] == "ok"
        good(relay.ask("stop recording", call_id="c"))
        place = tmp_path / "recordings" / "whole.wav"
        wait(place.exists, "the recording has its place")
    assert json.loads(place.with_suffix(".json").read_text())["metadata"] == "k:v"
    with wave.open(str(place)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, RATE)
        pcm = array.array("h", file.readframes(file.getnframes()))
    seconds = len(pcm) / 2 / RATE
    assert 4.5 < seconds < 7.5
    for first in (0.5, seconds - 1.0):
        for side, hz in enumerate((A, B)):
            start = int(first * RATE) * 2 + side
            piece = pcm[start : start + RATE : 2].tobytes()
            assert measure(piece, RATE, (A, B)).has(hz), (first, hz)


def test_a_room_of_three_outlives_its_relay(relay: RunningRelay, tmp_path: Path) -> None:
    node = Listener(tmp_path)
    with Party(A) as a, Party(B, PCMA) as b, Party(C) as c:
        for name, party in (("one", a), ("two", b), ("three", c)):
            alone(relay, name, party)
            good(relay.ask("join", call_id=name, from_tag="a", room="r"))
        assert [event["call"] for event in node.events("joined")] == ["one", "two", "three"]
        wait(lambda: a.hears(B, C) and b.hears(A, C) and c.hears(A, B), "each hears the others")
        good(relay.ask("join", call_id="three", from_tag="a", room="r", muted="yes"))
        wait(lambda: a.hears(B) and c.hears(A, B), "one is muted")
        time.sleep(1.2)
        killed(relay)
        for party in (a, b, c):
            party.forget()
        wait(
            lambda: a.hears(B) and b.hears(A) and c.hears(A, B),
            "the room goes on, the seats with it",
        )
        members = good(relay.ask("roster", room="r"))["members"]
        assert [(m["call-id"], m["muted"]) for m in members] == [
            ("one", 0),
            ("three", 1),
            ("two", 0),
        ]
        good(relay.ask("leave", call_id="two", from_tag="a"))
        wait(lambda: c.hears(A), "one has left")


def test_a_relay_without_a_place_for_recordings_says_so(tmp_path: Path) -> None:
    with RunningRelay(tmp_path) as relay, Party(A) as a, Party(B) as b:
        joined(relay, a, b)
        answer = relay.ask("start recording", call_id="c")
        assert answer["result"] == "error" and "directory" in answer["error-reason"]
        assert os.listdir(tmp_path) and not (tmp_path / "recordings").exists()
