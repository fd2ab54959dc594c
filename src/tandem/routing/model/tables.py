"""What routing looks things up in: indexes made once from rows, then only read and swapped whole. Decides nothing."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, tzinfo

from msgspec import Struct
from msgspec.structs import replace

from tandem.accounts.model.account import Tenant, User
from tandem.accounts.model.fields import BadField, parse_zone
from tandem.routing.model.lists import Rules, rules_from
from tandem.routing.model.numbers import normalise
from tandem.routing.model.plan import Limit
from tandem.routing.model.rows import CountryPrefix, Emergency, ListEntry, Route, Trunk
from tandem.routing.model.schedule import Hours, parse_schedule

COUNTRY_DIGITS_MOST = 7


class Way(Struct, frozen=True):
    """A route with its trunk and its hours."""

    route: Route
    trunk: Trunk
    hours: Hours


class Prefixes(Struct, frozen=True):
    """Ways by prefix; `lengths` are those that occur, longest first."""

    ways: dict[str, tuple[Way, ...]]
    lengths: tuple[int, ...]


class Place(Struct, frozen=True):
    """Everything of one tenant."""

    tenant: Tenant
    users: dict[str, User]
    aliases: dict[str, str]  # other names and numbers (as given, and normalised) to user names
    emergency: dict[str, tuple[tuple[Emergency, Trunk], ...]]
    routes: Prefixes
    lists: dict[tuple[str, str], Rules]  # by owner and direction
    limits: tuple[Limit, ...]
    zone: tzinfo


class Tables(Struct, frozen=True):
    """All that `route` reads."""

    domains: dict[str, Place]
    tenants: dict[str, Place]
    trunks: dict[str, Trunk]
    readers: dict[str, Tenant]  # by trunk: how numbers from it are read
    numbers: dict[str, str]  # E.164 to tenant, for shared trunks
    shared: Prefixes
    countries: dict[str, str]  # digits to ISO 3166
    hosts: frozenset[str]  # names of our own that are no tenant's domain
    logins: dict[
        str, tuple[str, ...]
    ]  # trunks by the user part that their carriers call us by, where we register
    media: str = ""  # of tenants that say nothing; "": this node has no relay
    srtp: str = ""
    music: str = ""


def tables_from(
    tenants: Iterable[Tenant],
    users: Iterable[User],
    trunks: Iterable[Trunk] = (),
    routes: Iterable[Route] = (),
    lists: Iterable[ListEntry] = (),
    emergency: Iterable[Emergency] = (),
    countries: Iterable[CountryPrefix] = (),
    hosts: Iterable[str] = (),
) -> Tables:
    """Rows that point to nothing (a route to a deleted trunk) are left out; a disabled tenant is not there at all."""
    peers = {trunk.id: trunk for trunk in trunks}
    ways = _ways(routes, peers)
    entries: dict[str, list[ListEntry]] = defaultdict(list)
    for entry in lists:
        entries[entry.tenant].append(entry)
    rescue: dict[str, list[Emergency]] = defaultdict(list)
    for line in emergency:
        rescue[line.tenant].append(line)
    places = {
        tenant.id: Place(
            tenant,
            {},
            {},
            _emergency(rescue[tenant.id], peers),
            _prefixes(ways[tenant.id]),
            _lists(entries[tenant.id]),
            (Limit(f"tenant:{tenant.id}", tenant.max_calls),) if tenant.max_calls else (),
            _zone(tenant),
        )
        for tenant in tenants
        if tenant.enabled
    }
    numbers: dict[str, str] = {}
    for user in users:
        if user.tenant in places:
            add_user(places[user.tenant], user, numbers)
    return Tables(
        domains={place.tenant.domain: place for place in places.values()},
        tenants=places,
        trunks=peers,
        readers={trunk.id: _reader(trunk, places) for trunk in peers.values()},
        numbers=numbers,
        shared=_prefixes(ways[""]),
        countries={line.prefix: line.code for line in countries},
        hosts=frozenset(host.lower() for host in hosts),
        logins=_logins(peers),
    )


def add_user(place: Place, user: User, numbers: dict[str, str]) -> None:
    """Only while tables are made; the first who has an alias keeps it."""
    place.users[user.name] = user
    for alias in aliases_of(place, user):
        place.aliases.setdefault(alias, user.name)
        if alias.startswith("+"):
            numbers.setdefault(alias, user.tenant)


def aliases_of(place: Place, user: User) -> list[str]:
    """Number and aliases, as given and as normalised."""
    found = []
    for alias in (user.number, *user.aliases) if user.number else user.aliases:
        found.append(alias)
        number = alias if alias.startswith("+") else normalise(alias, place.tenant)
        if number and number != alias:
            found.append(number)
    return found


def matching(prefixes: Prefixes, number: str) -> Iterator[tuple[Way, ...]]:
    """The ways of every prefix of `number`, longest prefix first."""
    for length in prefixes.lengths:
        found = prefixes.ways.get(number[:length])
        if found and length <= len(number):
            yield found


def country_of(tables: Tables, number: str) -> tuple[str, int]:
    """ISO 3166 code of an E.164 number and the length of the prefix, with "+", that says so; ("", 0) if unknown."""
    if number.startswith("+"):
        for length in range(min(COUNTRY_DIGITS_MOST, len(number) - 1), 0, -1):
            code = tables.countries.get(number[1 : 1 + length])
            if code:
                return code, 1 + length
    return "", 0


def _logins(trunks: dict[str, Trunk]) -> dict[str, tuple[str, ...]]:
    by: dict[str, list[str]] = defaultdict(list)
    for trunk in trunks.values():
        if trunk.register and trunk.enabled:
            by[trunk.contact or trunk.username].append(trunk.id)
    return {user: tuple(ids) for user, ids in by.items()}


def _ways(routes: Iterable[Route], trunks: dict[str, Trunk]) -> dict[str, list[Way]]:
    ways: dict[str, list[Way]] = defaultdict(list)
    for route in routes:
        trunk = trunks.get(route.trunk)
        # a trunk of another tenant would let one tenant spend the other's money
        if trunk and trunk.enabled and route.enabled and trunk.tenant in ("", route.tenant):
            ways[route.tenant].append(Way(route, trunk, parse_schedule(route.schedule)))
    return ways


def _prefixes(ways: list[Way]) -> Prefixes:
    by: dict[str, list[Way]] = defaultdict(list)
    for way in ways:
        by[way.route.prefix].append(way)
    ordered = {
        prefix: tuple(sorted(some, key=lambda way: (way.route.priority, way.route.id)))
        for prefix, some in by.items()
    }
    return Prefixes(ordered, tuple(sorted({len(prefix) for prefix in ordered}, reverse=True)))


def _emergency(
    lines: list[Emergency], trunks: dict[str, Trunk]
) -> dict[str, tuple[tuple[Emergency, Trunk], ...]]:
    # a trunk that is switched off comes last, but it comes: better a try than none
    usable = [(line, trunks[line.trunk]) for line in lines if line.trunk in trunks]
    usable.sort(key=lambda pair: (not pair[1].enabled, pair[0].priority))
    by: dict[str, list[tuple[Emergency, Trunk]]] = defaultdict(list)
    for line, trunk in usable:
        by[line.number].append((line, trunk))
    sos = next((number for number in ("112", "911", *sorted(by)) if number in by), "")
    if sos:
        by["sos"] = by[sos]  # RFC 5031: urn:service:sos
    return {number: tuple(pairs) for number, pairs in by.items()}


def _lists(entries: list[ListEntry]) -> dict[tuple[str, str], Rules]:
    by: dict[tuple[str, str], list[ListEntry]] = defaultdict(list)
    for entry in entries:
        by[entry.owner, entry.direction].append(entry)
    return {key: rules_from(some) for key, some in by.items()}


def _reader(trunk: Trunk, places: dict[str, Place]) -> Tenant:
    place = places.get(trunk.tenant)
    tenant = place.tenant if place else Tenant(id="", domain="")
    return replace(tenant, country_code=trunk.country_code) if trunk.country_code else tenant


def _zone(tenant: Tenant) -> tzinfo:
    try:
        return parse_zone(tenant.time_zone)
    except BadField:
        return UTC
