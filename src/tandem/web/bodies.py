"""What the HTTP API takes and gives: Structs that refuse unknown fields on the way in and have no secrets on the way out."""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from tandem.accounts.model.account import Tenant, User
from tandem.accounts.model.login import Login
from tandem.records.model import CallEvent, Cdr
from tandem.routing.model.plan import HeaderRule
from tandem.routing.model.rows import Emergency, ListEntry, Route, Trunk
from tandem.turn.model import IceServer


# Subclasses only to refuse unknown fields: the rooms' own Structs are also read from the database, where a field may be older.
class NewTenant(Tenant, frozen=True, forbid_unknown_fields=True):
    """A tenant, as it is added."""


class NewUser(User, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A user, as it is added; `tenant` may be left out. Without a password nobody can register as this user."""

    tenant: str = ""
    name: str
    password: str = ""


class NewTrunk(Trunk, frozen=True, forbid_unknown_fields=True):
    """A trunk, as it is added. `password` is never given back."""


class NewRoute(Route, frozen=True, forbid_unknown_fields=True):
    """A route, as it is added."""


class NewListEntry(ListEntry, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A line of an allow or deny list; `tenant` is the path's."""

    tenant: str = ""
    do: str
    kind: str
    value: str


class NewEmergency(Emergency, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An emergency number; `tenant` is the path's."""

    tenant: str = ""
    number: str
    trunk: str


class NewLogin(Struct, frozen=True, forbid_unknown_fields=True):
    """A person at the console. tenant "": the whole platform. Role user needs tenant and user."""

    name: str
    role: str
    password: str
    tenant: str = ""
    user: str = ""
    enabled: bool = True


class NewToken(Struct, frozen=True, forbid_unknown_fields=True):
    """A program. days 0: it never expires."""

    role: str
    tenant: str = ""
    note: str = ""
    days: int = 365


class Password(Struct, frozen=True, forbid_unknown_fields=True):
    """12 to 128 characters, with a letter and a digit."""

    password: str


class OwnPassword(Struct, frozen=True, forbid_unknown_fields=True):
    """The new one, and the old one as proof."""

    old: str
    password: str


class Credentials(Struct, frozen=True, forbid_unknown_fields=True):
    """login: a console login's name, or a user's address of record with his SIP password."""

    login: str
    password: str


class Recording(Struct, frozen=True, forbid_unknown_fields=True):
    """action: "start", "pause" or "stop"."""

    action: str = "start"


class Transfer(Struct, frozen=True, forbid_unknown_fields=True):
    """to: name, number or SIP URI. leg: who is moved there, "caller" or "callee"."""

    to: str
    leg: str = "caller"


class NewCall(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """from: whose phones ring first (address of record; a user may leave it out: himself). to: name, number or SIP URI."""

    to: str
    from_: str = ""


class Granted(Struct, frozen=True):
    """A token: send it as `Authorization: Bearer <token>`. It is shown once. Times are microseconds since 1970."""

    token: str
    expires_at: int
    role: str
    tenant: str = ""
    id: str = ""  # of an API token, to revoke it


class Me(Struct, frozen=True):
    """Who the token belongs to, and what his role reaches by each route."""

    name: str
    role: str
    tenant: str
    user: str
    aor: str
    may: dict[str, str]


class TrunkShown(Struct, frozen=True):
    """A trunk without its password."""

    id: str
    host: str
    tenant: str
    port: int
    transport: int
    enabled: bool
    cidrs: tuple[str, ...]
    tls_names: tuple[str, ...]
    username: str
    has_password: bool
    register: bool
    register_seconds: int
    format: str
    strip: int
    prefix: str
    country_code: str
    contact: str
    headers_in: tuple[HeaderRule, ...]
    headers_out: tuple[HeaderRule, ...]
    max_calls: int
    trusted: bool
    from_user: str
    from_host: str
    diversion: str
    default_to: str
    ring_seconds: int
    media: str
    srtp: str


def shown(trunk: Trunk) -> TrunkShown:
    fields = {n: getattr(trunk, n) for n in TrunkShown.__struct_fields__ if n != "has_password"}
    return TrunkShown(has_password=bool(trunk.password), **fields)


class Tenants(Struct, frozen=True):
    items: list[Tenant]
    next: str = ""  # cursor of the next page; "" at the end


class Users(Struct, frozen=True):
    items: list[User]
    next: str = ""


class Trunks(Struct, frozen=True):
    items: list[TrunkShown]
    next: str = ""


class Routes(Struct, frozen=True):
    items: list[Route]
    next: str = ""


class Lists(Struct, frozen=True):
    items: list[ListEntry]


class EmergencyLines(Struct, frozen=True):
    items: list[Emergency]


class Logins(Struct, frozen=True):
    items: list[Login]


class TokenShown(Struct, frozen=True):
    """A token without the token."""

    id: str
    role: str
    tenant: str
    note: str
    created_at: int
    expires_at: int


class Tokens(Struct, frozen=True):
    items: list[TokenShown]


class Leg(Struct, frozen=True):
    """One side of a call: a phone or a trunk."""

    name: str
    peer: str = ""
    state: str = ""
    who: str = ""
    call_id: str = ""
    remote: str = ""
    held: bool | str = False
    local_tag: str = ""
    remote_tag: str = ""


class LiveCall(Struct, frozen=True):
    """A call that has not ended. Times are microseconds since 1970; 0: not yet."""

    id: str
    tenant: str
    caller: str
    callee: str
    state: str
    invited_at: int = 0
    answered_at: int = 0
    legs: list[Leg] = []


class LiveCalls(Struct, frozen=True):
    items: list[LiveCall]
    next: str = ""


class Binding(Struct, frozen=True):
    """Where a phone is (RFC 3261 10.3)."""

    uri: str
    q: float = 1.0
    transport: int | str = ""
    remote: str = ""
    instance: str = ""
    expires_at: int = 0
    reachable: bool = True  # its connection stands, or it answers our OPTIONS


class Registration(Struct, frozen=True):
    aor: str
    contacts: list[Binding] = []


class Registrations(Struct, frozen=True):
    items: list[Registration]
    next: str = ""


class TraceMessage(Struct, frozen=True):
    """One SIP message; text: one character is one byte. Digest responses are taken out."""

    at: int
    inbound: bool
    transport: str
    local: str
    remote: str
    text: str


class Trace(Struct, frozen=True):
    items: list[TraceMessage]


class EventShown(Struct, frozen=True):
    """One thing that happened to a call."""

    at: int
    call: str
    tenant: str
    what: str
    text: str = ""
    node: int = 0


class Events(Struct, frozen=True):
    items: list[EventShown]


class Why(Struct, frozen=True):
    """One paragraph."""

    why: str


class Cdrs(Struct, frozen=True):
    items: list[Cdr]
    next: str = ""


class NodeShown(Struct, frozen=True):
    node: int
    ready: bool
    reasons: list[str] = []
    epoch: int = 0
    started_at: int = 0
    version: str = ""


class Nodes(Struct, frozen=True):
    items: list[NodeShown]


class AuditLine(Struct, frozen=True):
    id: int
    at: int
    who: str
    tenant: str
    what: str
    target: str
    detail: dict[str, Any]


class Audit(Struct, frozen=True):
    items: list[AuditLine]
    next: str = ""


class Ready(Struct, frozen=True):
    ready: bool
    reasons: list[str] = []


class IceServers(Struct, frozen=True):
    """What a browser's RTCPeerConnection is given to reach our media from anywhere."""

    ice_servers: Annotated[
        list[IceServer],
        Meta(description="For RTCPeerConnection as it is; empty where there is no TURN."),
    ] = field(name="iceServers")
    expires_at: Annotated[int, Meta(description="Microseconds since 1970; 0: nothing expires.")]


def event_shown(event: CallEvent) -> EventShown:
    return EventShown(*(getattr(event, name) for name in EventShown.__struct_fields__))


def _changes(type: Any) -> Any:
    """The Struct of a change: every field of `type` may be left out."""
    fields: list[Any] = [(f.name, f.type | UnsetType, UNSET) for f in msgspec.structs.fields(type)]
    return msgspec.defstruct(
        f"{type.__name__}Changes", fields, frozen=True, forbid_unknown_fields=True, module=__name__,
        namespace={"__doc__": f"The fields of a {type.__name__.lower()} that change."},
    )  # fmt: skip


def given(changes: Struct) -> dict[str, Any]:
    """The fields that a change names."""
    names = changes.__struct_fields__
    return {n: v for n in names if (v := getattr(changes, n)) is not UNSET}


if TYPE_CHECKING:
    TenantChanges: TypeAlias = Struct
    UserChanges: TypeAlias = Struct
    TrunkChanges: TypeAlias = Struct
    RouteChanges: TypeAlias = Struct
else:
    TenantChanges = _changes(Tenant)
    UserChanges = _changes(User)
    TrunkChanges = _changes(Trunk)
    RouteChanges = _changes(Route)
