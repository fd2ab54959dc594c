"""The rows that routing is built from: carriers, routes, lists, emergency numbers. Values only."""

from msgspec import Struct

from tandem.routing.model.plan import HeaderRule


class Trunk(Struct, frozen=True):
    """A carrier or another switch. tenant "": shared by all tenants."""

    id: str
    host: str
    tenant: str = ""
    port: int = 0  # 0: what DNS says
    transport: int = 0  # UDP, TCP, TLS; 0: what DNS says
    enabled: bool = True
    cidrs: tuple[str, ...] = ()  # addresses that it calls from
    tls_names: tuple[str, ...] = ()  # names in its certificate
    username: str = ""  # digest credentials that we answer its challenges with
    password: str = ""
    register: bool = False  # we register there
    register_seconds: int = 3600
    format: str = "e164"  # how it wants numbers: e164, digits (e164 without +), national
    strip: int = 0  # digits taken off the formatted number,
    prefix: str = ""  # and then put before it
    country_code: str = ""  # how numbers from it are read; "" the tenant's
    contact: str = ""  # user part of our Contact, where it insists
    headers_in: tuple[HeaderRule, ...] = ()
    headers_out: tuple[HeaderRule, ...] = ()
    max_calls: int = 0
    trusted: bool = False  # P-Asserted-Identity is believed and sent (RFC 3325)
    from_user: str = ""
    from_host: str = ""
    diversion: str = "history-info"
    default_to: str = (
        ""  # who gets calls to numbers that nobody has; of a shared trunk: name@domain
    )
    ring_seconds: int = 120
    media: str = ""  # relay, direct, auto; "" what the tenant says
    srtp: str = ""  # required, preferred, off, transparent; "" what the tenant says
    clean: str = ""  # what the relay takes out of what comes from it: noise, echo, both; "" nothing


class Route(Struct, frozen=True):
    """Numbers with this prefix go to this trunk. tenant "": for tenants without a route of their own that matches."""

    id: str
    trunk: str
    tenant: str = ""
    prefix: str = "+"  # "+4930", "+" for all E.164 numbers, "115" for short ones
    priority: int = 10  # lower first; the next is tried when one has failed
    weight: int = 1  # share among those of the same priority; 0: only after the others
    schedule: str = ""  # "mo-fr 08:00-18:00, sa 09:00-12:00"; "" always
    enabled: bool = True


class ListEntry(Struct, frozen=True):
    """One line of an allow or deny list. owner "": the whole tenant, otherwise a user's name."""

    tenant: str
    do: str  # allow, deny
    kind: str  # number, prefix, country
    value: str  # "+4930123" or name@domain; "+4930", "" for all; "DE" (ISO 3166)
    owner: str = ""
    direction: str = "out"  # out: whom they call; in: who calls them


class Emergency(Struct, frozen=True):
    """A number that passes every limit and list, and the trunk it goes to."""

    tenant: str
    number: str
    trunk: str
    priority: int = 10
    send_as: str = ""  # what the carrier wants instead; "" the number itself


class CountryPrefix(Struct, frozen=True):
    code: str  # ISO 3166; "001" for numbers of no country
    prefix: str  # digits after +
