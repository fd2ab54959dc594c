"""Every flow of this directory again, with its owner killed at each point of it: before each save and after each sending.

TANDEM_SWEEP=all plays every pair of points too (about 20 minutes of one core); otherwise pairs are drawn by lot.
"""

import importlib.util
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tandem.testing.actor import TCP, UDP
from tandem.testing.flows import CALM, Play
from tandem.testing.sim.faults import Faults

PAIRS = 2  # per flow and transport, where not all are played
ALL = os.environ.get("TANDEM_SWEEP") == "all"
# An heir that comes just before 64*T1 are over has not repeated the 2xx often enough to judge: hangup.no_ack.
LEFT_TO_THE_SESSION_TIMER = {"test_an_answer_that_nobody_acknowledges_ends_the_call"}

SWEEPS = {"test_crash_sweep", "test_relayed_flows"}  # they play the flows of the others

Flow = Callable[[Play], None]


def flows() -> Iterator[Any]:
    """Each test of this directory, once per set of its parameters."""
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        if file.stem in SWEEPS:
            continue
        module = loaded(file)
        media = getattr(module, "MEDIA", "")
        for name, test in vars(module).items():
            if name.startswith("test_") and name not in LEFT_TO_THE_SESSION_TIMER:
                for number, values in enumerate(parameters(test)):
                    yield pytest.param(bound(test, values), media, id=f"{name[5:]}-{number}")


def loaded(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"flows_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parameters(test: Flow) -> list[dict[str, object]]:
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    if not marks:
        return [{}]
    (mark,) = marks
    names = [mark.args[0]] if isinstance(mark.args[0], str) else list(mark.args[0])
    rows = [row if len(names) > 1 else (row,) for row in mark.args[1]]
    return [dict(zip(names, row, strict=True)) for row in rows]


def bound(test: Any, values: dict[str, object]) -> Flow:
    return lambda play: test(play, **values)


def points(flow: Flow, media: str, transport: int) -> int:
    """How many places there are in it where an owner can die."""
    play = Play(transport=transport, media=media)
    flow(play)
    return play.world.points


@pytest.mark.slow
@pytest.mark.parametrize("transport", [UDP, TCP])
@pytest.mark.parametrize(("flow", "media"), list(flows()))
def test_the_flow_holds_with_its_owner_killed_at_every_point(
    flow: Flow, media: str, transport: int
) -> None:
    count = points(flow, media, transport)
    kills: list[tuple[int, ...]] = [(first,) for first in range(1, count + 1)]
    every = [
        (first, second) for first in range(1, count + 1) for second in range(first + 1, count + 8)
    ]
    kills += every if ALL else random.Random(count).sample(every, min(PAIRS, len(every)))
    broken = [found for kill in kills if (found := outcome(flow, media, kill, transport))]
    assert [] == broken


def outcome(flow: Flow, media: str, kill: tuple[int, ...], transport: int) -> str:
    """What is wrong when the owner dies there; "" when nothing is."""
    play = Play(with_kills(kill), transport=transport, media=media)
    try:
        flow(play)
    except AssertionError as error:
        return f"killed at {kill}: {str(error)[:300]}"
    return ""


def with_kills(kill: tuple[int, ...]) -> Faults:
    return replace(CALM, kill_at=kill)
