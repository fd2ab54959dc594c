"""By which way the media of a call passes, and what waits for the relay. Data only; `media` decides.

Towards the relay a party has a tag: "a" is the caller, "b0", "b1" ... are those that were asked (all dialogs of one INVITE
have one), "far" is whoever is in another call.
"""

from msgspec import Struct
from msgspec.structs import replace

from tandem.routing.model.plan import Plan

FAR = "far"
OFFER, ANSWER = "offer", "answer"
RECORDED, PAUSED, STOPPED = "recorded", "recording paused", ""  # what is wanted of a recording


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
    do: str  # ask, respond, ack, tell; move, again: nothing is said
    ref: int  # the transaction: a client number or server handle
    tag: str  # ack: the To tag; tell: the other call; move, again: who is told of, and to whom
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
    relay: str = ""  # which of several; "": the only one
    said: tuple[tuple[str, bytes], ...] = ()  # each party's last description
    before: tuple[str, bytes] | None = (
        None  # a party's description before the offer that has no answer yet
    )
    music: str = ""  # for who is held: names of the relay's sounds, with commas; "": none
    playing: tuple[str, ...] = ()  # who hears it
    record: str = STOPPED  # what is wanted
    recorded: str = STOPPED  # what the relay was told
    moves: int = 0  # how often the relay was another one: so much is added to the version of each description
    clean: str = ""  # what the relay takes out of what the caller says

    def way(self, one: str, other: str) -> Way | None:
        pair = {one, other}
        return next((way for way in self.ways if {way.one, way.other} == pair), None)

    def last(self, party: str) -> bytes:
        """What it told of itself last; b"": nothing."""
        return next((sdp for name, sdp in self.said if name == party), b"")

    def saying(self, party: str, sdp: bytes, *, offered: bool) -> "Media":
        """Once it has told this."""
        others = tuple(pair for pair in self.said if pair[0] != party)
        before = (party, self.last(party)) if offered else None
        return replace(self, said=(*others, (party, sdp)), before=before)

    def refused(self, party: str) -> "Media":
        """Its offer was not taken: what it told before is in force again (RFC 3261 14.1)."""
        if self.before is None or self.before[0] != party:
            return self
        return replace(self.saying(*self.before, offered=False), before=None)

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


def of_plan(plan: Plan, relay: str) -> Media:
    """What a plan says of the media of its call."""
    record = RECORDED if plan.record else STOPPED
    return Media(
        plan.media, plan.srtp, relay=relay, music=plan.music, record=record, clean=plan.clean
    )
