"""Phones in web pages: they register and call over WebSockets through a real Tandem, by a kept client library."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("websockets")

from websockets.exceptions import InvalidStatus

from tandem.testing.machine import Machine
from web_phone import SDP, Heard, WebPhone

pytestmark = pytest.mark.slow


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    listen = ", ".join(f'"{t}:127.0.0.1:0"' for t in ("udp", "ws", "wss"))
    sip = {"listen": f"[{listen}]", "ws_origins": '["https://phone.example"]'}
    with Machine(tmp_path, {"sip": sip}) as made:
        made.up()
        yield made


async def phone(machine: Machine, transport: str, name: str) -> WebPhone:
    user = machine.users[name]
    domain = machine.config.sip.default_domain
    uri = f"{transport}://{machine.address(transport)}/sip"
    made = await WebPhone.open(uri, name, domain, user.password)
    registered = await made.register()
    assert 200 == registered.status, registered.text
    return made


async def talk(alice: WebPhone, bob: WebPhone) -> tuple[Heard, Heard]:
    """Alice calls, bob answers: what he was asked and what she was answered."""
    async with asyncio.TaskGroup() as both:
        calling = both.create_task(alice.invite("bob"))
        invite = await bob.hear("INVITE")
        await bob.answer(invite, "180 Ringing")
    assert 180 == calling.result().status, calling.result().text
    await bob.answer(invite, "200 OK", SDP)
    answered = await alice.hear(200)
    await alice.acknowledge(answered, answered.contact, f"Via: {alice.via}")
    await bob.hear("ACK")
    return invite, answered


async def hang_up(one: WebPhone, other: WebPhone, dialog: Heard, *, called: bool) -> None:
    async with asyncio.TaskGroup() as both:
        ending = both.create_task(one.hang_up(dialog, called=called))
        bye = await other.hear("BYE")
        await other.answer(bye, "200 OK")
    assert 200 == ending.result().status, ending.result().text


@pytest.mark.parametrize("hangs_up", ["alice", "bob"])
@pytest.mark.parametrize("transport", ["ws", "wss"])
async def test_two_web_pages_talk_through_tandem(
    machine: Machine, transport: str, hangs_up: str
) -> None:
    alice, bob = await phone(machine, transport, "alice"), await phone(machine, "wss", "bob")
    invite, answered = await talk(alice, bob)
    assert ";transport=ws" in answered.contact
    assert invite["via"].startswith("SIP/2.0/WSS 127.0.0.1:")
    if hangs_up == "alice":
        await hang_up(alice, bob, answered, called=False)
    else:
        await hang_up(bob, alice, invite, called=True)


async def test_a_page_that_connects_anew_is_reached_on_its_new_connection(machine: Machine) -> None:
    alice, bob = await phone(machine, "wss", "alice"), await phone(machine, "wss", "bob")
    await bob.socket.close()
    again = await phone(machine, "wss", "bob")
    invite, answered = await talk(alice, again)
    await hang_up(again, alice, invite, called=True)
    assert answered["call-id"] != invite["call-id"]


async def test_a_page_of_another_origin_is_refused(machine: Machine) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        await WebPhone.open(f"ws://{machine.address('ws')}/", "a", "b", "c", origin="https://evil")
