"""edge.toml as one typed tree, with its defaults and limits. It reads no file and knows no worker."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from tandem.edge.model.sections import HepSection, NftSection
from tandem.names.model import DnsSection

WORKERS_MOST = 64
EDGES_MOST = 1_023  # numbers of edges on a host
LISTEN_MOST = 32  # addresses of one edge
POOLS_MOST = 256
MEMBERS_MOST = 1_024  # of all pools
ROUTES_MOST = 1_024
CIDRS_MOST = 10_000  # of one list
NETS_MOST = 256  # entries of a short list
SCANNERS_MOST = 64
TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")

Rate = Annotated[int, Meta(ge=1, le=1_000_000)]
Transport = Literal["udp", "tcp", "tls", "ws", "wss"]
Wish = Literal["on", "draining", "off"]
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:\[\]-]+$")]
Amounts = dict[str, Annotated[int, Meta(ge=0, le=1_000_000)]]
Status = Annotated[int, Meta(ge=300, le=699)]


class ListenTable(Struct, frozen=True, forbid_unknown_fields=True):
    """One address with more to say about it than where it is."""

    address: str  # transport:address:port
    advertised: str = ""  # host or host:port that peers are told; "": the address that they asked
    proxy_protocol: Annotated[
        tuple[str, ...], Meta(max_length=NETS_MOST)
    ] = ()  # networks of balancers whose connections begin with a PROXY header


class EdgeSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Who this edge is, where it listens, where it keeps what it must not lose."""

    id: Annotated[int, Meta(ge=1, le=EDGES_MOST)] = (
        1  # of the first worker; the others count up: different for each edge of a host
    )
    workers: Annotated[int, Meta(ge=1, le=WORKERS_MOST)] = 1  # processes that share the addresses
    listen: Annotated[tuple[str | ListenTable, ...], Meta(min_length=1, max_length=LISTEN_MOST)] = (
        "udp:0.0.0.0:5060",
        "tcp:0.0.0.0:5060",
    )  # transport:address:port; behind it, where needed, `advertise host:port` and `proxy_protocol` with the networks of balancers; IPv6 in brackets
    advertised: str = ""  # host that peers are told; "": the address that they asked
    local_net: Annotated[
        tuple[str, ...], Meta(max_length=NETS_MOST)
    ] = ()  # networks whose peers are told the address that they asked, whatever is advertised
    aliases: Annotated[
        tuple[str, ...], Meta(max_length=NETS_MOST)
    ] = ()  # names by which a Route may mean this edge: host or host:port
    ws_origins: Annotated[
        tuple[str, ...], Meta(max_length=NETS_MOST)
    ] = ()  # web origins whose pages may connect, like https://phone.example; none: any
    domain: str = "localhost"  # realm of our challenges
    data: str = "var"  # directory of keys, live changes and logs
    run: str = ""  # directory of sockets; "": <data>/run
    log_level: Literal["debug", "info", "warning", "error"] = "info"  # the least that is written


class TlsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Certificates; PEM files, read again when they change."""

    certificate: str = ""  # "": <data>/tls/certificate.pem, self-signed, made when it is needed
    key: str = ""  # "": <data>/tls/key.pem
    ca: str = ""  # authorities of the servers that we connect to; "": the system's
    client_ca: str = ""  # authorities of those who connect to us; "": no certificate is asked for
    verify: bool = True  # whether a server that we connect to must prove who it is
    min_version: Literal["1.2", "1.3"] = "1.2"  # the least that is spoken
    suites: tuple[str, ...] = ()  # cipher suites, by their IANA names; none: all that are good
    certificates: tuple[
        str, ...
    ] = ()  # more of them, `certificate.pem key.pem`: the one that has the name that the peer asks for is shown


class LimitsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What one peer, and all of them together, may ask for. Rates are per second."""

    source_rate: Rate = 200  # new requests of one address
    source_burst: Rate = 400  # at once
    ban_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 300  # a banned address is not heard
    malformed_per_minute: Rate = 60  # bad messages of one address; more: banned
    connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000  # of one worker
    connections_per_source: Annotated[int, Meta(ge=1, le=100_000)] = 100  # of one address
    message_bytes: Annotated[int, Meta(ge=1_500, le=65_535)] = 65_535  # of one SIP message
    idle_seconds: Annotated[int, Meta(ge=30, le=86_400)] = 900  # then a silent connection is closed


class ListsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Networks by address/prefix. Members of pools need not stand here."""

    allow: Annotated[tuple[str, ...], Meta(max_length=CIDRS_MOST)] = ()  # never limited nor banned
    deny: Annotated[tuple[str, ...], Meta(max_length=CIDRS_MOST)] = ()  # never heard
    scanners: Annotated[tuple[str, ...], Meta(max_length=SCANNERS_MOST)] | None = (
        None  # beginnings of User-Agents that are banned at once; without it the known ones
    )


class HttpSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The API, /metrics, /healthz and /readyz."""

    listen: str = ""  # address:port, plain HTTP; "": none
    token_file: str = ""  # its first line is the token; "": <data>/http-token, made when needed


class PolicySection(Struct, frozen=True, forbid_unknown_fields=True):
    """Python functions that say where requests go (docs/guide/edge.md). They run in a process of their own."""

    file: str = ""  # the Python file; "": routes alone decide
    milliseconds: Annotated[int, Meta(ge=1, le=5_000)] = (
        100  # a request waits so long for a verdict
    )
    waiting: Annotated[int, Meta(ge=1, le=100_000)] = 2_000  # requests of one worker that may wait
    verdicts: Annotated[int, Meta(ge=1, le=1_000_000)] = 100_000  # kept by one worker
    otherwise: str = (
        ""  # without a verdict: the name of a pool, or a status like "503"; "": as the routes say
    )


class Health(Struct, frozen=True, forbid_unknown_fields=True):
    """How the members of a pool are watched."""

    method: Annotated[str, Meta(min_length=1, max_length=32, pattern="^[A-Z]+$")] = "OPTIONS"
    interval_ms: Annotated[int, Meta(ge=0, le=3_600_000)] = 10_000  # between probes; 0: none
    timeout_ms: Annotated[int, Meta(ge=50, le=60_000)] = 2_000  # then a probe has failed
    up_after: Annotated[int, Meta(ge=1, le=100)] = 1  # good probes in a row
    down_after: Annotated[int, Meta(ge=1, le=100)] = 3  # failed probes in a row
    good: tuple[str, ...] = ("200-299", "404", "405")  # statuses of a good probe
    passive_down_after: Annotated[int, Meta(ge=0, le=100)] = (
        3  # requests without an answer in a row that put a member on the grey list; 0: never
    )
    grey_ms: Annotated[int, Meta(ge=100, le=3_600_000)] = (
        10_000  # the first time on the grey list; doubles with each failed trial
    )
    panic_percent: Annotated[int, Meta(ge=1, le=100)] = (
        50  # of a pool's weight: if more would be down, nobody is treated as down
    )


class Cost(Struct, frozen=True, forbid_unknown_fields=True):
    """What a request takes of a member's capacity."""

    take: Amounts  # amount by resource, like {call = 1}
    methods: tuple[str, ...] = ()  # that it is for; empty: all
    name: str = ""  # what a route calls this rule


class Member(Struct, frozen=True, forbid_unknown_fields=True):
    """One foreign server."""

    address: str  # address, address:port, name or name:port; a name may lead to several servers (docs/guide/dns.md)
    name: str = ""  # "": the address
    transport: Transport | Literal["auto"] = (
        "auto"  # auto: what DNS says of a name, udp for an address
    )
    tls_name: str = ""  # the name that its certificate must have; "": its name or address
    weight: Annotated[int, Meta(ge=0, le=10_000)] = 100  # its share among those of its priority
    priority: Annotated[int, Meta(ge=0, le=65_535)] = 0  # lower is tried first
    capacity: (
        Annotated[int, Meta(ge=0, le=1_000_000)] | Amounts
    ) = {}  # calls, or amount by resource; {}: no limit
    state: Wish = "on"  # draining: no new calls; off: only what its dialogs need


class Pool(Struct, frozen=True, forbid_unknown_fields=True):
    """Foreign servers that do the same, and how one of them is chosen."""

    name: Name
    algorithm: Literal["weighted", "round_robin", "least_calls", "least_response_time", "hash"] = (
        "weighted"
    )
    hash_on: Annotated[
        str, Meta(pattern=r"^(call_id|from|to|uri_user|source|header:[A-Za-z0-9!%*_+`'~.-]{1,64})$")
    ] = "call_id"  # what `hash` looks at: call_id, from, to, uri_user, source, header:NAME
    uri: Literal["keep", "member"] = "keep"  # member: the Request-URI's host becomes the member's
    retry: tuple[Status, ...] = (408, 480, 503, 504)  # replies after which the next member is tried
    full_status: Status = 503  # when all are full
    none_status: Status = 503  # when nobody is up
    retry_after_seconds: Annotated[int, Meta(ge=0, le=3_600)] = 5  # told with both; 0: not
    answer_ms: Annotated[int, Meta(ge=100, le=60_000)] = (
        4_000  # a member's first word; then the next is tried
    )
    ring_seconds: Annotated[int, Meta(ge=10, le=3_600)] = 180  # a call may ring so long
    record_route: bool = True  # stay in the path of dialogs
    path: bool = False  # put a Path into REGISTERs (RFC 3327): the servers' requests to phones come through us
    call_lease_seconds: Annotated[int, Meta(ge=60, le=604_800)] = (
        14_400  # an answered call counts so long when nobody says that it ended
    )
    health: Health = Health()
    costs: tuple[Cost, ...] = ()  # empty: an INVITE takes one call
    members: tuple[str | Member, ...] = ()
    dispatcher_list: str = ""  # a Kamailio dispatcher.list instead; watched
    set: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 1  # its set


class Route(Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests go where; the first one that matches decides. What a route does not say, it does not ask."""

    pool: str = ""  # where they go
    refuse: Annotated[int, Meta(ge=300, le=699)] | None = None  # or the status of their refusal
    listen: str = ""  # came to this address, as it stands in edge.listen
    source: tuple[str, ...] = field(default=(), name="from")  # came from one of these networks
    from_pool: str = ""  # came from a member of this pool
    methods: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()  # host of the Request-URI
    user_prefix: str = ""  # how the Request-URI's user begins
    cost: str = (
        ""  # the name of the pool's rule about costs that is counted; "": the pool's own, by method
    )


class Tree(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    edge: EdgeSection = EdgeSection()
    tls: TlsSection = TlsSection()
    limits: LimitsSection = LimitsSection()
    lists: ListsSection = ListsSection()
    nft: NftSection = NftSection()
    hep: HepSection = HepSection()
    http: HttpSection = HttpSection()
    policy: PolicySection = PolicySection()
    dns: DnsSection = DnsSection()
    pool: Annotated[tuple[Pool, ...], Meta(max_length=POOLS_MOST)] = ()
    route: Annotated[tuple[Route, ...], Meta(max_length=ROUTES_MOST)] = ()
