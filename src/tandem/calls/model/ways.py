"""By which way the media of a call passes, and what waits for the relay. Data only; `media` decides.

Towards the relay a party has a tag: "a" is the caller, "b0", "b1" ... are those that were asked (all dialogs of one INVITE
have one), "far" is whoever is in another call.
"""

from msgspec import Struct
from msgspec.structs import replace

FAR = "far"
OFFER, ANSWER = "offer", "answer"


class Way(Struct, frozen=True, array_like=True):
    """Two parties whose media the relay carries. Who is in no way talks directly."""

    one: str
    other: str
    one_kind: str  # how its media is protected: tandem.media.model.policy
    other_kind: str
    must: bool  # without the relay they cannot talk, or may not


class Wait(Struct, frozen=True, array_like=True):
    """A message that is not sent before the relay has rewritten its description."""

    n: int  # of the question
    do: str  # ask, respond, ack, tell
    ref: int  # the transaction: a client number or server handle
    tag: str  # ack: the To tag; tell: the other call
    verb: str  # offer, answer
    of: str
    to: str
    word: bytes = b""  # tell: what is said
    body: bytes = (
        b""  # the description that the relay is asked about, where it is not the message's own
    )
    at: int = 0  # since when
    doubt: bool = False  # an owner that has died may have said it


class Media(Struct, frozen=True, array_like=True):
    """Of a call that may use the relay. A call whose policy is direct has none."""

    policy: str  # of the caller's side
    srtp: str
    ways: tuple[Way, ...] = ()
    waits: tuple[Wait, ...] = ()
    known: bool = False  # the relay has been asked: it must hear of the end
    failed: str = ""  # why somebody could not be asked for want of the relay

    def way(self, one: str, other: str) -> Way | None:
        pair = {one, other}
        return next((way for way in self.ways if {way.one, way.other} == pair), None)

    def wait(self, do: str, ref: int, tag: str = "") -> Wait | None:
        return next((w for w in self.waits if (w.do, w.ref, w.tag) == (do, ref, tag)), None)

    def without(self, wait: Wait) -> "Media":
        return replace(self, waits=tuple(w for w in self.waits if w is not wait))

    def doubted(self) -> "Media":
        """As an heir takes it over."""
        return replace(self, waits=tuple(replace(w, doubt=True) for w in self.waits))

    def holds(self, do: str, ref: int, tag: str = "") -> bool:
        """Whether this message waits."""
        return self.wait(do, ref, tag) is not None
