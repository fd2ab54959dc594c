"""Parses what people type into the fields of an account: a value, or BadField naming field and limit. Keeps nothing."""

import re
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

NAME_CHARACTERS = 64
TENANT_CHARACTERS = 32
DOMAIN_CHARACTERS = 253  # RFC 1035 2.3.4
LABEL_CHARACTERS = 63
NUMBER_DIGITS = 15  # E.164 6
DISPLAY_CHARACTERS = 128
TEXT_CHARACTERS = 255
SECONDS_MOST = 7 * 24 * 3600
CALLS_MOST = 1_000_000

_NAME = re.compile(r"[a-z0-9+][a-z0-9._+-]*\Z")
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")
_NUMBER = re.compile(r"\+?[0-9]+\Z")
_CODE = re.compile(r"[*#][0-9*#]{1,14}\Z")
_SEPARATORS = str.maketrans("", "", " -.()/")


class BadField(ValueError):
    """A field that was refused: `field` names it, `reason` says which rule or limit."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Taken(BadField):
    """A value that is good, but somebody else has it: 409 where BadField is 400."""


def parse_name(text: str, field: str = "name") -> str:
    """A user's name as in sip:name@domain: lower-case letters, digits and `. _ + -`."""
    name = text.strip().lower()
    _sized(field, name, NAME_CHARACTERS)
    if not _NAME.match(name):
        raise BadField(field, "only letters, digits and . _ + - (a letter, digit or + first)")
    return name


def parse_tenant_id(text: str, field: str = "tenant") -> str:
    name = text.strip().lower()
    _sized(field, name, TENANT_CHARACTERS)
    if not _TENANT.match(name):
        raise BadField(field, "only letters, digits and - (a letter or digit first)")
    return name


def parse_domain(text: str, field: str = "domain") -> str:
    """A host name, or an IPv4 address used as one (RFC 3261 25.1 `host`)."""
    domain = text.strip().lower().removesuffix(".")
    _sized(field, domain, DOMAIN_CHARACTERS)
    for label in domain.split("."):
        if not _LABEL.match(label) or len(label) > LABEL_CHARACTERS:
            raise BadField(
                field, f"labels of 1 to {LABEL_CHARACTERS} letters, digits and -, not {label!r}"
            )
    return domain


def parse_number(text: str, field: str = "number") -> str:
    """A telephone number: digits, perhaps after "+"; separators people write are dropped. "" stays ""."""
    number = text.strip().translate(_SEPARATORS)
    if not number or _CODE.match(number):
        return number
    if not _NUMBER.match(number):
        raise BadField(field, f"digits, perhaps after +, not {text[:40]!r}")
    if len(number.lstrip("+")) > NUMBER_DIGITS:
        raise BadField(field, f"at most {NUMBER_DIGITS} digits (E.164)")
    return number


def parse_alias(text: str, field: str = "alias") -> str:
    """Another way to reach a user: a number or a name."""
    try:
        number = parse_number(text, field)
    except BadField:
        return parse_name(text, field)
    if not number:
        raise BadField(field, "must not be empty")
    return number


def parse_address(text: str, field: str) -> str:
    """Where a call may be sent on to: a number, a name, or name@domain. "" means nowhere."""
    name, at, domain = text.strip().removeprefix("sip:").partition("@")
    if at:
        return f"{parse_name(name, field)}@{parse_domain(domain, field)}"
    return parse_alias(name, field) if name else ""


def parse_text(text: str, field: str, most: int = TEXT_CHARACTERS) -> str:
    """One line of text: control characters would split a header, so they are refused."""
    value = text.strip()
    if len(value) > most:
        raise BadField(field, f"at most {most} characters, this has {len(value)}")
    if not value.isprintable():
        raise BadField(field, "no control characters")
    return value


def parse_display_name(text: str, field: str = "display_name") -> str:
    return parse_text(text, field, DISPLAY_CHARACTERS)


def parse_one_of(text: str, known: tuple[str, ...], field: str) -> str:
    """One of these words; "" stays ""."""
    word = text.strip().lower()
    if word and word not in known:
        raise BadField(field, f"one of {', '.join(known)}, not {word[:20]!r}")
    return word


def parse_seconds(value: int, field: str) -> int:
    return parse_amount(value, field, SECONDS_MOST)


def parse_calls(value: int, field: str = "max_calls") -> int:
    return parse_amount(value, field, CALLS_MOST)


def parse_zone(name: str, field: str = "time_zone") -> tzinfo:
    """A time zone by its IANA name. Raises BadField when this machine does not know it."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise BadField(field, f"no time zone known as {name[:64]!r}") from None


def parse_zone_name(name: str, field: str = "time_zone") -> str:
    parse_zone(name, field)
    return name


def parse_amount(value: int, field: str, most: int) -> int:
    if not 0 <= value <= most:
        raise BadField(field, f"from 0 to {most}, not {value}")
    return value


def _sized(field: str, text: str, most: int) -> None:
    if not 1 <= len(text) <= most:
        raise BadField(field, f"1 to {most} characters, this has {len(text)}")
