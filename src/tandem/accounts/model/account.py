"""A tenant and its users, as values with their limits. Credentials are apart: who routes a call never sees them."""

from msgspec import Struct
from msgspec.structs import replace

from tandem.accounts.model.fields import (
    BadField,
    parse_address,
    parse_alias,
    parse_amount,
    parse_calls,
    parse_display_name,
    parse_domain,
    parse_name,
    parse_number,
    parse_one_of,
    parse_seconds,
    parse_tenant_id,
    parse_text,
    parse_zone_name,
)
from tandem.media.model.policy import CLEANED, POLICIES, SRTP_POLICIES

ALIASES_MOST = 32
RING_SECONDS_MOST = 600
SHORT_DIGITS_MOST = 8


class Tenant(Struct, frozen=True):
    """Whose users share a domain. Limits of 0 are no limit."""

    id: str
    domain: str
    name: str = ""
    enabled: bool = True
    max_calls: int = 0  # at once, of all its users
    max_user_calls: int = 0  # of a user who has no limit of his own
    max_call_seconds: int = 0
    ring_seconds: int = 30
    country_code: str = ""  # "49"; "" leaves numbers without + as they are
    national_prefix: str = "0"
    international_prefix: str = "00"
    area_code: str = ""  # put before a number dialled without any prefix
    short_digits: int = 6  # numbers up to this long stay as dialled
    time_zone: str = "UTC"  # of the routes' schedules
    media: str = ""  # relay, direct, auto; "" what tandem.toml says
    srtp: str = ""  # required, preferred, off, transparent; "" what tandem.toml says
    music: str = ""  # for who is held: sounds, like "hold.ogg" or "hello.wav, tone:beep"; "" what tandem.toml says
    record: bool = False  # each call, from its answer on; its media passes the relay for that


class User(Struct, frozen=True):
    """Who can register and be called. Limits and ring_seconds of 0: the tenant's."""

    tenant: str
    name: str
    display_name: str = ""
    number: str = ""  # shown to the called side, and reaches the user
    shown: str = ""  # shown instead of the number, such as the company's
    aliases: tuple[str, ...] = ()
    enabled: bool = True
    max_calls: int = 0
    max_call_seconds: int = 0
    ring_seconds: int = 0
    forward_always: str = ""
    forward_busy: str = ""
    forward_no_answer: str = ""  # also when no phone is registered
    media: str = ""  # of his phones: relay, direct, auto; "" what the tenant says
    srtp: str = ""  # required, preferred, off, transparent; "" what the tenant says
    clean: str = ""  # what the relay takes out of what he says: noise, echo, both; "" nothing


def check_tenant(tenant: Tenant) -> Tenant:
    """The tenant with its fields in canonical form. Raises BadField."""
    return replace(
        tenant,
        id=parse_tenant_id(tenant.id, "id"),
        domain=parse_domain(tenant.domain),
        name=parse_display_name(tenant.name, "name"),
        max_calls=parse_calls(tenant.max_calls),
        max_user_calls=parse_calls(tenant.max_user_calls, "max_user_calls"),
        max_call_seconds=parse_seconds(tenant.max_call_seconds, "max_call_seconds"),
        ring_seconds=parse_amount(tenant.ring_seconds, "ring_seconds", RING_SECONDS_MOST) or 30,
        country_code=_digits(tenant.country_code, "country_code", 3),
        national_prefix=_digits(tenant.national_prefix, "national_prefix", 4),
        international_prefix=_digits(tenant.international_prefix, "international_prefix", 6),
        area_code=_digits(tenant.area_code, "area_code", 6),
        short_digits=parse_amount(tenant.short_digits, "short_digits", SHORT_DIGITS_MOST),
        time_zone=parse_zone_name(tenant.time_zone),
        media=parse_one_of(tenant.media, POLICIES, "media"),
        srtp=parse_one_of(tenant.srtp, SRTP_POLICIES, "srtp"),
        music=parse_text(tenant.music, "music"),
    )


def check_user(user: User) -> User:
    """The user with its fields in canonical form. Raises BadField."""
    if len(user.aliases) > ALIASES_MOST:
        raise BadField("aliases", f"at most {ALIASES_MOST}, these are {len(user.aliases)}")
    return replace(
        user,
        tenant=parse_tenant_id(user.tenant),
        name=parse_name(user.name),
        display_name=parse_display_name(user.display_name),
        number=parse_number(user.number),
        shown=parse_number(user.shown, "shown"),
        aliases=tuple(dict.fromkeys(parse_alias(alias, "aliases") for alias in user.aliases)),
        max_calls=parse_calls(user.max_calls),
        max_call_seconds=parse_seconds(user.max_call_seconds, "max_call_seconds"),
        ring_seconds=parse_amount(user.ring_seconds, "ring_seconds", RING_SECONDS_MOST),
        forward_always=parse_address(user.forward_always, "forward_always"),
        forward_busy=parse_address(user.forward_busy, "forward_busy"),
        forward_no_answer=parse_address(user.forward_no_answer, "forward_no_answer"),
        media=parse_one_of(user.media, POLICIES, "media"),
        srtp=parse_one_of(user.srtp, SRTP_POLICIES, "srtp"),
        clean=parse_one_of(user.clean, CLEANED, "clean"),
    )


def _digits(text: str, field: str, most: int) -> str:
    value = text.strip().removeprefix("+")
    if len(value) > most or not (value == "" or (value.isascii() and value.isdigit())):
        raise BadField(field, f"at most {most} digits, not {text[:20]!r}")
    return value
