"""What routing answers: a plan of targets to ring, or a refusal. Values only; it decides nothing."""

from msgspec import Struct

from tandem.names.model import Place


class HeaderRule(Struct, frozen=True, array_like=True):
    """What to do with one header towards a trunk: `set` to value, `add` value, or `drop` it. From a trunk likewise."""

    do: str  # set, add, drop
    name: str
    value: str = ""


class Limit(Struct, frozen=True, array_like=True):
    """At most `most` calls at once under this name, such as "user:alice@demo.example", "trunk:carrier", "tenant:demo"."""

    name: str
    most: int


class Diversion(Struct, frozen=True, array_like=True):
    """One forwarding that led to a target: for History-Info (RFC 7044) and Diversion (RFC 5806)."""

    by: str  # who forwards: "bob@demo.example"
    number: str  # as shown outside: his number, or his name
    reason: str  # RFC 5806: unconditional, user-busy, no-answer


class Target(Struct, frozen=True, array_like=True):
    """One place to ring: a user's bindings (kind "user"), or a peer (kind "trunk")."""

    kind: str
    uri: str  # Request-URI: the user's address of record as sip: URI, or the number in the trunk's format
    aor: str = ""  # users: name@domain
    trunk: str = ""  # trunks: id
    host: str = ""  # trunks: where to send; an IP address or a name
    port: int = 0  # 0: what DNS says
    transport: int = 0  # boundary.UDP, TCP, TLS; 0: what DNS says
    ring_seconds: int = 30
    contact: str = ""  # "" the token as user; otherwise the user part that the trunk insists on
    username: str = ""  # digest credentials towards the trunk
    password: str = ""
    headers: tuple[HeaderRule, ...] = ()
    asserted: bool = False  # a trusted peer: P-Asserted-Identity is sent, Privacy honoured here; otherwise identity follows Privacy
    from_user: str = ""  # "" keeps the caller's number; otherwise what the trunk insists on
    from_host: str = ""
    diversion: str = "history-info"  # how forwarding is told: history-info, diversion, both, none
    prefix: str = ""  # the route's prefix that matched, for `call why`
    route: str = ""
    limits: tuple[
        Limit, ...
    ] = ()  # of this target alone; when full it counts as 486 (user) or 503 (trunk)
    after: int = -1  # the stage whose outcome leads here; -1: the stage before. The same in all targets of a stage
    on: str = "failed"  # the outcome that leads here: failed, busy, no-answer (see stages.py)
    diverted: tuple[Diversion, ...] = ()  # the forwardings that led here, first one first
    instance: str = ""  # users: only the phone of this instance (RFC 5627), without angle brackets
    others: tuple[
        Place, ...
    ] = ()  # trunks: where it is tried next when this place fails (RFC 3263 4.3)
    media: str = (
        ""  # by which way its media passes: relay, direct, auto; "" where there is no relay
    )
    srtp: str = ""  # required, preferred, off, transparent
    clean: str = ""  # what the relay takes out of what it says: noise, echo, both


class Plan(Struct, frozen=True, array_like=True):
    """Where a call goes: stages one after the other, the targets of a stage together."""

    tenant: str
    caller: str  # who pays: "alice@demo.example" or "trunk:carrier"; "stranger:demo.example" only calls for help
    caller_number: str  # as shown to the callee
    caller_name: str
    callee: str  # what was dialled, normalised: "bob@demo.example" or "+4930123456"
    stages: tuple[tuple[Target, ...], ...]
    limits: tuple[Limit, ...] = ()
    max_seconds: int = 0  # 0: no limit
    emergency: bool = False  # passes every limit
    caller_trusted: bool = False  # its P-Asserted-Identity is believed
    inbound_headers: tuple[HeaderRule, ...] = ()
    why: str = ""  # one sentence for `call why`
    media: str = ""  # of the caller's side, as in Target
    srtp: str = ""
    music: str = ""  # for who is held: names of sounds, with commas
    record: bool = False  # from the answer on
    clean: str = ""


class Refusal(Struct, frozen=True, array_like=True):
    """Why a call goes nowhere, as SIP says it and as `call why` tells it."""

    status: int
    reason: str
    why: str
    tenant: str = ""
    caller: str = ""
    callee: str = ""


class Asked(Struct, frozen=True, array_like=True):
    """What routing is asked: an INVITE (or MESSAGE) as far as routing looks at it."""

    trust: str  # "user:alice@demo.example", "trunk:carrier", or "stranger:demo.example" who proved nothing
    uri: str
    from_: str
    to: str
    asserted: str = ""  # P-Asserted-Identity, where present
    privacy: str = ""
    instance: str = (
        ""  # of the phone that a GRUU names: only it is rung, whatever forwards its user has
    )
