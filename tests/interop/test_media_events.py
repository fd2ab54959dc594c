"""What a relay tells of a real call: its measures stand beside the CDR, its silence ends the call."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("baresip")

from talking import talking
from tandem.adapters.sqlite import open_database
from tandem.adapters.sqlite_records import get_cdr, list_cdrs
from tandem.records.query import CdrQuery
from tandem.testing.machine import Machine

pytestmark = pytest.mark.slow
SIP_PORT, RTP_PORTS = 21_150, (21_152, 21_198)
TOLD = {
    "leg": "b0",
    "packets": 500,
    "lost": 5,
    "jitter_us": 2500,
    "rtt_us": 21_000,
    "mos_hundredths": 430,
}
MEASURED = {"leg": "b0", "packets": 500, "lost": 5, "jitter_ms": 2.5, "rtt_ms": 21.0, "mos": 4.3}


class Mirror(threading.Thread):
    """A relay that leaves descriptions as they are: media flows, and it has something to tell."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        self.asked: list[dict[str, str]] = []
        self.asker: tuple[str, int] | None = None

    def run(self) -> None:
        while True:
            datagram, self.asker = self.socket.recvfrom(65_536)
            cookie, _, body = datagram.partition(b" ")
            command = json.loads(body)
            if not cookie:
                return
            if "call-id" in command:
                self.asked.append(command)
            answer = {"result": "ok", "sdp": command.get("sdp", "")}
            if command["command"] == "delete":
                answer = {"result": "ok", "quality": [TOLD]}
            self.socket.sendto(cookie + b" " + json.dumps(answer).encode(), self.asker)

    def tells_of_silence(self, event: str = "timeout") -> None:
        assert self.asker is not None
        told = {"event": event, "call": self.asked[-1]["call-id"], "leg": "a"}
        self.socket.sendto(json.dumps(told).encode(), self.asker)

    def stop(self) -> None:
        self.socket.sendto(b" {}", self.socket.getsockname())
        self.join(5)
        self.socket.close()


@pytest.fixture
def relay() -> Iterator[Mirror]:
    made = Mirror()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def machine(tmp_path: Path, relay: Mirror) -> Iterator[Machine]:
    media = {"relay": f'"udp:127.0.0.1:{relay.port}"', "policy": '"relay"'}
    with Machine(tmp_path, {"media": media, "relay": {"enabled": "false"}}) as made:
        made.up()
        yield made


def tandem(machine: Machine, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tandem.cli", *words],
        env={**os.environ, "TANDEM_CONFIG": str(machine.file), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout


async def test_a_relay_that_hears_nothing_ends_the_call_and_tells_what_it_measured(
    machine: Machine, relay: Mirror
) -> None:
    async with talking(machine, SIP_PORT, RTP_PORTS) as (_, out, ringing):
        assert "auto" not in tandem(machine, "status")
        relay.tells_of_silence()
        await out.ended()
        await ringing.ended()
    commands = [asked["command"] for asked in relay.asked]
    assert ["offer", "answer"] == commands[:2]
    assert {"offer", "answer", "delete"} == set(commands)  # a slow machine repeats some
    connection = open_database(machine.config.database)
    call = relay.asked[0]["call-id"]
    machine.until(lambda: bool(list_cdrs(connection, CdrQuery()).cdrs), "the CDR")
    machine.until(lambda: bool(getattr(get_cdr(connection, call), "quality", ())), "the quality")
    cdr = get_cdr(connection, call)
    connection.close()
    assert cdr is not None
    assert ("no media from a", "nobody", 200) == (cdr.why, cdr.ended_by, cdr.status)
    shown = tandem(machine, "cdr", "show", call)
    assert "b0" in shown and "4.3" in shown and "500" in shown
    assert (
        MEASURED.items()
        <= json.loads(tandem(machine, "cdr", "show", call, "--json"))["quality"][0].items()
    )


async def test_a_party_without_keys_is_tried_at_another_relay_once(
    tmp_path: Path, relay: Mirror
) -> None:
    other = Mirror()
    other.start()
    with Machine(tmp_path, {"media": {"policy": '"relay"'}, "relay": {"enabled": "false"}}) as made:
        with made.file.open("a") as file:
            for name, one, weight in (("one", relay, 100), ("two", other, 1)):
                place = f"udp:127.0.0.1:{one.port}"
                row = f'name = "{name}"\nplace = "{place}"\nweight = {weight}\n'
                file.write(f"[[media.relays]]\n{row}")
        made.up()
        async with talking(made, SIP_PORT, RTP_PORTS) as (_, out, ringing):
            relay.tells_of_silence("unkeyed")
            made.until(
                lambda: made.ask("stats")["gauges"]["relay_moves"] == 1 and len(other.asked) > 3,
                "the call goes on at the other relay",
            )
            assert ["offer", "answer", "offer", "answer"] == [c["command"] for c in other.asked][:4]
            assert out.state == ringing.state and [] != made.ask("calls.list")
            other.tells_of_silence("unkeyed")
            await out.ended()
            await ringing.ended()
    other.stop()
