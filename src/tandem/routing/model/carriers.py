"""Which carriers a number goes to, and in what order: longest prefix, hours, priority, weight. Users are not its matter."""

from collections.abc import Sequence

from msgspec import Struct

from tandem.accounts.model.account import Tenant
from tandem.boundary import TLS
from tandem.routing.model.numbers import format_number
from tandem.routing.model.plan import Diversion, Limit, Target
from tandem.routing.model.rows import Emergency, Trunk
from tandem.routing.model.schedule import is_open, minute_of_week
from tandem.routing.model.tables import Place, Tables, Way, matching

_MASK = (1 << 64) - 1


class Carried(Struct, frozen=True):
    """A number on its way out, and where its first stage hangs in the plan."""

    number: str
    hash: int
    now: int
    diverted: tuple[Diversion, ...]
    after: int
    on: str
    first: int  # the number that its first stage will have


def trunk_stages(
    tables: Tables, place: Place, carried: Carried
) -> tuple[list[tuple[Target, ...]], str]:
    """A stage per carrier, and a sentence that says why; no stages if no route leads there now.

    The longest prefix with an open route decides alone: a shorter one is no fail-over for it. A tenant's own routes
    come before the shared ones.
    """
    for prefixes in (place.routes, tables.shared):
        for ways in matching(prefixes, carried.number):
            if any(way.hours for way in ways):
                minute = minute_of_week(carried.now, place.zone)
                ways = tuple(way for way in ways if is_open(way.hours, minute))
            if ways:
                order = weighted(ways, carried.hash)
                return _stages(place.tenant, order, carried), _why(order, carried.number)
    return [], f"no route leads to {carried.number}" + _unread(place.tenant, carried.number)


def _unread(tenant: Tenant, number: str) -> str:
    """What most first calls to a carrier fail on."""
    national = tenant.national_prefix and number.startswith(tenant.national_prefix)
    if tenant.country_code or not national:
        return ""
    return f" (the tenant {tenant.id} has no country_code: the number is as it was dialled)"


def weighted(ways: Sequence[Way], hash: int) -> list[Way]:
    """Lower priorities first; within one, each next is drawn by weight among those left."""
    if len(ways) == 1:
        return list(ways)
    order: list[Way] = []
    left = sorted(ways, key=lambda way: way.route.priority)
    while left:
        same = [way for way in left if way.route.priority == left[0].route.priority]
        drawn = _drawn(same, hash)
        hash = _next(hash)
        left.remove(drawn)
        order.append(drawn)
    return order


def emergency_stages(
    place: Place, lines: Sequence[tuple[Emergency, Trunk]]
) -> tuple[tuple[Target, ...], ...]:
    """One stage per trunk; the number goes as it is, without the trunk's number format and limits."""
    return tuple(
        (_target(trunk, line.send_as or line.number, limited=False),) for line, trunk in lines
    )


def _stages(tenant: Tenant, order: list[Way], carried: Carried) -> list[tuple[Target, ...]]:
    stages: list[tuple[Target, ...]] = []
    for n, way in enumerate(order):
        trunk = way.trunk
        number = format_number(carried.number, tenant, trunk.format, trunk.strip, trunk.prefix)
        first = n == 0
        target = _target(
            trunk,
            number,
            prefix=way.route.prefix,
            route=way.route.id,
            after=carried.after if first else carried.first + n - 1,
            on=carried.on if first else "failed",
            diverted=carried.diverted,
        )
        stages.append((target,))
    return stages


def _target(
    trunk: Trunk,
    number: str,
    *,
    prefix: str = "",
    route: str = "",
    after: int = -1,
    on: str = "failed",
    diverted: tuple[Diversion, ...] = (),
    limited: bool = True,
) -> Target:
    host = f"[{trunk.host}]" if ":" in trunk.host else trunk.host
    usual = 5061 if trunk.transport == TLS else 5060
    port = f":{trunk.port}" if trunk.port not in (0, usual) else ""
    return Target(
        "trunk",
        f"sip:{number}@{host}{port};user=phone",
        trunk=trunk.id,
        host=trunk.host,
        port=trunk.port,
        transport=trunk.transport,
        ring_seconds=trunk.ring_seconds,
        contact=trunk.contact,
        username=trunk.username,
        password=trunk.password,
        headers=trunk.headers_out,
        asserted=trunk.trusted,
        from_user=trunk.from_user,
        from_host=trunk.from_host,
        diversion=trunk.diversion,
        prefix=prefix,
        route=route,
        limits=(Limit(f"trunk:{trunk.id}", trunk.max_calls),)
        if limited and trunk.max_calls
        else (),
        after=after,
        on=on,
        diverted=diverted,
    )


def _drawn(ways: list[Way], hash: int) -> Way:
    total = sum(way.route.weight for way in ways)
    at = hash % total if total else 0
    for way in ways:
        if at < way.route.weight:
            return way
        at -= way.route.weight
    return ways[0]


def _next(hash: int) -> int:
    """SplitMix64's finaliser: the next draw must not depend on the last one's remainder."""
    hash = (hash + 0x9E3779B97F4A7C15) & _MASK
    hash = ((hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    hash = ((hash ^ (hash >> 27)) * 0x94D049BB133111EB) & _MASK
    return hash ^ (hash >> 31)


def _why(order: list[Way], number: str) -> str:
    first = order[0].route
    names = ", then ".join(way.trunk.id for way in order)
    return f"{number} by route {first.id} (prefix {first.prefix}): {names}"
