"""What crosses between the Rust core and Python: events up, commands down. Formats only, no behaviour.

Each is a msgpack array whose first element is the number given as `tag`. SIP text is `str` with one character per
byte (latin-1); bodies are `bytes`; times are microseconds since 1970. docs/concepts/boundary.md has the picture.
"""

from msgspec import Struct, msgpack


class Flow(Struct, frozen=True, array_like=True):
    """Where a message came from and where its answer goes: an edge, and a connection or a datagram peer."""

    edge: int
    connection: int  # 0 for UDP, and for "connect to this address" on a stream
    transport: int  # UDP, TCP, TLS, WS, WSS below
    local: int  # index into the edge's listening addresses
    host: str  # remote IP address, without brackets
    port: int


AUTO = 0  # of a trunk: what DNS says (RFC 3263)
UDP, TCP, TLS, WS, WSS = 1, 2, 3, 4, 5


class Request(Struct, frozen=True, array_like=True, tag=1):
    """A new server transaction. CANCEL too: its `call` is that of the INVITE that it cancels."""

    seq: int  # the link's number of the frame, for Taken
    at: int
    call: str  # call id; "" where the request belongs to no call
    txn: int  # server handle
    flow: Flow
    trust: str  # "user:alice@demo.example", "trunk:carrier", "" inside dialogs
    method: str
    uri: str
    from_: str  # header values, as they came
    to: str
    from_tag: str
    to_tag: str  # "" outside dialogs
    call_id: str
    cseq: int
    vias: str  # complete header lines, received and rport filled in
    record_routes: str  # complete header lines, "" if none
    contact: str  # value(s), comma separated if several
    max_forwards: int  # -1 if absent
    special: dict[
        str, list[str]
    ]  # headers that call logic looks at, by lower-case long name (SPECIAL in extract.rs)
    rest: str  # complete header lines of all others that may pass end to end, as they came
    content_type: str
    body: bytes
    size: int  # bytes of the whole message


class Response(Struct, frozen=True, array_like=True, tag=2):
    """A response to a request of ours: provisional above 100, or final."""

    seq: int
    at: int
    call: str
    n: int  # client transaction
    flow: Flow
    status: int
    reason: str
    method: str
    from_: str
    to: str
    to_tag: str
    cseq: int
    record_routes: str
    contact: str
    special: dict[str, list[str]]
    rest: str
    content_type: str
    body: bytes


class Acked(Struct, frozen=True, array_like=True, tag=3):
    """The ACK to a 2xx of ours (the first one; its repeats end in the core)."""

    seq: int
    at: int
    call: str
    edge: int
    to_tag: str  # ours: names the dialog
    cseq: int
    content_type: str
    body: bytes


class TimedOut(Struct, frozen=True, array_like=True, tag=4):
    """No final response to our request within 64*T1 (server False), or no ACK to our final response (server True)."""

    at: int
    call: str
    txn: int  # client number or server handle
    server: bool


class Failed(Struct, frozen=True, array_like=True, tag=5):
    """The edge could not send what we gave it: the connection is gone or could not be made."""

    at: int
    call: str
    txn: int
    server: bool
    why: str  # flow, refused, timeout, size, route, tls


class EdgeUp(Struct, frozen=True, array_like=True, tag=6):
    at: int
    edge: int
    incarnation: int
    locals_: list[tuple[int, str]]  # transport, advertised host:port


class EdgeDown(Struct, frozen=True, array_like=True, tag=7):
    at: int
    edge: int


class FlowClosed(Struct, frozen=True, array_like=True, tag=8):
    at: int
    edge: int
    connection: int


class Answers(Struct, frozen=True, array_like=True, tag=9):
    """A phone that is asked by OPTIONS no longer answers, or does again."""

    at: int
    aor: str
    flow: Flow
    answers: bool


Event = Request | Response | Acked | TimedOut | Failed | EdgeUp | EdgeDown | FlowClosed | Answers


class Respond(Struct, frozen=True, array_like=True, tag=1):
    """Send a response. Final ones, and 1xx with `reliable`, are repeated by the core until ACK, PRACK (Stop) or 64*T1."""

    shard: int
    txn: int
    method: str
    status: int
    flow: Flow
    vias: str
    contact: str  # "", or a dialog name with options: boundary.md, 3
    call_id: str  # of the dialog: the token's MAC covers it
    message: bytes  # start line and headers without Via, Contact, Content-Length; empty line; body
    reliable: bool = False
    call: str = ""
    age: int = 0  # microseconds since it was first sent: above 0 when a new owner goes on with it
    acked: bool = False  # do not repeat: only keep it to answer retransmissions of the request


class Ask(Struct, frozen=True, array_like=True, tag=2):
    """Send a request in a new client transaction. `quiet`: tell nothing of a response, only Failed and TimedOut."""

    shard: int
    call: str
    n: int
    method: str
    flow: Flow
    contact: str
    call_id: str
    message: bytes
    quiet: bool = False
    age: int = 0  # as in Respond
    proceeding: bool = False  # a provisional response was seen: do not repeat the INVITE
    branch_of: int = (
        0  # CANCEL: the n of the INVITE whose branch it carries (its own n names the transaction)
    )


class Ack(Struct, frozen=True, array_like=True, tag=3):
    """The ACK to a 2xx, for client transaction n (the INVITE); repeated by the core for each repeat of this 2xx."""

    shard: int
    call: str
    n: int  # the INVITE's
    branch: int  # a number of its own
    to_tag: str  # of the 2xx that is acknowledged
    flow: Flow
    message: bytes
    age: int = 0
    send: bool = True  # False: only remember it, for repeats


class Stop(Struct, frozen=True, array_like=True, tag=4):
    """End the repetition of a reliable 1xx (PRACK came) or of a 2xx."""

    txn: int


class Taken(Struct, frozen=True, array_like=True, tag=5):
    edge: int
    seqs: list[int]


class Receive(Struct, frozen=True, array_like=True, tag=6):
    """A new owner takes up a server transaction that has sent nothing yet, so that its retransmissions are absorbed."""

    shard: int
    txn: int
    method: str
    call: str


class Forget(Struct, frozen=True, array_like=True, tag=7):
    """Drop a client transaction without a word (its call is over)."""

    call: str
    n: int


class Refuse(Struct, frozen=True, array_like=True, tag=8):
    """Close a phone's connection."""

    edge: int
    connection: int


Command = Respond | Ask | Ack | Stop | Taken | Receive | Forget | Refuse

_events = msgpack.Decoder(list[Event])
_commands = msgpack.Encoder()


def read_events(data: bytes) -> list[Event]:
    """Decodes one `drain()`. Raises msgspec.DecodeError when core and Python differ in version."""
    return _events.decode(data)


def write_commands(commands: list[Command]) -> bytes:
    """Encodes one batch for `run()`."""
    return _commands.encode(commands)
