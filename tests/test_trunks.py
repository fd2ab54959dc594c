"""Registrations with a carrier, which is another Tandem: real processes, real packets, SIPp as phones, kill -9."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tandem.adapters.sqlite import open_database
from tandem.adapters.sqlite_routing import delete_trunk
from tandem.boundary import TCP, TLS, UDP
from tandem.routing.model.rows import Trunk
from tandem.testing import sipp
from tandem.testing.machine import Machine
from tandem.testing.pair import NAMES, cdrs, machine, offer_md5, phone, put, status

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("sipp"), reason="no sipp")]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    insecure = {"verify": "false"}
    with (
        machine(tmp_path / "one", "127.0.0.1", "one.test", sip=insecure) as one,
        machine(tmp_path / "two", "127.0.0.2", "two.test", sip=insecure) as two,
    ):
        for each in (one, two):
            each.up()
            offer_md5(each)
        yield one, two


@pytest.fixture
def phones() -> Iterator[list[sipp.Phone]]:
    made: list[sipp.Phone] = []
    yield made
    for one in made:
        one.close()


def account(two: Machine, transport: int = UDP, **more: Any) -> Trunk:
    """one's account with two, as alice@two.test."""
    port = int(two.address(NAMES[transport]).rpartition(":")[2])
    return Trunk(
        "carrier", "127.0.0.2", "demo", port, transport, username="alice", password=two.users["alice"].password,
        from_host="two.test", register=True, register_seconds=60, default_to="bob", **more,
    )  # fmt: skip


@pytest.mark.parametrize("transport", [UDP, TCP, TLS], ids=NAMES.get)
def test_a_trunk_registers_is_called_and_survives_kill_9(
    pair: tuple[Machine, Machine], phones: list[sipp.Phone], transport: int
) -> None:
    one, two = pair
    put(one, account(two, transport))
    one.until(lambda: status(one)["state"] == "registered", "the trunk is registered", 10)
    (found,) = two.ask("registrations.list", aor="alice@two.test")
    assert ["sip:alice@"] == [c["uri"][:10] for c in found["contacts"]]
    assert 55 < status(one)["expires_at"] / 1e6 - time.time() < 61

    bob, carol = phone(phones, one, "bob", "127.0.0.3"), phone(phones, two, "carol", "127.0.0.4")
    bob.register()
    ringing = bob.start(sipp.answering())
    sipp.ended(carol.start(sipp.calling(0.5), "alice"))
    sipp.ended(ringing)
    one.until(lambda: len(cdrs(one)) == 1 and len(cdrs(two)) == 1, "both have a CDR", 5)
    (cdr,) = cdrs(one)
    assert ("bob@one.test", "carrier", 200) == (cdr.callee, cdr.trunk_in, cdr.status)

    before = status(one)["expires_at"]
    pid = one.kill("node")
    one.wait_ready(not_pid=pid)
    assert ("registered", before) == (status(one)["state"], status(one)["expires_at"])

    connection = open_database(one.config.database)
    delete_trunk(connection, "carrier")
    connection.close()
    one.ask("reload", what="all")
    one.until(lambda: not two.ask("registrations.list", aor="alice@two.test"), "it has left", 10)
    one.until(lambda: status(one)["state"] == "gone", "the trunk is gone", 5)
    assert 0 == one.ask("stats")["gauges"]["trunks_registering"]


def test_a_wrong_password_is_told_and_a_right_one_registers(pair: tuple[Machine, Machine]) -> None:
    one, two = pair
    good = account(two)
    put(one, replace(good, password="wrong-password"))
    one.until(lambda: status(one)["state"] == "failed", "the password is refused", 10)
    assert "401" in status(one)["error"] and 0 == one.ask("stats")["gauges"]["trunks_registered"]
    put(one, good)
    one.until(lambda: status(one)["state"] == "registered", "the trunk is registered", 10)
    assert ("", 1) == (status(one)["error"], one.ask("stats")["gauges"]["trunks_registered"])
    put(one, replace(good, enabled=False))
    one.until(lambda: not two.ask("registrations.list", aor="alice@two.test"), "it has left", 10)


def test_a_registration_goes_on_while_the_node_is_killed_again_and_again(
    pair: tuple[Machine, Machine],
) -> None:
    one, two = pair
    put(one, account(two))
    for _ in range(3):  # also between a REGISTER and its answer
        pid = one.kill("node")
        one.wait_ready(not_pid=pid)
    one.until(lambda: status(one)["state"] == "registered", "the trunk is registered", 15)
    assert 1 == len(two.ask("registrations.list", aor="alice@two.test"))
