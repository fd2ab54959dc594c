"""The HTTP API steers real calls of real phones, and finds the call node again after its death."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("baresip")

import httpx

from tandem.adapters.sqlite import open_database
from tandem.testing.machine import Machine
from tandem.testing.phones import Phone, Phones, phones
from tandem.web.logging_in import ensure_admin

pytestmark = pytest.mark.slow
SIP_PORT, RTP_PORTS = 20840, (20842, 20898)
ALICE = "alice@demo.tandem.test"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with Machine(tmp_path) as made:
        made.up()
        yield made


def first_admin(machine: Machine) -> str:
    connection = open_database(machine.config.database)
    try:
        password = ensure_admin(connection, time.time_ns() // 1000)
    finally:
        connection.close()
    assert password
    return password


async def registered(stack: Phones, machine: Machine, name: str, hz: int) -> Phone:
    user = machine.users[name]
    phone = await stack.phone(
        name, user.password, domain=user.domain, registrar=machine.address(), hz=hz
    )
    await phone.register()
    return phone


async def logged_in(client: httpx.AsyncClient, password: str) -> None:
    said = await client.post("/api/login", json={"login": "admin", "password": password})
    client.headers["Authorization"] = "Bearer " + said.json()["token"]


async def only_call(client: httpx.AsyncClient) -> dict[str, Any]:
    [call] = (await client.get("/api/calls")).json()["items"]
    return {**call, "who": {leg["who"].partition("@")[0] for leg in call["legs"]}}


async def test_a_call_is_placed_moved_survives_its_node_and_is_ended_over_http(
    machine: Machine,
) -> None:
    password = await asyncio.to_thread(first_admin, machine)
    async with (
        phones(sip_port=SIP_PORT, rtp_ports=RTP_PORTS) as stack,
        httpx.AsyncClient(base_url=f"http://{machine.http}", timeout=10) as client,
    ):
        await logged_in(client, password)
        alice, bob, carol = [
            await registered(stack, machine, name, hz)
            for name, hz in (("alice", 440), ("bob", 1000), ("carol", 1500))
        ]
        aors = [one["aor"] for one in (await client.get("/api/registrations")).json()["items"]]
        assert 3 == len(aors) and ALICE in aors

        said = await client.post("/api/calls", json={"from": ALICE, "to": "102"})
        assert 201 == said.status_code, said.text
        id = said.json()["id"]
        await (await alice.incoming()).answer()
        at_bob = await bob.incoming()
        await at_bob.answer()
        await at_bob.established()
        assert {"alice", "bob"} == (await only_call(client))["who"]

        said = await client.post(f"/api/calls/{id}/transfer", json={"to": "carol", "leg": "caller"})
        assert 202 == said.status_code, said.text
        at_carol = await carol.incoming()
        await at_carol.answer()
        await at_carol.established()
        await at_bob.ended()
        assert {"alice", "carol"} == (await only_call(client))["who"]

        dead = machine.kill("node")
        statuses = set()
        while 200 not in statuses:
            statuses.add((await client.get("/api/calls")).status_code)
        assert statuses <= {200, 503}
        assert dead != machine.pid("node")
        assert id == (await only_call(client))["id"]

        assert 204 == (await client.delete(f"/api/calls/{id}")).status_code
        await at_carol.ended()
        trace = (await client.get(f"/api/calls/{id}/trace")).json()["items"]
        assert any(one["text"].startswith("BYE ") and not one["inbound"] for one in trace)
        assert "ended by admin" in (await client.get(f"/api/calls/{id}/why")).json()["why"]


async def test_a_new_password_and_a_removed_user_count_at_once(machine: Machine) -> None:
    password = await asyncio.to_thread(first_admin, machine)
    async with (
        phones(sip_port=SIP_PORT, rtp_ports=RTP_PORTS) as stack,
        httpx.AsyncClient(base_url=f"http://{machine.http}", timeout=10) as client,
    ):
        await logged_in(client, password)
        users, made = "/api/tenants/demo/users", "correct-horse-7-battery"
        said = await client.post(users, json={"name": "dora", "number": "104", "password": made})
        assert (201, "yes") == (said.status_code, said.headers["tandem-live"])
        dora = await stack.phone(
            "dora", made, domain="demo.tandem.test", registrar=machine.address()
        )
        await dora.register()
        said = await client.put(f"{users}/dora/password", json={"password": made + "-2"})
        assert (204, "yes") == (said.status_code, said.headers["tandem-live"])
        with pytest.raises(Exception, match=r"401|403"):
            await dora.register()
