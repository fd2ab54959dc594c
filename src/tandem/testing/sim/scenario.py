"""The flows that runs play, and what a seed makes of them: who calls whom over what, what people do, what fails when."""

import random
from dataclasses import dataclass, replace

from tandem.testing.sim.clock import SECOND, START
from tandem.testing.sim.faults import Faults
from tandem.testing.sim.oracle import wrong
from tandem.testing.sim.phone import TCP, UDP, Habits
from tandem.testing.sim.world import World

RUN_SECONDS = 260.0


@dataclass(frozen=True)
class Flow:
    """One thing that two phones do."""

    alice: Habits
    bob: Habits
    away: bool = False  # bob is not registered


FLOWS: dict[str, Flow] = {
    "answered": Flow(Habits(hang_up_after=20), Habits(answer_after=3)),
    "callee hangs up": Flow(Habits(), Habits(answer_after=3, hang_up_after=12.5)),
    "declined": Flow(Habits(), Habits(decline_after=2)),
    "declined everywhere": Flow(Habits(), Habits(decline_after=2, decline_with=603)),
    "no answer": Flow(Habits(), Habits()),
    "cancel": Flow(Habits(cancel_after=5), Habits()),
    "cancel at once": Flow(Habits(cancel_after=0.01), Habits(answer_after=4)),
    "cancel crosses answer": Flow(
        Habits(cancel_after=5.05), Habits(answer_after=5.04, hang_up_after=30)
    ),
    "answer just before cancel": Flow(
        Habits(cancel_after=5.05), Habits(answer_after=4.98, hang_up_after=30)
    ),
    "both hang up at once": Flow(Habits(hang_up_after=9), Habits(answer_after=3, hang_up_after=9)),
    "late offer": Flow(Habits(late_offer=True, hang_up_after=15), Habits(answer_after=3)),
    "hold": Flow(Habits(hold_after=4, hang_up_after=15), Habits(answer_after=2)),
    "glare": Flow(Habits(hold_after=4, hang_up_after=15), Habits(answer_after=2, hold_after=4)),
    "info": Flow(Habits(info_after=4, hang_up_after=15), Habits(answer_after=2)),
    "reliable ringing": Flow(Habits(hang_up_after=15), Habits(answer_after=4, reliable=True)),
    "nobody there": Flow(Habits(), Habits(), away=True),
    "long call": Flow(Habits(hang_up_after=150), Habits(answer_after=2)),
}


def play(
    name: str, faults: Faults, *, seed: int = 0, alice: int = UDP, bob: int = UDP, media: str = ""
) -> World:
    """One flow under these faults, until all is quiet; media: its policy, "" without a relay."""
    flow = FLOWS[name]
    world = World(seed, faults, media=media)
    caller = world.phone("alice", alice, flow.alice)
    world.phone("bob", bob, replace(flow.bob, rings_on=faults.rings_on))
    if flow.away:
        world.directory.contacts_of.pop("bob@sim")
    world.clock.at(START + SECOND, lambda: caller.call("sip:bob@sim") and None)
    world.run(RUN_SECONDS)
    return world


def seeded(seed: int) -> tuple[str, Faults, int, int]:
    """What a seed stands for."""
    dice = random.Random(seed * 7919 + 1)
    name = dice.choice(sorted(FLOWS))
    faults = Faults(
        loss=dice.choice((0.0, 0.0, 0.02, 0.1)), duplicate=dice.choice((0.0, 0.02, 0.1)), delay_most=dice.choice((0.005, 0.05, 0.2)),
        save_timeouts=dice.choice((0.0, 0.0, 0.1)), takeover_after=dice.choice((0.05, 0.3, 2.5)),
    )  # fmt: skip
    kills = tuple(
        sorted(round(1 + dice.random() * 25, 3) for _ in range(dice.choice((0, 1, 1, 2, 3))))
    )
    faults = replace(
        faults,
        kills=kills,
        kill_at=tuple(dice.randrange(1, 60) for _ in range(dice.choice((0, 1, 2)))),
    )
    if dice.random() < 0.25:
        faults = replace(
            faults, pauses=((round(1 + dice.random() * 20, 3), dice.choice((3.0, 10.0, 40.0))),)
        )
    alice, bob = dice.choice((UDP, TCP)), dice.choice((UDP, TCP))
    if dice.random() < 0.25:
        faults = replace(
            faults, edge_kills=(round(1 + dice.random() * 20, 3),), rings_on=dice.random() < 0.75
        )
    return name, faults, alice, bob


def run_seed(seed: int) -> tuple[World, list[str]]:
    name, faults, alice, bob = seeded(seed)
    world = play(name, faults, seed=seed, alice=alice, bob=bob)
    return world, wrong(world)
