"""What is remembered of calls: the CDR and the events behind it. Written in the same save as the fact they record."""

from typing import Annotated

from msgspec import Meta, Struct, msgpack

CDR_STREAM, EVENT_STREAM, STORY_STREAM = "cdr", "events", "stories"
QUALITY_STREAM = "quality"
Time = Annotated[int, Meta(ge=0, le=2**53)]  # microseconds since 1970
Status = Annotated[int, Meta(ge=0, lt=1000)]


class Quality(Struct, frozen=True):
    """What the relay measured of a stream of one party: of what it sent (direction "in"), or of what it got ("out")."""

    leg: str  # a: the caller; b0, b1 ...: whom it was offered; far: a party in another call
    direction: str = "in"
    packets: int = 0
    lost: int = 0
    jitter_ms: float = 0.0
    rtt_ms: float = 0.0
    mos: float = 0.0  # 1 to 4.5 (ITU-T G.107); 0: not known


class Measured(Struct, frozen=True):
    """The media of one call, told at its end, after its CDR."""

    call: str
    at: Time
    streams: tuple[Quality, ...]


class Cdr(Struct, frozen=True):
    """One call, once. Times are microseconds since 1970 at which an edge received the message; 0: it never happened."""

    id: str
    tenant: str
    caller: str
    callee: str
    caller_number: str
    caller_call_id: str
    answered_by: str  # address of record or trunk:id; "" if nobody did
    trunk_in: str
    trunk_out: str
    route: str
    invited_at: Time
    ringing_at: Time
    answered_at: Time
    ended_at: Time
    seconds: float  # from answer to end
    status: Status  # the final status that the caller got
    ended_by: str  # caller, callee, tandem, nobody
    why: str  # hung up, cancelled, declined, busy, no answer, refused, failed, limit, lost, transferred, admin
    tried: tuple[str, ...]  # "bob@demo.example 486", in order
    takeovers: int  # how many times a new owner went on with it
    proof: bool  # the end was seen by nobody; ended_at is the last proof of life
    emergency: bool = False
    quality: tuple[Quality, ...] = ()  # filled in when it is read: what `Measured` brought


class CallEvent(Struct, frozen=True, array_like=True):
    """One thing that happened to a call, for `call why`, presence, wallboards and webhooks."""

    at: int
    call: str
    tenant: str
    what: str  # invited, routed, tried, rang, answered, refused, failed, held, resumed, transferred, adopted, ended, ...
    text: str = ""
    node: int = 0


class Story(Struct, frozen=True, array_like=True):
    """All that happened to one call that has ended, in one record: what `call why` tells later."""

    call: str
    tenant: str
    events: tuple[CallEvent, ...]


_encode = msgpack.Encoder().encode
_cdr = msgpack.Decoder(Cdr)
_event = msgpack.Decoder(CallEvent)
_story = msgpack.Decoder(Story)
_measured = msgpack.Decoder(Measured)


def write(record: Cdr | CallEvent | Story | Measured) -> bytes:
    return _encode(record)


def read_cdr(data: bytes) -> Cdr:
    return _cdr.decode(data)


def read_event(data: bytes) -> CallEvent:
    return _event.decode(data)


def read_story(data: bytes) -> Story:
    return _story.decode(data)


def read_measured(data: bytes) -> Measured:
    return _measured.decode(data)
