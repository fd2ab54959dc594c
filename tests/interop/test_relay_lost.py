"""Real phones whose relay is gone for good, or is drained, hear each other through another one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("baresip")

from talking import talking
from tandem.cli.ask import Problem
from tandem.testing.machine import Machine
from tandem.testing.phones import PhoneCall, until
from tandem.testing.relay import RunningRelay
from two_relays import served_by, two_relays

pytestmark = pytest.mark.slow
SIP_PORT, RTP_PORTS = 21_450, (21_452, 21_498)
WINDOWS = 10  # of a tenth of a second: what is listened to


@pytest.fixture
def relays(tmp_path: Path) -> Iterator[dict[str, RunningRelay]]:
    with two_relays(tmp_path) as made:
        yield made


@pytest.fixture
def machine(tmp_path: Path, relays: dict[str, RunningRelay]) -> Iterator[Machine]:
    with served_by(tmp_path, relays, {"media": {"policy": '"relay"'}}) as made:
        yield made


async def hears(call: PhoneCall, hz: int) -> None:
    """A second of the tone, from now on."""
    call.heard.windows.clear()

    def heard() -> bool:
        last = [window for _, window in call.heard.windows[-WINDOWS:]]
        return len(last) == WINDOWS and sum(window.has(hz) for window in last) > 0.7 * WINDOWS

    await until(heard, 20, f"{hz} Hz was heard")


def of(machine: Machine, name: str) -> dict[str, Any]:
    return next(row for row in machine.ask("relays.list") if row["name"] == name)


def holder(machine: Machine) -> tuple[str, str]:
    """The relay of the only call, and the other one."""
    one, two = sorted(machine.ask("relays.list"), key=lambda row: -row["calls"])
    assert (1, 0) == (one["calls"], two["calls"])
    return one["name"], two["name"]


async def test_a_call_outlives_its_relay(machine: Machine, relays: dict[str, RunningRelay]) -> None:
    async with talking(machine, SIP_PORT, RTP_PORTS) as (_, out, ringing):
        await hears(out, 1000)
        mine, other = holder(machine)
        await until(lambda: (of(machine, mine)["packets"] or 0) > 50, 12, "it tells of packets")
        told = of(machine, mine)
        assert (1, 0, 2) == (told["sessions"], told["lost"], told["kernel"] + told["userspace"])
        relays[mine].kill()
        await until(lambda: of(machine, other)["calls"] == 1, 5, "the call has moved")
        await hears(out, 1000)
        await hears(ringing, 440)
        assert ("down", "up") == (of(machine, mine)["state"], of(machine, other)["state"])
        assert machine.ask("stats")["gauges"]["relay_moves"] == 1
        await out.hold()
        await asyncio.sleep(1)
        await out.resume()
        await hears(ringing, 440)
        [call] = machine.ask("calls.list")
        told = {event["what"]: event["text"] for event in machine.ask("events", id=call["id"])}
        assert f"{mine} does not answer" == told["relay left"] and "relay changed" in told
        await out.hangup()
        await ringing.ended()


async def test_a_drained_relay_is_left_and_its_node_may_die_meanwhile(
    machine: Machine, relays: dict[str, RunningRelay]
) -> None:
    async with talking(machine, SIP_PORT, RTP_PORTS) as (_, out, ringing):
        await hears(out, 1000)
        mine, other = holder(machine)
        assert {"calls": 1} == machine.ask("relays.drain", name=mine, move=True)
        machine.kill("node")
        machine.wait_ready()
        await until(lambda: of(machine, other)["calls"] == 1, 8, "the call has moved")
        assert "draining" == of(machine, mine)["state"]
        await hears(out, 1000)
        await hears(ringing, 440)
        await until(
            lambda: not relays[mine].ask("list")["calls"], 8, "the drained relay has no calls"
        )
        await out.hangup()
        await ringing.ended()
    async with talking(machine, SIP_PORT + 1, (21_500, 21_540)) as (_, out, ringing):
        assert 0 == of(machine, mine)["calls"]
        machine.ask("relays.undrain", name=mine)
        await asyncio.sleep(0.2)
        assert "up" == of(machine, mine)["state"]
        await out.hangup()
        await ringing.ended()


async def test_a_relay_that_is_not_configured_any_more_is_left(
    machine: Machine, relays: dict[str, RunningRelay]
) -> None:
    async with talking(machine, SIP_PORT, RTP_PORTS) as (_, out, ringing):
        await hears(out, 1000)
        mine, other = holder(machine)
        rows = machine.file.read_text().split("[[media.relays]]")
        machine.file.write_text(
            "[[media.relays]]".join(row for row in rows if f'"{mine}"' not in row)
        )
        killed = machine.kill("node")
        machine.wait_ready(not_pid=killed)
        await until(lambda: of(machine, other)["calls"] == 1, 8, "the call has moved")
        await hears(out, 1000)
        await hears(ringing, 440)
        assert [other] == [row["name"] for row in machine.ask("relays.list")]
        await out.hangup()
        await ringing.ended()


async def test_calls_move_only_where_a_relay_lives_that_takes_calls(
    machine: Machine, relays: dict[str, RunningRelay]
) -> None:
    async with talking(machine, SIP_PORT, RTP_PORTS) as (_, out, ringing):
        await hears(out, 1000)
        mine, other = holder(machine)
        relays[other].kill()
        await until(lambda: of(machine, other)["state"] == "down", 5, "the other is given up")
        with pytest.raises(Problem, match="nowhere to go"):
            machine.ask("relays.drain", name=mine, move=True)
        relays[other].up()
        await until(lambda: of(machine, other)["state"] == "up", 5, "the other is back")
        machine.ask("relays.drain", name=other, move=True)
        assert 0 == machine.ask("stats")["gauges"]["relay_moves"]
        machine.ask("relays.undrain", name=other)
        relays[mine].kill()
        await until(lambda: of(machine, other)["calls"] == 1, 5, "the call has moved")
        await hears(out, 1000)
        await hears(ringing, 440)
        await out.hangup()
        await ringing.ended()
