"""What one call tells another one (DESIGN 2: between two values there are only messages). Words only, no behaviour.

A word is an effect ("tell") of the sender's row until the receiver's row has it; `Row.heard` drops its repeats.
"""

from msgspec import Struct, msgpack

from tandem.calls.model.call import Contact
from tandem.routing.model.plan import Plan

FOR_EVER = 1 << 62  # a word is repeated until it is taken, however late


class Join(Struct, frozen=True, array_like=True, tag=1):
    """Replace your dialog with these tags (RFC 3891) by me; `body` is my party's offer, empty when yours shall make it."""

    tag: str  # ours in that dialog
    peer_tag: str
    tenant: str
    who: str  # my party: address of record or trunk:id
    early_only: bool
    content_type: str
    body: bytes


class Joined(Struct, frozen=True, array_like=True, tag=2):
    """You are connected with my party; `body` is its answer, or its offer when you made none."""

    who: str
    lines: str
    content_type: str
    body: bytes


class Refused(Struct, frozen=True, array_like=True, tag=3):
    """I do not join you."""

    status: int


class Passed(Struct, frozen=True, array_like=True, tag=4):
    """My party's request in the dialog, for yours."""

    ref: int  # its server transaction
    method: str
    lines: str
    content_type: str
    body: bytes


class Replied(Struct, frozen=True, array_like=True, tag=5):
    """What your party's request got from mine."""

    ref: int
    status: int
    reason: str
    lines: str
    content_type: str
    body: bytes
    offers: bool = False  # the request made no offer: `body` does


class Answered(Struct, frozen=True, array_like=True, tag=6):
    """The answer to a late offer, from my party's ACK: to the request `ref`, or (0) to the joining itself."""

    ref: int
    who: str
    content_type: str
    body: bytes


class Moved(Struct, frozen=True, array_like=True, tag=8):
    """My party asked by REFER that yours be connected elsewhere: do so, and tell me how it goes."""

    plan: Plan
    contacts: dict[str, tuple[Contact, ...]]


class Progress(Struct, frozen=True, array_like=True, tag=9):
    """How that goes: a SIP status, for the NOTIFY. After a 2xx I am no longer your other half."""

    status: int


class Left(Struct, frozen=True, array_like=True, tag=7):
    """My party is gone."""

    by: str  # caller, callee, tandem, nobody
    lines: str


Described = Join | Joined | Passed | Replied | Answered  # words that may carry a description
Word = Join | Joined | Refused | Passed | Replied | Answered | Moved | Progress | Left

_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(Word)


def write(word: Word) -> bytes:
    return _encode(word)


def read(data: bytes) -> Word:
    word: Word = _decode.decode(data)
    return word
