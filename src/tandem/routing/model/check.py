"""Brings the rows of routing into canonical form, or raises BadField naming field and limit. Looks nothing up."""

from ipaddress import ip_address, ip_network

from msgspec.structs import replace

from tandem.accounts.model.account import RING_SECONDS_MOST
from tandem.accounts.model.fields import (
    BadField,
    parse_address,
    parse_amount,
    parse_calls,
    parse_domain,
    parse_name,
    parse_number,
    parse_one_of,
    parse_tenant_id,
    parse_text,
)
from tandem.boundary import AUTO, TCP, TLS, UDP
from tandem.media.model.policy import CLEANED, POLICIES, SRTP_POLICIES
from tandem.routing.model.numbers import DIGITS_MOST, FORMATS
from tandem.routing.model.plan import HeaderRule
from tandem.routing.model.rows import CountryPrefix, Emergency, ListEntry, Route, Trunk
from tandem.routing.model.schedule import parse_schedule

CIDRS_MOST = 256
HEADER_RULES_MOST = 32
PRIORITY_MOST = 1000
WEIGHT_MOST = 1000
REGISTER_SECONDS_LEAST, REGISTER_SECONDS_MOST = 60, 86_400
DIVERSIONS = ("history-info", "diversion", "both", "none")
# The core and the call write these; a rule about them would break the dialog.
_FIXED = frozenset(
    ("via", "from", "to", "call-id", "cseq", "contact", "route", "record-route", "max-forwards")
) | frozenset(("content-length", "authorization", "proxy-authorization"))


def check_trunk(trunk: Trunk) -> Trunk:
    if trunk.transport not in (AUTO, UDP, TCP, TLS):
        raise BadField(
            "transport",
            f"{AUTO} (what DNS says), {UDP} (UDP), {TCP} (TCP) or {TLS} (TLS), not {trunk.transport}",
        )
    _one_of(trunk.format, FORMATS, "format")
    _one_of(trunk.diversion, DIVERSIONS, "diversion")
    if trunk.register and not (trunk.username and trunk.password):
        raise BadField("register", "needs username and password")
    if not REGISTER_SECONDS_LEAST <= trunk.register_seconds <= REGISTER_SECONDS_MOST:
        raise BadField(
            "register_seconds", f"from {REGISTER_SECONDS_LEAST} to {REGISTER_SECONDS_MOST}"
        )
    if len(trunk.cidrs) > CIDRS_MOST:
        raise BadField("cidrs", f"at most {CIDRS_MOST}")
    if not 0 <= trunk.port <= 65_535:
        raise BadField("port", f"from 1 to 65535, or 0 for what DNS says, not {trunk.port}")
    return replace(
        trunk,
        id=parse_tenant_id(trunk.id, "id"),
        host=_host(trunk.host),
        tenant=trunk.tenant and parse_tenant_id(trunk.tenant),
        cidrs=tuple(_network(text) for text in trunk.cidrs),
        tls_names=tuple(parse_domain(name, "tls_names") for name in trunk.tls_names),
        username=_token(trunk.username, "username"),
        password=parse_text(trunk.password, "password"),
        strip=parse_amount(trunk.strip, "strip", DIGITS_MOST),
        prefix=parse_number(trunk.prefix, "prefix"),
        country_code=parse_number(trunk.country_code, "country_code").removeprefix("+"),
        contact=_token(trunk.contact, "contact"),
        headers_in=_rules(trunk.headers_in, "headers_in"),
        headers_out=_rules(trunk.headers_out, "headers_out"),
        max_calls=parse_calls(trunk.max_calls),
        from_user=_token(trunk.from_user, "from_user"),
        from_host=trunk.from_host and parse_domain(trunk.from_host, "from_host"),
        default_to=parse_address(trunk.default_to, "default_to"),
        ring_seconds=parse_amount(trunk.ring_seconds, "ring_seconds", RING_SECONDS_MOST) or 120,
        media=parse_one_of(trunk.media, POLICIES, "media"),
        srtp=parse_one_of(trunk.srtp, SRTP_POLICIES, "srtp"),
        clean=parse_one_of(trunk.clean, CLEANED, "clean"),
    )


def check_route(route: Route) -> Route:
    parse_schedule(route.schedule)
    prefix = route.prefix if route.prefix == "+" else parse_number(route.prefix, "prefix")
    if not prefix:
        raise BadField("prefix", '"+" for all numbers of the world, or digits')
    return replace(
        route,
        id=parse_tenant_id(route.id, "id"),
        trunk=parse_tenant_id(route.trunk, "trunk"),
        tenant=route.tenant and parse_tenant_id(route.tenant),
        prefix=prefix,
        priority=parse_amount(route.priority, "priority", PRIORITY_MOST),
        weight=parse_amount(route.weight, "weight", WEIGHT_MOST),
        schedule=route.schedule.strip().lower(),
    )


def check_list_entry(entry: ListEntry) -> ListEntry:
    _one_of(entry.do, ("allow", "deny"), "do")
    _one_of(entry.direction, ("in", "out"), "direction")
    match _one_of(entry.kind, ("number", "prefix", "country"), "kind"):
        case "number":
            value = parse_address(entry.value, "value")
            if not value:
                raise BadField("value", "must not be empty")
        case "prefix":
            value = entry.value if entry.value in ("", "+") else parse_number(entry.value, "value")
        case _:
            value = _country(entry.value, "value")
    return replace(
        entry,
        tenant=parse_tenant_id(entry.tenant),
        value=value,
        owner=entry.owner and parse_name(entry.owner, "owner"),
    )


def check_emergency(line: Emergency) -> Emergency:
    number = parse_number(line.number)
    if not number:
        raise BadField("number", "must not be empty")
    return replace(
        line,
        tenant=parse_tenant_id(line.tenant),
        number=number,
        trunk=parse_tenant_id(line.trunk, "trunk"),
        priority=parse_amount(line.priority, "priority", PRIORITY_MOST),
        send_as=parse_number(line.send_as, "send_as"),
    )


def check_country_prefix(line: CountryPrefix) -> CountryPrefix:
    prefix = parse_number(line.prefix, "prefix").removeprefix("+")
    if not 1 <= len(prefix) <= 7:
        raise BadField("prefix", "1 to 7 digits")
    return CountryPrefix(_country(line.code, "code"), prefix)


def _country(text: str, field: str) -> str:
    code = text.strip().upper()
    if code != "001" and not (len(code) == 2 and code.isascii() and code.isalpha()):
        raise BadField(field, f"two letters (ISO 3166) or 001, not {text[:10]!r}")
    return code


def _one_of(text: str, known: tuple[str, ...], field: str) -> str:
    if text not in known:
        raise BadField(field, f"one of {', '.join(known)}, not {text[:20]!r}")
    return text


def _host(text: str) -> str:
    try:
        return str(ip_address(text.strip().strip("[]")))
    except ValueError:
        return parse_domain(text, "host")


def _network(text: str) -> str:
    try:
        return str(ip_network(text.strip(), strict=False))
    except ValueError:
        raise BadField("cidrs", f"a network such as 192.0.2.0/24, not {text[:50]!r}") from None


def _token(text: str, field: str) -> str:
    value = parse_text(text, field, 64)
    if not value.isascii() or any(c in value for c in ' @<>;,"?'):
        raise BadField(field, 'no blanks and none of @ < > ; , " ?')
    return value


def _rules(rules: tuple[HeaderRule, ...], field: str) -> tuple[HeaderRule, ...]:
    if len(rules) > HEADER_RULES_MOST:
        raise BadField(field, f"at most {HEADER_RULES_MOST}")
    for rule in rules:
        _one_of(rule.do, ("set", "add", "drop"), field)
        if not rule.name or not rule.name.isascii() or not rule.name.replace("-", "").isalnum():
            raise BadField(field, f"a header's name, not {rule.name[:40]!r}")
        if rule.name.lower() in _FIXED:
            raise BadField(field, f"{rule.name} cannot be changed")
        parse_text(rule.value, field)
    return rules
