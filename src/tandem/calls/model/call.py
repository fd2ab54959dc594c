"""The values of a call: legs, attempts to reach a callee, open transactions. Data only; `step` decides.

A call has a caller's side ("a") and a callees' side ("b"). Each attempt to reach somebody is a client INVITE; each
dialog that it makes is a leg b0, b1, ..., and the dialog that the caller sees for it is a0, a1, ... with a tag of its own.
"""

from msgspec import Struct

from tandem.boundary import Flow, Response
from tandem.calls.model.ways import Media
from tandem.records.model import CallEvent
from tandem.routing.model.plan import HeaderRule, Target

SCHEMA = 1
T1 = 500_000  # microseconds, RFC 3261 17.1.1.1
LINGER = 64 * T1  # how long a transaction may be repeated by a peer

SETUP, TALKING, ENDED = "setup", "talking", "ended"
EARLY, ANSWERED, CONFIRMED, GONE = (
    "early",
    "answered",
    "confirmed",
    "gone",
)  # a leg; ANSWERED: 2xx without its ACK

DIALOGS_PER_CALL = 32
TRANSACTIONS_PER_CALL = 64
BODY_BYTES = 16_384
STORY_EVENTS = 64  # what a call remembers of what happened to it


class Contact(Struct, frozen=True, array_like=True):
    """One binding of a user, as the registrar gives it, or the address of a trunk."""

    uri: str
    flow: Flow
    q: float = 1.0
    instance: str = ""
    path: str = ""
    reg_id: int = 0  # RFC 5626: one of several flows of its instance; 0: not one of them


class Session(Struct, frozen=True, array_like=True):
    """RFC 4028: this dialog must be refreshed before `until`; by us when `ours`."""

    interval: int = 0  # seconds; 0: no session timer
    ours: bool = False
    until: int = 0


class Leg(Struct, frozen=True, array_like=True):
    """One dialog between a peer and us."""

    name: str  # a0, b0, ...
    peer: str  # the leg at the other end of the call; "" when there is none yet
    state: str
    call_id: str
    local: str  # our From or To value without tag
    local_tag: str
    remote: str
    remote_tag: str
    target: str  # Request-URI for requests to the peer: its Contact
    routes: tuple[str, ...]
    flow: Flow
    local_cseq: int
    remote_cseq: int
    aor: str = ""  # whose phone it is, so that a lost flow can be looked up again
    instance: str = ""
    trunk: str = ""
    contact: str = ""  # options of our Contact towards this peer (boundary.md, 3)
    supports: frozenset[str] = frozenset()  # option tags of its Supported and Require
    allows_update: bool = False
    seen_at: int = 0  # its last sign of life in the dialog
    answered_at: int = 0
    held: bool = False
    bye: bool = False  # we must hang up as soon as the ACK is here (RFC 3261 15)
    session: Session = Session()
    rseq: int = 0  # last reliable provisional: ours on side a, the callee's on side b
    sdp: bytes = b""  # what the peer last told of its media, while the call is set up
    bound: str = ""  # the Contact URI that its phone has registered


class Attempt(Struct, frozen=True, array_like=True):
    """One INVITE towards one contact or trunk."""

    n: int  # its client transaction
    leg: str  # the leg that its INVITE named
    stage: int
    target: Target
    contact: Contact
    status: int = 0  # last status; 0: none yet
    rang: bool = False  # a provisional above 100 was seen: no other carrier may be tried
    cancelled: bool = False
    logins: int = 0  # how often we answered a challenge
    depth: int = 0  # how many redirections led here


class Server(Struct, frozen=True, array_like=True):
    """A request that we received and have not yet forgotten."""

    txn: int
    method: str
    leg: str  # "" for the INVITE that made the call
    flow: Flow
    vias: str
    head: str  # From, To (without our tag), Call-ID, CSeq and Record-Route lines for responses
    call_id: str
    cseq: int
    tagged: bool  # the To value already carries our tag
    status: int = 0
    message: bytes = b""  # the last response, without Via and Contact
    contact: str = ""
    reliable: bool = False
    acked: bool = False
    at: int = 0  # when the last response was decided
    ended_at: int = 0
    rest: str = ""
    cut: int = 0  # since when a 2xx without ACK has no connection and its phone is waited for


class Remembered(Struct, frozen=True, array_like=True):
    """The ACK to one 2xx, kept for the repeats of that 2xx."""

    branch: int
    to_tag: str
    message: bytes
    flow: Flow


class Client(Struct, frozen=True, array_like=True):
    """A request that we sent and have not yet forgotten."""

    n: int
    method: str
    leg: str
    flow: Flow
    contact: str
    call_id: str
    message: bytes
    at: int
    serves: int = 0  # the server transaction that waits for its answer
    why: str = ""  # invite, relay, bye, cancel, refresh, notify, offer, join, prack
    cseq: int = 0
    quiet: bool = False
    proceeding: bool = False
    branch_of: int = 0
    ended_at: int = 0
    acks: tuple[Remembered, ...] = ()
    logins: int = 0
    cut: int = 0  # since when its connection is gone and its phone is waited for

    @property
    def has_body(self) -> bool:
        """For an INVITE or UPDATE: it makes an offer."""
        return b"\r\n\r\n" in self.message and not self.message.endswith(b"\r\n\r\n")


class Caller(Struct, frozen=True, array_like=True):
    """What the INVITE that made the call said, as far as it is needed again."""

    from_: str
    to: str
    uri: str
    name: str
    number: str
    identity: str  # address of record, trunk:id or stranger:domain
    contact: str
    max_forwards: int
    special: dict[str, list[str]]
    rest: str
    content_type: str
    body: bytes
    trusted: bool
    cseq: int


class Joining(Struct, frozen=True, array_like=True):
    """Another call wants the place of one of our legs: our re-INVITE `n` to the leg that stays is under way."""

    by: str  # the other call
    leg: str  # who is replaced
    n: int
    who: str  # its party


class Transfer(Struct, frozen=True, array_like=True):
    """A REFER that is being carried out: `by` asked that `moved` be connected to somebody else."""

    by: str
    moved: str
    cseq: int  # of the REFER: the Event id of its NOTIFYs
    to: str
    n: int = 0  # the attempt's client transaction
    offer: int = 0  # the re-INVITE's client transaction
    done: bool = False
    told: str = ""  # the other half, whose party asked for it by REFER
    call: str = ""  # attended: the other call, of ours, that is to be joined


class Moving(Struct, frozen=True, array_like=True):
    """The media is on its way to another relay; `moving` has the stages."""

    stage: str
    old: str  # the relay before
    gone: bool  # it carries nothing any more
    alone: bool  # only who was asked to talk is told: the caller's answer has come from the new one
    n: int = 0  # of our re-INVITE, or of the question to the relay
    at: int = 0  # not before
    tries: int = 0


class Call(Struct, frozen=True, array_like=True):
    """Everything that a new owner needs to go on."""

    id: str
    shard: int
    state: str
    tenant: str
    caller: Caller
    callee: str
    stages: tuple[tuple[Target, ...], ...]
    contacts: dict[str, tuple[Contact, ...]]  # by address of record, as they were at the start
    stage: int
    legs: tuple[Leg, ...]
    attempts: tuple[Attempt, ...]
    servers: tuple[Server, ...]
    clients: tuple[Client, ...]
    invite: int  # the caller's INVITE: its server transaction
    next_n: int
    next_leg: int
    bridge: tuple[str, str]  # the two legs that talk
    invited_at: int
    give_up_at: int = 0
    ringing_at: int = 0
    answered_at: int = 0
    ended_at: int = 0
    end_at: int = 0  # maximum duration
    look_at: int = 0  # when to look again for phones whose connection is gone
    tick_at: int = 0  # the next 1xx towards the caller, so that no proxy gives up (13.3.1.1)
    final: int = 0  # the final status that the caller got
    limits: tuple[str, ...] = ()
    max_seconds: int = 0
    emergency: bool = False
    trunk_in: str = ""
    tried: tuple[str, ...] = ()
    best: int = 0
    best_rest: str = ""
    redirects: int = 0
    takeovers: int = 0
    transfer: Transfer | None = None
    inbound_headers: tuple[HeaderRule, ...] = ()
    pending: tuple[int, ...] = ()  # server transactions that wait for their turn
    later: tuple[
        Response, ...
    ] = ()  # provisionals that wait for the PRACK to the one before (RFC 3262 3)
    story: tuple[CallEvent, ...] = ()
    stub: str = ""  # the call that holds the other end, after an attended transfer or a pick-up
    joining: Joining | None = None
    answered_by: str = ""  # the party in the other call
    media: Media | None = None  # None: this node has no relay
    moving: Moving | None = None


class Effect(Struct, frozen=True, array_like=True):
    """Something to be said once: it names a transaction of the row; `until` is when it must no longer be repeated."""

    do: str  # respond, ask, ack, stop, forget, tell, media
    ref: int  # server handle, or client number; tell, media: its own number
    tag: str = ""  # ack: the to_tag; tell: the other call's id; media: epoch and version
    until: int = 0
    version: int = 0
    body: bytes = b""  # tell: the word; media: what is not said in `Call.media`


class Row(Struct, frozen=True, array_like=True):
    """What the store keeps of a call."""

    schema: int
    call: Call
    outbox: tuple[Effect, ...]
    heard: tuple[tuple[str, int], ...] = ()  # the highest Tell per sender
