"""Addresses of names: numeric hosts pass, answers age, a resolver that fails takes nothing away at once."""

import asyncio
from collections.abc import Callable

from tandem.names import model
from tandem.names.model import FRESH_SECONDS, SECOND, STALE_SECONDS, Names
from tandem.names.service import Resolver

HOST = "sip.carrier.example"
KNOWN = model.answered(model.wanted(Names(), {HOST}), HOST, ("192.0.2.1", "2001:db8::1"), 0)


def test_numeric_hosts_need_no_table() -> None:
    assert {} == model.wanted(Names(), {"192.0.2.1", "[2001:db8::1]", "2001:db8::2", ""}).known
    assert "2001:db8::1" == model.address(Names(), "[2001:db8::1]")
    assert ("192.0.2.1",) == model.addresses(Names(), "192.0.2.1")


def test_an_answer_is_asked_for_again_after_a_minute() -> None:
    assert [HOST] == model.due(model.wanted(Names(), {HOST.upper()}), 0)
    assert [] == model.due(KNOWN, FRESH_SECONDS * SECOND - 1)
    assert [HOST] == model.due(KNOWN, FRESH_SECONDS * SECOND)
    assert "192.0.2.1" == model.address(KNOWN, "SIP.carrier.example")


def test_a_resolver_that_fails_is_believed_after_an_hour() -> None:
    failed = model.answered(KNOWN, HOST, (), (STALE_SECONDS - 1) * SECOND)
    assert "192.0.2.1" == model.address(failed, HOST)
    assert "" == model.address(model.answered(failed, HOST, (), STALE_SECONDS * SECOND), HOST)


def test_a_turned_order_is_no_change() -> None:
    turned = model.answered(KNOWN, HOST, ("2001:db8::1", "192.0.2.1"), 5)
    assert ("192.0.2.1", "2001:db8::1") == model.addresses(turned, HOST)


def test_a_name_that_no_trunk_has_is_forgotten_and_its_late_answer_dropped() -> None:
    none = model.wanted(KNOWN, set())
    assert none == model.answered(none, HOST, ("192.0.2.1",), 0) == Names()


async def until(fact: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not fact():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_the_resolver_tells_of_changes_and_only_of_changes() -> None:
    told: list[str] = []
    answers = {HOST: ("192.0.2.1",), "slow.example": ("192.0.2.2",)}

    async def lookup(host: str) -> tuple[str, ...]:
        if host == "slow.example":
            await asyncio.sleep(0.2)
        if host not in answers:
            raise OSError("unknown")
        return answers[host]

    clock = [0]
    resolver = Resolver(changed=lambda: told.append("changed"), now=lambda: clock[0], lookup=lookup)
    resolver.want({HOST, "lost.example", "slow.example"})
    running = asyncio.create_task(resolver.run())
    await until(lambda: bool(resolver.address("slow.example")), 5)
    assert ("192.0.2.1", "") == (resolver.address(HOST), resolver.address("lost.example"))
    assert ["changed"] * 2 == told
    answers[HOST] = ("192.0.2.3",)
    clock[0] = 61 * SECOND
    await until(lambda: resolver.address(HOST) == "192.0.2.3", 5)
    running.cancel()


async def test_localhost_is_found_by_the_systems_resolver() -> None:
    resolver = Resolver(changed=lambda: None, now=lambda: 0)
    resolver.want({"localhost"})
    await resolver.ask("localhost")
    assert resolver.address("localhost") in ("127.0.0.1", "::1")
