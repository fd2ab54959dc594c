"""What owner and edge must know before they let a request in: boundary.md section 5, from the tables."""

from collections.abc import Callable
from typing import Any

from tandem.names.model import Peer, is_numeric
from tandem.routing.model.rows import Trunk
from tandem.routing.model.tables import Tables

ALGORITHMS = ("SHA-256", "MD5")
NONCE_SECONDS = 300
EMERGENCY_NUMBERS = 64  # of one tenant that the core takes
USUAL = ("112", "911", "sos")  # pass the limits where a tenant names none
LIMITS = {
    "source_rate": 200,
    "source_burst": 400,
    "account_rate": 50,
    "account_burst": 100,
    "ban_seconds": 300,
    "malformed_per_minute": 60,
    "connections": 20000,
    "connections_per_source": 100,
    "message_bytes": 65535,
    "idle_seconds": 900,
}


def policy(
    tables: Tables,
    version: int = 1,
    settings: dict[str, Any] | None = None,
    *,
    addresses: Callable[[Peer], tuple[str, ...]] = lambda peer: (),
    draining: bool = False,
) -> dict[str, Any]:
    """The policy as JSON-ready values. settings may hold default_domain, allow, deny, algorithms, nonce_seconds,
    limits, keepalive, emergency (who needs no proof: by tenant, "" for the others).

    addresses: all those of a trunk. Where we register, the registrar calls us from them.
    """
    own = settings or {}
    domains = {domain: place.tenant.id for domain, place in tables.domains.items()}
    return {
        "version": version,
        "default_domain": own.get("default_domain") or next(iter(domains), ""),
        "domains": domains,
        "trunks": [
            _trunk(trunk, addresses(Peer(trunk.host, trunk.port, trunk.transport)))
            for trunk in tables.trunks.values()
            if trunk.enabled and (not trunk.tenant or trunk.tenant in tables.tenants)
        ],
        "allow": list(own.get("allow", ())),
        "deny": list(own.get("deny", ())),
        "algorithms": list(own.get("algorithms", ALGORITHMS)),
        "nonce_seconds": own.get("nonce_seconds", NONCE_SECONDS),
        "limits": LIMITS | own.get("limits", {}),
        "keepalive": own.get("keepalive", {}),
        "emergency": _emergency(tables, own.get("emergency", {})),
        "draining": draining,
    }


def _emergency(tables: Tables, unproven: dict[str, str]) -> dict[str, Any]:
    """By tenant; "" those without emergency numbers, of whom routing sends nothing anywhere on trust."""
    usual = unproven.get("", "registered")
    found: dict[str, Any] = {"": {"numbers": list(USUAL), "unproven": "never"}}
    for tenant, place in tables.tenants.items():
        if place.emergency:
            numbers = sorted(place.emergency)[:EMERGENCY_NUMBERS]
            found[tenant] = {"numbers": numbers, "unproven": unproven.get(tenant, usual)}
    return found


def _trunk(trunk: Trunk, addresses: tuple[str, ...]) -> dict[str, Any]:
    called_from = list(trunk.cidrs)
    if trunk.register:
        called_from += [found for found in addresses if found not in called_from]
    return {
        "id": trunk.id,
        "tenant": trunk.tenant,
        "cidrs": called_from,
        "tls_names": list(trunk.tls_names),
        "addresses": list(addresses),
        "server_names": [] if is_numeric(trunk.host) else [trunk.host],
    }
