"""Completes the OpenAPI document: what each type is, and an example of those that matter. Text only."""

from typing import Any

from litestar.openapi.spec import OpenAPI, Schema
from msgspec import Struct

from tandem.accounts.model.account import Tenant, User
from tandem.accounts.model.login import Login
from tandem.records.model import Cdr, Quality
from tandem.routing.model.plan import HeaderRule
from tandem.routing.model.rows import Emergency, ListEntry, Route
from tandem.turn.model import IceServer
from tandem.web import bodies
from tandem.web.problems import ProblemDetails

OTHERS: tuple[type[Struct], ...] = (
    IceServer, Tenant, User, Login, Cdr, Quality, HeaderRule, Emergency, ListEntry, Route, ProblemDetails,
)  # fmt: skip
PAGE = "One page of a list. `next` is the cursor of the next page; empty: there is none."
AT = 1_795_252_527_024_364
EXAMPLES: dict[str, dict[str, Any]] = {
    "Tenant": {"id": "acme", "domain": "acme.example", "name": "Acme", "country_code": "49", "max_calls": 100},
    "User": {"tenant": "acme", "name": "alice", "display_name": "Alice", "number": "+4930123456", "aliases": ["101"]},
    "TrunkShown": {"id": "carrier", "host": "sip.carrier.example", "tenant": "", "port": 5060, "username": "me", "has_password": True},
    "Route": {"id": "berlin", "trunk": "carrier", "tenant": "acme", "prefix": "+4930", "priority": 10},
    "Login": {"name": "eve", "role": "operator", "tenant": "acme", "enabled": True, "created_at": AT},
    "LiveCall": {
        "id": "vncn18xqmyf2z", "tenant": "acme", "caller": "alice@acme.example", "callee": "bob@acme.example", "state": "talking",
        "invited_at": AT, "answered_at": AT + 1_007_000, "legs": [{"name": "a0", "peer": "b0", "state": "confirmed", "who": "alice@acme.example"}],
    },
    "Registration": {
        "aor": "alice@acme.example",
        "contacts": [{"uri": "sip:alice@192.0.2.7:5062", "q": 1.0, "transport": "udp", "remote": "192.0.2.7:5062", "expires_at": AT + 600_000_000}],
    },
    "Cdr": {
        "id": "vncn18xqmyf2z", "tenant": "acme", "caller": "alice@acme.example", "callee": "bob@acme.example", "answered_by": "bob@acme.example",
        "invited_at": AT, "answered_at": AT + 1_007_000, "ended_at": AT + 4_013_000, "seconds": 3.006, "status": 200,
        "ended_by": "caller", "why": "hung up", "tried": ["bob@acme.example 200"], "takeovers": 0,
    },
    "ProblemDetails": {"title": "not acceptable", "status": 400, "detail": "at least 12 characters", "field": "password"},
    "Why": {"why": "Call vncn18xqmyf2z, from alice@acme.example to bob@acme.example, began at ... They talked for 3.0 s; the caller hung up."},
    "Ready": {"ready": False, "reasons": ["no edge is connected"]},
    "NodeShown": {"node": 1, "ready": True, "reasons": [], "epoch": 4, "started_at": AT, "version": "0.1.0"},
}  # fmt: skip


def describe(document: OpenAPI) -> None:
    """Writes descriptions and examples into the document's types."""
    kinds = {kind.__name__: kind for kind in (*_bodies(), *OTHERS)}
    found = document.components.schemas if document.components else None
    for name, schema in (found or {}).items():
        if not isinstance(schema, Schema):
            continue
        if name in kinds:
            schema.description = _sentence(kinds[name])
        if name in EXAMPLES:
            schema.examples = [EXAMPLES[name]]


def _sentence(kind: type[Struct]) -> str:
    # without a docstring of its own a Struct shows its parent's
    own = kind.__dict__.get("__doc__")
    return str(own) if own else PAGE


def _bodies() -> list[type[Struct]]:
    return [
        kind
        for kind in vars(bodies).values()
        if isinstance(kind, type) and issubclass(kind, Struct)
    ]
