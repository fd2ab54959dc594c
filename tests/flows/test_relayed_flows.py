"""Every flow of this directory with its media through the relay: what it promises holds, and nobody is told anybody's own address."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tandem.testing.actor import TCP, UDP
from tandem.testing.flows import Play

spec = importlib.util.spec_from_file_location(
    "sweep", Path(__file__).with_name("test_crash_sweep.py")
)
assert spec is not None and spec.loader is not None
sweep: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sweep)
FLOWS = [one for one in sweep.flows() if not one.values[1]]


@pytest.mark.parametrize("transport", [UDP, TCP])
@pytest.mark.parametrize(("flow", "media"), FLOWS)
def test_the_flow_holds_through_the_relay(flow: Any, media: str, transport: int) -> None:
    flow(Play(transport=transport, media="relay"))


@pytest.mark.slow
@pytest.mark.parametrize("transport", [UDP, TCP])
@pytest.mark.parametrize(("flow", "media"), FLOWS)
def test_the_relayed_flow_holds_with_its_owner_killed_at_every_point(
    flow: Any, media: str, transport: int
) -> None:
    sweep.test_the_flow_holds_with_its_owner_killed_at_every_point(flow, "relay", transport)
