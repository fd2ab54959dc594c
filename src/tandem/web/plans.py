"""Where a call would go, for people who test routes: asks routing with the tables as they are now. Calls nobody."""

import sqlite3
from typing import Any

import msgspec

from tandem.accounts.model.fields import BadField
from tandem.adapters.sqlite_routing import load_tables
from tandem.routing.model.plan import Asked, Plan, Refusal
from tandem.routing.model.route import route

_SECRET = ("password",)


def find(connection: sqlite3.Connection, caller: str, to: str, now: int) -> Plan | Refusal:
    """caller: address of record, or trunk:id; to: name, number or SIP URI. Raises BadField."""
    if not caller or not to:
        raise BadField("caller" if not caller else "to", "is empty")
    if not caller.startswith("trunk:") and "@" not in caller:
        raise BadField("caller", "an address of record (name@domain), or trunk:id")
    domain = caller.partition("@")[2]
    if not to.startswith(("sip:", "sips:", "tel:", "urn:")):
        to = f"sip:{to}" if "@" in to else f"sip:{to}@{domain or 'localhost'}"
    trust = caller if caller.startswith("trunk:") else f"user:{caller}"
    asked = Asked(trust, to, f"<sip:{caller.removeprefix('trunk:')}>", f"<{to}>")
    return route(load_tables(connection), asked, 0, now)


def plain(plan: Plan | Refusal) -> dict[str, Any]:
    """Field by name, without the passwords of trunks."""
    told: dict[str, Any] = _named(plan)
    told["goes"] = isinstance(plan, Plan)
    return told


def _named(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {
            name: _named(getattr(value, name))
            for name in value.__struct_fields__
            if name not in _SECRET
        }
    return [_named(one) for one in value] if isinstance(value, tuple | list) else value
