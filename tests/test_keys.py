"""Keys that change while calls run: old tokens lead home, new ones are signed by the new key, at every edge on every machine."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from frames import KEYS, respond
from joined import Caller, Joined, Owner, contact_of, invited, linked, listening
from tandem.boundary import Request, Taken, write_commands
from tandem.cli.main import build
from tandem.cluster.model import keys as model
from tandem.testing.machine import Machine
from tandem.testing.pair import offer_md5, phone
from tandem.testing.sipp import Phone, answering, calling, ended

SECOND = 1_000_000


@pytest.fixture
def joined(tmp_path: Path) -> Iterator[Joined]:
    made = Joined(tmp_path)
    yield made
    made.close()


def rotated(keys: dict[str, object], in_seconds: float) -> dict[str, object]:
    """Another key, made now."""
    fresh = f"{time.time_ns():032x}"
    now = time.time_ns() // 1000 - model.LEAD_SECONDS * SECOND + int(in_seconds * SECOND)
    return model.rotate(keys, now=now, signing=fresh, nonce=fresh)


def answered(owner: Owner, caller: Caller, call: str) -> tuple[Request, str]:
    """The INVITE, and the Contact of the 200 to it."""
    event = invited(owner, caller, call)
    tag = event.call + "a0"
    owner.node.run(
        write_commands([Taken(event.flow.edge, [event.seq]), respond(event, 200, tag, "a0")])
    )
    contact = contact_of(caller.hears())
    caller.says("ACK", call, uri=contact, tag=tag)
    return event, contact


def hangs_up(owner: Owner, caller: Caller, event: Request, contact: str) -> None:
    caller.says("BYE", event.call_id, 2, contact, event.call + "a0")
    bye = owner.waits(Request, lambda one: one.method == "BYE")
    assert event.call == bye.call
    owner.node.run(write_commands([Taken(bye.flow.edge, [bye.seq]), respond(bye, 200)]))
    assert caller.hears().startswith("SIP/2.0 200 ")


@pytest.mark.parametrize("kind", ["unix", "tcp", "tls"])
def test_a_call_of_before_two_rotations_hangs_up_after_them(joined: Joined, kind: str) -> None:
    with ExitStack() as stack:
        owner = stack.enter_context(joined.node(3))
        sips = [stack.enter_context(listening()) for _ in range(2)]
        callers = [Caller(sip) for sip in sips]
        for number, sip in enumerate(sips, 7):
            stack.enter_context(joined.edge(number, sip, joined.place(kind)))
        linked(owner, 7, 8)
        calls = [answered(owner, caller, f"c{n}") for n, caller in enumerate(callers)]
        assert {"sip:a"} == {contact[:5] for _, contact in calls}, "the key's id begins the token"
        keys = KEYS
        for signs in "bc":
            keys = rotated(keys, 0.5)
            owner.node.set_keys(json.dumps(keys).encode())
            _, early = answered(owner, callers[0], f"{signs}-early")
            assert early[:5] != f"sip:{signs}", "every edge knows a key before it signs"
            time.sleep(0.6)
            _, late = answered(owner, callers[1], f"{signs}-late")
            assert f"sip:{signs}" == late[:5]
        for caller, (event, contact) in zip(callers, calls, strict=True):
            hangs_up(owner, caller, event, contact)


def test_an_edge_on_another_machine_keeps_what_it_was_told_of_keys(joined: Joined) -> None:
    with listening() as sip:
        caller = Caller(sip)
        with joined.node(3) as owner:
            with joined.edge(7, sip, joined.place("tls")):
                linked(owner, 7)
                owner.node.set_keys(json.dumps(rotated(KEYS, 0)).encode())
                event, contact = answered(owner, caller, "c1")
                assert contact.startswith("sip:b")
            with joined.edge(7, sip, "unix:/nowhere") as home:  # and its node is not there
                forged = contact.replace("sip:b", "sip:z")
                caller.says("BYE", "c1", 2, forged, event.call + "a0")
                assert caller.hears().startswith("SIP/2.0 403 ")
                assert 0o600 == (home / "edge-keys.json").stat().st_mode & 0o777
                caller.says("BYE", "c1", 3, contact, event.call + "a0")
                caller.socket.settimeout(0.5)
                with pytest.raises(TimeoutError):  # it is known, and waits for its owner
                    caller.hears()


def test_keys_that_are_not_usable_change_nothing(joined: Joined) -> None:
    with joined.node(3) as owner, listening() as sip, joined.edge(7, sip, joined.place("tcp")):
        linked(owner, 7)
        bad = json.dumps({**KEYS, "signing": [{"id": "b", "secret": "0"}]}).encode()
        with pytest.raises(ValueError, match="`signing`: a secret is 32 hexadecimal digits"):
            owner.node.set_keys(bad)
        _, contact = answered(owner, Caller(sip), "c1")
        assert contact.startswith("sip:a")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("sipp"), reason="no sipp")
def test_tandem_keys_rotate_ends_no_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "rotate", partial(model.rotate, lead_seconds=1))
    with Machine(tmp_path, {"sip": {"listen": '["udp:127.0.0.1:0"]', "edges": "2"}}) as machine:
        machine.up()
        offer_md5(machine)
        monkeypatch.setenv("TANDEM_CONFIG", str(machine.file))
        phones: list[Phone] = []
        try:
            alice = phone(phones, machine, "alice", "127.44.78.1")
            bob = phone(phones, machine, "bob", "127.44.78.2")
            bob.register()
            rung = bob.start(answering())
            call = alice.start(calling(6.0), "bob")
            machine.until(lambda: 1 == machine.ask("stats")["gauges"]["calls"], "a call")
            for signs in "bc":
                build()(["keys", "rotate"], result_action="return_value")
                machine.until(lambda s=signs: 2 == in_force(machine, s), f"{signs} signs")  # type: ignore[misc]
            ended(call)
            ended(rung)
            rung = bob.start(answering())
            ended(alice.start(calling(0.2), "bob"))
            ended(rung)
        finally:
            for one in phones:
                one.close()


def in_force(machine: Machine, signs: str) -> int:
    """How many edges say that this key signs."""
    logs = [path.read_text() for path in machine.config.log_dir.glob("edge*.log")]
    return sum(bool(re.search(rf"keys in force signs={signs}\b", log)) for log in logs)
