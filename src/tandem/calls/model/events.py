"""What can happen to a call, beyond what the core reports (tandem.boundary): placed, ticked, told, commanded."""

from msgspec import Struct

from tandem.boundary import Failed, Request, Response
from tandem.calls.model.call import Contact
from tandem.routing.model.plan import Plan, Refusal


class Placed(Struct, frozen=True, array_like=True, tag=101):
    """An INVITE without To tag, with what routing and the registrar say of it."""

    request: Request
    plan: Plan | Refusal
    contacts: dict[str, tuple[Contact, ...]]
    full: tuple[str, ...] = ()  # limits that are used up
    merged: bool = False  # the same request came by another path (RFC 3261 8.2.2.2)
    relay: str = ""  # that its media would pass; "": the only one


class Ticked(Struct, frozen=True, array_like=True, tag=102):
    """Something that the call wanted at a time may be due."""


class FlowLost(Struct, frozen=True, array_like=True, tag=103):
    """A request could not be sent; where the same phone can be reached now."""

    failed: Failed
    contacts: tuple[Contact, ...]


class Rerouted(Struct, frozen=True, array_like=True, tag=104):
    """A 3xx or a REFER, with what routing says of the new target."""

    cause: Response | Request
    plan: Plan | Refusal
    contacts: dict[str, tuple[Contact, ...]]


class HangUp(Struct, frozen=True, array_like=True, tag=105):
    """Somebody at a desk ends the call."""

    by: str


class Record(Struct, frozen=True, array_like=True, tag=116):
    """Somebody at a desk wants the call to be recorded, or not: RECORDED, PAUSED or STOPPED of ways."""

    by: str
    wanted: str


class Told(Struct, frozen=True, array_like=True, tag=110):
    """Another call says something (tell.py)."""

    sender: str
    id: int  # counts up per sender
    body: bytes


class Untold(Struct, frozen=True, array_like=True, tag=111):
    """There is no such call as the one that this was meant for."""

    to: str
    body: bytes


class Lapsed(Struct, frozen=True, array_like=True, tag=106):
    """A new owner found this effect in the outbox, too late to be repeated."""

    do: str
    ref: int


class Move(Struct, frozen=True, array_like=True, tag=107):
    """Somebody at a desk transfers one side of the call."""

    by: str
    leg: str  # "caller" or "callee": who is connected anew
    to: str
    plan: Plan | Refusal
    contacts: dict[str, tuple[Contact, ...]]


class CallerGone(Struct, frozen=True, array_like=True, tag=109):
    """The connection over which the caller waits for its answer is gone: nothing that is said there arrives."""

    at: int


class Related(Struct, frozen=True, array_like=True, tag=112):
    """The relay has rewritten the description of question `n`."""

    n: int
    body: bytes


class Unrelated(Struct, frozen=True, array_like=True, tag=113):
    """It has not: it is away, or (`refused`) it will not."""

    n: int
    why: str
    refused: bool = False


class Unplayed(Struct, frozen=True, array_like=True, tag=117):
    """The relay has not done what its audio engine was asked for: why."""

    why: str


class Unheard(Struct, frozen=True, array_like=True, tag=114):
    """The relay has heard nothing from this party for its time-out; or (`why`) it never will again, held or not."""

    party: str
    at: int = 0
    why: str = ""


class Moved(Struct, frozen=True, array_like=True, tag=115):
    """Its media passes by another relay from now on, because (`why`) the one before is gone or is to be left."""

    relay: str
    why: str
    at: int
    gone: bool = True  # False: the one before still carries it, and may go on if the parties refuse
