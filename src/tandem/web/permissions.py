"""Who may do what: one table of routes and roles. Pure data and its lookup; knows no request.

A route that is not in the table is allowed to nobody.
"""

from typing import Literal

Scope = Literal["all", "tenant", "own", "none"]
ROLES = ("admin", "operator", "user")

# all: only logins of the whole platform (tenant ""); tenant: what belongs to the login's tenant (of all tenants, if it has none);
# own: what belongs to the user himself; none: 403
PERMISSIONS: dict[str, tuple[Scope, Scope, Scope]] = {
    # route                  admin     operator  user
    "logout":               ("own",    "own",    "own"),
    "me.show":              ("own",    "own",    "own"),
    "me.password":          ("own",    "own",    "own"),
    "tenants.list":         ("tenant", "none",   "none"),
    "tenants.add":          ("all",    "none",   "none"),
    "tenants.show":         ("tenant", "none",   "none"),
    "tenants.change":       ("all",    "none",   "none"),
    "tenants.remove":       ("all",    "none",   "none"),
    "users.list":           ("tenant", "none",   "none"),
    "users.add":            ("tenant", "none",   "none"),
    "users.show":           ("tenant", "none",   "none"),
    "users.change":         ("tenant", "none",   "none"),
    "users.password":       ("tenant", "none",   "none"),
    "users.remove":         ("tenant", "none",   "none"),
    "trunks.list":          ("tenant", "none",   "none"),
    "trunks.add":           ("tenant", "none",   "none"),
    "trunks.show":          ("tenant", "none",   "none"),
    "trunks.change":        ("tenant", "none",   "none"),
    "trunks.remove":        ("tenant", "none",   "none"),
    "routes.list":          ("tenant", "none",   "none"),
    "routes.add":           ("tenant", "none",   "none"),
    "routes.show":          ("tenant", "none",   "none"),
    "routes.change":        ("tenant", "none",   "none"),
    "routes.remove":        ("tenant", "none",   "none"),
    "routes.test":          ("tenant", "none",   "none"),
    "lists.list":           ("tenant", "none",   "none"),
    "lists.put":            ("tenant", "none",   "none"),
    "lists.remove":         ("tenant", "none",   "none"),
    "emergency.list":       ("tenant", "none",   "none"),
    "emergency.put":        ("tenant", "none",   "none"),
    "emergency.remove":     ("tenant", "none",   "none"),
    "logins.list":          ("all",    "none",   "none"),
    "logins.add":           ("all",    "none",   "none"),
    "logins.password":      ("all",    "none",   "none"),
    "logins.remove":        ("all",    "none",   "none"),
    "tokens.list":          ("all",    "none",   "none"),
    "tokens.add":           ("all",    "none",   "none"),
    "tokens.remove":        ("all",    "none",   "none"),
    "calls.list":           ("tenant", "tenant", "own"),
    "calls.show":           ("tenant", "tenant", "own"),
    "calls.hangup":         ("tenant", "tenant", "own"),
    "calls.transfer":       ("tenant", "tenant", "own"),
    "calls.record":         ("tenant", "tenant", "none"),
    "calls.originate":      ("tenant", "tenant", "own"),
    "calls.trace":          ("tenant", "tenant", "none"),
    "calls.events":         ("tenant", "tenant", "own"),
    "calls.why":            ("tenant", "tenant", "own"),
    "registrations.list":   ("tenant", "tenant", "own"),
    "registrations.remove": ("tenant", "tenant", "own"),
    "cdrs.list":            ("tenant", "tenant", "own"),
    "cdrs.export":          ("tenant", "tenant", "own"),
    "cdrs.show":            ("tenant", "tenant", "own"),
    "ice.servers":          ("own",    "own",    "own"),
    "nodes.list":           ("tenant", "tenant", "none"),
    "nodes.drain":          ("all",    "none",   "none"),
    "audit.list":           ("tenant", "none",   "none"),
}  # fmt: skip

# No login: the first two for load balancers, metrics without any name of a person in it.
OPEN = frozenset(("login", "healthz", "readyz", "metrics", "openapi"))


def scope(route: str, role: str, tenant: str) -> Scope:
    """What a login of this role may reach by this route; tenant "": it belongs to the whole platform."""
    if route not in PERMISSIONS or role not in ROLES:
        return "none"
    found = PERMISSIONS[route][ROLES.index(role)]
    return "none" if found == "all" and tenant else found
