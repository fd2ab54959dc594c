"""Servers that die, sleep, refuse and come back behind a real edge, Kamailio among them; and workers of one host that die."""

import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tandem.cli.ask import ask
from tandem.testing.edge import RunningEdge
from tandem.testing.farm import KAMAILIO, Farm, wait
from tandem.testing.ports import free_port
from tandem.testing.sipp import HEAD, REGISTER, answer, answering, ended

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("sipp"), reason="no sipp")]
with_kamailio = pytest.mark.skipif(not KAMAILIO, reason="no kamailio")
ANSWER_MS = 400
CALLS = 12


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Farm]]:
    farms: list[Farm] = []

    def made(
        more: str = "", ports: list[int] | None = None, answer_ms: int = ANSWER_MS, **options: Any
    ) -> Farm:
        ports = ports or [free_port(), free_port()]
        edge = RunningEdge(tmp_path, pool(ports, more, answer_ms), **options)
        farms.append(Farm(edge, ports))
        edge.up()
        return farms[-1]

    yield made
    for farm in farms:
        farm.close()
        farm.edge.down()


def pool(ports: list[int], more: str, answer_ms: int) -> str:
    members = ", ".join(
        f'{{name = "fs{n}", address = "127.0.0.1:{port}"}}' for n, port in enumerate(ports, 1)
    )
    return (
        f'[[pool]]\nname = "farm"\nalgorithm = "round_robin"\nanswer_ms = {answer_ms}\n'
        f"members = [{members}]\n{more}"
    )


def health(interval_ms: int = 0, **more: int) -> str:
    """0: no probes, so that calls alone find out."""
    fields = {"interval_ms": interval_ms, **more}
    return "[pool.health]\n" + "".join(f"{name} = {value}\n" for name, value in fields.items())


def refusing(status: str, header: str = "") -> str:
    refused = answer(status, tag=True, contact=header)
    return HEAD + '<recv request="INVITE"/>' + refused + '<recv request="ACK"/></scenario>'


def trying(seconds: float) -> str:
    """100 at once, the answer after this long."""
    rings = answering(seconds)
    first = '<recv request="INVITE"/>'
    return rings.replace(first, first + answer("100 Trying")).replace(
        answer("180 Ringing", tag=True, contact=CONTACT), ""
    )


CONTACT = "Contact: <sip:[service]@[local_ip]:[local_port];transport=[transport]>\n"


def test_a_server_that_is_killed_costs_no_call_that_begins_then(make: Callable[..., Farm]) -> None:
    farm = make(health())
    farm.serve()
    farm.call(times=4)
    assert {"fs1": 2, "fs2": 2} == farm.answered()
    farm.phones[0].close()
    began = time.monotonic()
    farm.call(times=CALLS)
    took = time.monotonic() - began
    assert {"fs1": 2, "fs2": 2 + CALLS} == farm.answered()
    assert took < CALLS * 0.4 + 1.5, "ICMP says at once that nobody is there"


def test_a_server_that_says_nothing_is_left_alone_after_a_few_calls(
    make: Callable[..., Farm],
) -> None:
    farm = make(health(passive_down_after=2, grey_ms=60_000))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", farm.ports[0]))
        farm.serve(farm.ports[1])
        began = time.monotonic()
        farm.call(times=CALLS)
        took = time.monotonic() - began
    assert {"fs1": 0, "fs2": CALLS} == farm.answered()
    assert "grey" == farm.members()["fs1"]["state"]
    assert took < 2 * ANSWER_MS / 1000 + CALLS * 0.4 + 1.5, "two calls found out, no more"


def test_a_server_that_says_503_is_passed_over_for_as_long_as_it_says(
    make: Callable[..., Farm],
) -> None:
    farm = make(health())
    farm.serve(farm.ports[0], script=refusing("503 Service Unavailable", "Retry-After: 60\n"))
    farm.serve(farm.ports[1])
    farm.call(times=CALLS)
    members = farm.members()
    assert (CALLS, 1) == (members["fs2"]["replies"][0], sum(members["fs1"]["replies"]))
    assert "busy" == members["fs1"]["state"]


def test_when_all_say_503_the_caller_hears_it_with_a_time(make: Callable[..., Farm]) -> None:
    farm = make(health())
    farm.serve(script=refusing("503 Service Unavailable"))
    farm.call(final=503)
    assert [1, 1] == [sum(m["replies"]) for m in farm.members().values()]


def test_busy_and_unknown_users_are_told_and_tried_nowhere_else(make: Callable[..., Farm]) -> None:
    for status in ("486 Busy Here", "404 Not Found", "603 Decline"):
        farm = make(health())
        farm.serve(script=refusing(status))
        farm.call(final=int(status[:3]))
        assert 1 == sum(sum(m["replies"]) for m in farm.members().values())
        farm.close()
        farm.edge.down()


def test_a_server_that_is_slow_and_says_so_keeps_its_calls(make: Callable[..., Farm]) -> None:
    farm = make(health())
    farm.serve(script=trying(3 * ANSWER_MS / 1000))
    farm.call(times=1)
    farm.call(times=1)
    assert {"fs1": 1, "fs2": 1} == farm.answered()
    assert 0 == farm.edge.ask("view")["counters"].get("proxy_failed_over", 0)


def test_a_server_that_freezes_for_a_moment_loses_nothing(make: Callable[..., Farm]) -> None:
    farm = make(health(), ports=[free_port()])
    farm.serve()
    server = farm.phones[0].running[0]
    calls = farm.caller("100", "-r", "10", times=30, talk=0.3)
    try:
        for n in range(3):
            wait(lambda n=n: sum(farm.answered().values()) > 4 * n, "calls go through")  # type: ignore[misc]
            server.send_signal(signal.SIGSTOP)
            time.sleep(0.2)  # less than what the edge waits for a first word
            server.send_signal(signal.SIGCONT)
        ended(calls)
    finally:
        server.send_signal(signal.SIGCONT)
    assert {"fs1": 30} == farm.answered()


@with_kamailio
def test_a_kamailio_that_flaps_before_its_servers_costs_no_call(make: Callable[..., Farm]) -> None:
    farm = make(health(200, timeout_ms=150), answer_ms=2_000)
    behind = free_port()
    farm.serve(behind, script=answering(0.0))
    flapping, _ = (farm.kamailio(port, behind) for port in farm.ports)
    calls = farm.caller("100", "-r", "15", times=45)
    for n in range(3):
        wait(lambda n=n: sum(farm.answered().values()) > 6 * n, "calls go through")  # type: ignore[misc]
        flapping.kill()
        time.sleep(0.3)
        flapping.up()
    ended(calls)
    assert farm.answered()["fs2"] > 0
    wait(lambda: "up" == farm.members()["fs1"]["state"], "it is taken back")


@with_kamailio
def test_dialogs_through_two_kamailios_go_on_and_one_that_dies_costs_no_new_call(
    make: Callable[..., Farm],
) -> None:
    farm = make(health(200, timeout_ms=150, down_after=2))
    behind = free_port()
    farm.serve(behind)
    first, _ = (farm.kamailio(port, behind) for port in farm.ports)
    farm.call(times=6)  # ACK and BYE along our Record-Route and Kamailio's
    assert {"fs1": 3, "fs2": 3} == farm.answered()
    first.kill()
    farm.call(times=6)
    assert 9 == farm.answered()["fs2"]
    wait(lambda: "down" == farm.members()["fs1"]["state"], "probes find out")
    first.up()
    wait(lambda: "up" == farm.members()["fs1"]["state"], "and that it is back")
    farm.call(times=4)
    assert {"fs1": 5, "fs2": 11} == farm.answered()


@with_kamailio
def test_a_phone_registers_at_a_kamailio_through_the_edge_and_is_called_along_its_path(
    make: Callable[..., Farm],
) -> None:
    farm = make("path = true\n" + health(), ports=[free_port()])
    farm.kamailio(farm.ports[0], free_port())  # nobody is behind it
    bob = farm.phone(free_port(), "bob")
    register = REGISTER.replace("CSEQ", "1").replace("AUTH", "")
    register = register.replace("Max-Forwards", "Supported: path\nMax-Forwards")
    ended(bob.start(HEAD + register + '<recv response="200"/></scenario>'))
    answers = bob.start(answering(0.05), times=3)
    farm.call("bob", times=3)  # edge, Kamailio, edge, Bob; and all of it again for ACK and BYE
    ended(answers)


@with_kamailio
def test_two_workers_share_what_they_know_and_either_may_die(make: Callable[..., Farm]) -> None:
    farm = make(health(200, timeout_ms=150, down_after=2), answer_ms=2_000, workers=2)
    edge, behind = farm.edge, free_port()
    farm.serve(behind)
    first, _ = (farm.kamailio(port, behind) for port in farm.ports)

    def view(n: int) -> Any:
        return ask(edge.config.worker_socket(n), "view")["front"]

    wait(lambda: 1 == sum(view(n)["prober"] for n in (1, 2)), "one of them probes")
    # callers enough that the kernel gives some to each worker
    talking = [farm.caller(times=2, talk=2.5) for _ in range(8)]
    wait(lambda: 16 <= sum(farm.answered().values()), "all talk", 20)
    prober = next(n for n in (1, 2) if view(n)["prober"])
    dead = edge.kill(f"edge-{prober}")
    edge.until(lambda: edge.pid(f"edge-{prober}") != dead, "replaced")
    for call in talking:
        ended(call)
    wait(lambda: 1 == sum(view(n)["prober"] for n in (1, 2)), "one of them probes again")
    first.kill()
    wait(lambda: all("down" == state(view(n), "fs1") for n in (1, 2)), "both know who is down")


def state(front: Any, name: str) -> str:
    return str(next(m["state"] for p in front["pools"] for m in p["members"] if m["name"] == name))


def test_calls_that_ring_outlive_the_worker_that_did_not_get_them(
    make: Callable[..., Farm],
) -> None:
    """A response reaches any worker; the transaction is of one: its sibling hands it over."""
    farm = make(health(), answer_ms=1_000, workers=2)
    farm.serve(script=answering(1.3))
    calls = [farm.caller(times=3, talk=0.5) for _ in range(8)]
    for call in calls:
        ended(call)
    assert 24 == sum(farm.answered().values())
    counters = farm.edge.ask("view")["counters"]
    assert 0 == counters["proxy_failed_over"], "who has the transaction heard that it rings"
