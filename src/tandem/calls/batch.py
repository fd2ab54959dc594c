"""What the shell holds of a call between two saves, what one group commit is, and what the shell asks of other rooms."""

from typing import Protocol

from msgspec import Struct

from tandem.boundary import Command, Request, Response
from tandem.calls.model.call import Call, Contact, Effect
from tandem.calls.model.step import Event
from tandem.routing.model.plan import Plan, Refusal


class Save(Struct, frozen=True):
    """One row to be saved, compare-and-set on epoch and version, with the records that belong to it."""

    key: str
    epoch: int
    version: int
    writer: int
    expires_at: int
    row: bytes | None
    logs: list[tuple[str, bytes]]


class Outside(Protocol):
    """What the shell asks of other rooms, synchronously and without side effects."""

    def place(self, request: Request) -> tuple[Plan | Refusal, dict[str, tuple[Contact, ...]]]: ...
    def elsewhere(
        self, call: Call, cause: Response | Request
    ) -> tuple[Plan | Refusal, dict[str, tuple[Contact, ...]]]: ...
    def contacts(self, aor: str) -> tuple[Contact, ...]: ...


class Live:
    """A call that this node owns, between two saves."""

    __slots__ = (
        "adopted_at",
        "call",
        "done",
        "due",
        "flows",
        "heard",
        "in_flight",
        "mark",
        "outbox",
        "told",
        "unsaved",
        "version",
        "waiting",
    )

    def __init__(
        self,
        call: Call | None,
        version: int,
        outbox: tuple[Effect, ...] = (),
        heard: tuple[tuple[str, int], ...] = (),
    ) -> None:
        self.call = call
        self.version = version
        self.outbox = outbox
        self.heard = heard
        self.done = False  # the outbox has reached the edges
        self.in_flight = False
        self.mark = 0  # counts up with everything that is said
        self.unsaved = False  # it has said what only its next save will show
        self.waiting: list[Event] = []
        self.due = 0
        self.adopted_at = 0  # when it was taken over, until its story tells so
        self.told: set[int] = set()  # words in the outbox that their receivers have saved
        self.flows: set[tuple[int, int]] = set()  # connections on which something is open

    @property
    def is_idle(self) -> bool:
        """Whether the store has all of it."""
        return self.done and not (self.in_flight or self.waiting or self.unsaved)


class Following(Struct):
    """What a call says without a save: it follows from what is saved, and an heir would come to say it too."""

    key: str
    live: Live
    effects: tuple[Effect, ...]
    mark: int


class Batch(Struct):
    """One group commit: what to save, and what to do when it is saved."""

    saves: list[Save]
    lives: list[Live]
    effects: list[tuple[Effect, ...]]
    taken: list[list[tuple[int, int]]]
    loose: list[Command]  # commands of events that changed no row
    words: list[list[tuple[str, int]]] = []  # what each row has heard from others with this save
    marks: list[int] = []  # Live.mark of each
    following: list[Following] = []
