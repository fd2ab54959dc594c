"""Two relays that nobody starts again, and a machine whose calls take one of them. No test."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tandem.testing.machine import Machine
from tandem.testing.relay import RunningRelay


@contextmanager
def two_relays(base: Path) -> Iterator[dict[str, RunningRelay]]:
    made = {}
    for name, least in (("one", 22_000), ("two", 24_000)):
        place = base / name
        place.mkdir()
        made[name] = RunningRelay(place, ports={"min": least, "max": least + 1_999})
    with made["one"], made["two"]:
        yield made


@contextmanager
def served_by(
    base: Path, relays: Mapping[str, RunningRelay], settings: dict[str, dict[str, str]]
) -> Iterator[Machine]:
    """It has no relay of its own."""
    with Machine(base, {"relay": {"enabled": "false"}, **settings}) as made:
        with made.file.open("a") as file:
            for name, relay in relays.items():
                host, port = relay.ng
                file.write(f'[[media.relays]]\nname = "{name}"\nplace = "udp:{host}:{port}"\n')
        made.up()
        yield made
