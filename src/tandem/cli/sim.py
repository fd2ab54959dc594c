"""`tandem sim`: seeded calls between simulated phones through nodes and edges that die, judged by the oracle. No socket, no clock."""

import time
from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from tandem.cli.desk import terminal
from tandem.config import BadConfig
from tandem.testing.sim.faults import Faults
from tandem.testing.sim.oracle import wrong
from tandem.testing.sim.phone import TCP, UDP
from tandem.testing.sim.scenario import FLOWS, play, run_seed, seeded
from tandem.testing.sim.story import faults_told, name, picture
from tandem.testing.sim.world import World

RUN_SECONDS = 30.0
WORST_SHOWN = 5  # runs that failed; then it stops
TRANSPORTS = {"udp": UDP, "tcp": TCP}
Run = tuple[str, World, list[str]]  # what it was, how it went, what is wrong with it


def sim(
    *,
    seconds: Annotated[float, Parameter(help="Run seeds for this long.")] = RUN_SECONDS,
    first: Annotated[int, Parameter(help="The first seed.")] = 1,
    seed: Annotated[int | None, Parameter(help="Only this one, shown as a ladder.")] = None,
    seeds: Annotated[str, Parameter(help="Seeds A-B, both included, however long it takes.")] = "",
    flow: Annotated[str, Parameter(help="One flow by name; 'list' names them all.")] = "",
    kill_at: Annotated[
        list[int] | None, Parameter(help="At which of the flow's points its owner dies, from 1.")
    ] = None,
    over: Annotated[str, Parameter(help="Transports of a flow's caller and callee.")] = "udp-udp",
    show_ladder: Annotated[
        bool, Parameter(name="--ladder", negative="", help="Also of runs that went well.")
    ] = False,
) -> int:
    """Play seeded calls with loss, repeats, pauses and killed processes. The same seed gives the same run.

    Exit status 1: a run broke a promise; it is shown as a ladder.
    """
    if flow == "list":
        print("\n".join(FLOWS))
        return 0
    one = seed is not None or bool(flow)
    began, count, deaths, failed = time.monotonic(), 0, 0, 0
    for what, world, found in runs(seconds, first, seed, seeds, flow, kill_at or [], over):
        count, failed = count + 1, failed + bool(found)
        deaths += sum(" dies" in text for _, text in world.marks)
        if one or found or show_ladder:
            print(f"{what}\n")
            terminal().print(picture(world), soft_wrap=True)
        for text in found:
            print(f"WRONG {text}")
        if failed == WORST_SHOWN:
            break
    took = time.monotonic() - began
    print(f"{count} runs, {deaths} deaths, {failed} broken, {took:.0f} s")
    return 1 if failed else 0


def runs(
    seconds: float,
    first: int,
    seed: int | None,
    seeds: str,
    flow: str,
    kill_at: list[int],
    over: str,
) -> Iterator[Run]:
    """What the arguments ask for. Raises BadConfig."""
    if flow:
        yield flow_run(flow, kill_at, over)
    elif seed is not None:
        yield seed_run(seed)
    elif seeds:
        yield from map(seed_run, numbers(seeds))
    else:
        end, number = time.monotonic() + seconds, first
        while time.monotonic() < end:
            yield seed_run(number)
            number += 1


def seed_run(number: int) -> Run:
    world, found = run_seed(number)
    return f"seed {number}: {told(*seeded(number))}", world, found


def flow_run(flow: str, kill_at: list[int], over: str) -> Run:
    if flow not in FLOWS:
        raise BadConfig(f"--flow: there is no flow {flow!r}; there are: {', '.join(FLOWS)}")
    names = over.split("-")
    if len(names) != 2 or not set(names) <= set(TRANSPORTS):
        raise BadConfig(f"--over: {over!r} is not udp-udp, udp-tcp, tcp-udp or tcp-tcp")
    alice, bob = (TRANSPORTS[transport] for transport in names)
    faults = Faults(kill_at=tuple(kill_at))
    world = play(flow, faults, alice=alice, bob=bob)
    return f"{told(flow, faults, alice, bob)} ({world.points} points)", world, wrong(world)


def told(flow: str, faults: Faults, alice: int, bob: int) -> str:
    return f"{flow!r}, alice on {name(alice)}, bob on {name(bob)}, {faults_told(faults)}"


def numbers(text: str) -> range:
    """A-B, or one number. Raises BadConfig."""
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        raise BadConfig(f"--seeds: {text!r} is not A-B")
    return range(int(first), int(last if dash else first) + 1)
