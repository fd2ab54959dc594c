"""What a supervisor is told: children, their sockets and their environment. It starts nothing."""

from collections.abc import Mapping
from pathlib import Path
from socket import socket
from typing import Protocol

from msgspec import Struct

from tandem.config import Listen


class Wanted(Struct, frozen=True):
    """A socket that the supervisor holds: an address, or the path of a Unix socket."""

    at: Listen | Path
    field: str = ""  # of the configuration, for refusals
    group: str = ""  # sockets of one group share their port (SO_REUSEPORT)


class Reload(Struct, frozen=True):
    """What a configuration that was read again asks for."""

    house: "House"
    restart: frozenset[str] = frozenset()  # children that must begin anew
    tell: frozenset[str] = frozenset()  # children that get SIGHUP


class House(Protocol):
    """One configuration, as a supervisor needs it. A reload makes a new one."""

    @property
    def file(self) -> Path:
        """The configuration's path."""

    @property
    def data(self) -> Path:
        """Where everything is kept."""

    @property
    def run(self) -> Path:
        """For sockets and process numbers."""

    @property
    def log_dir(self) -> Path:
        """For a file per child."""

    @property
    def names(self) -> tuple[str, ...]:
        """Children in the order of their start."""

    @property
    def last(self) -> frozenset[str]:
        """Those that stop when all others are gone."""

    @property
    def wanted(self) -> Mapping[str, Wanted]:
        """Every socket by its key."""

    @property
    def listens(self) -> tuple[str, ...]:
        """Keys of the sockets that peers know."""

    @property
    def http(self) -> str:
        """Key of the API's socket; "": there is none."""

    def keys(self, child: str) -> tuple[str, ...]:
        """Of the sockets that a child inherits."""

    def command(self, child: str) -> list[str]:
        """What to run."""

    def environ(self, child: str, sockets: Mapping[str, socket]) -> dict[str, str]:
        """What a child finds in its environment, beside ours."""

    def reload(self) -> Reload:
        """The file read again; raises BadConfig."""
