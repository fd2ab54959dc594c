"""`tandem sim`: seeded calls between simulated phones through nodes and edges that die, judged by the oracle. No socket, no clock."""

import time
from dataclasses import fields
from typing import Annotated, Any

from cyclopts import Parameter

from tandem.cli.desk import terminal
from tandem.cli.ladder import LadderMessage, Mark, ladder

RUN_SECONDS = 30.0
WORST_SHOWN = 5  # seeds that failed


def sim(
    *,
    seconds: Annotated[float, Parameter(help="Run seeds for this long.")] = RUN_SECONDS,
    first: Annotated[int, Parameter(help="The first seed.")] = 1,
    seed: Annotated[int | None, Parameter(help="Only this one, shown as a ladder.")] = None,
) -> int:
    """Play seeded calls with loss, repeats, pauses and killed nodes. The same seed gives the same run.

    Exit status 1: a seed broke a promise; it is printed, and `tandem sim --seed N` shows it.
    """
    from tandem.testing.sim.scenario import run_seed, seeded

    if seed is not None:
        world, wrong = run_seed(seed)
        print(f"seed {seed}: {_told(*seeded(seed))}\n")
        terminal().print(_ladder(world), soft_wrap=True)
        for one in wrong:
            print(f"WRONG {one}")
        return 1 if wrong else 0
    began, number, deaths = time.monotonic(), first, 0
    failed: list[int] = []
    while time.monotonic() - began < seconds and len(failed) < WORST_SHOWN:
        world, wrong = run_seed(number)
        deaths += sum(" dies" in text for _, text in world.marks)
        if wrong:
            failed.append(number)
            print(f"seed {number} broke a promise: {wrong[0]}  (tandem sim --seed {number})")
        number += 1
    took = time.monotonic() - began
    print(f"{number - first} seeds, {deaths} deaths, {len(failed)} broken, {took:.0f} s")
    return 1 if failed else 0


def _told(name: str, faults: Any, alice: int, bob: int) -> str:
    transports = {1: "UDP", 2: "TCP"}
    chosen = [f"{field.name} {getattr(faults, field.name)}" for field in fields(faults)]
    return f"{name!r}, alice on {transports[alice]}, bob on {transports[bob]}\n" + ", ".join(chosen)


def _ladder(world: Any) -> Any:
    """What phones and edges said. What an edge said that died since is not kept."""
    heard = [(at, True, host, data) for at, _, _, host, data in world.wire]
    said = [(at, False, host, data) for edge in world.edges for at, _, _, host, data in edge.said]
    messages = [
        LadderMessage(at, inbound, "", "tandem", host, data.decode("latin-1"))
        for at, inbound, host, data in heard + said
    ]
    marks = [Mark(at, text, death=" dies" in text) for at, text in world.marks]
    return ladder(messages, marks, caller="alice", callee="bob")
