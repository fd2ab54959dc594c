"""The configuration: one typed tree from tandem.toml, then the environment. It opens and makes nothing.

Every value can come from the environment as TANDEM_<SECTION>_<KEY> (lists: comma separated), which wins over the file.
Relative paths are relative to the directory of tandem.toml.
"""

import os
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from tandem.edge.model.sections import HepSection, NftSection, bad_copies
from tandem.media.model.members import (
    OWN,
    REGIONS_MOST,
    RELAYS_MOST,
    Member,
    RegionRow,
    RelayRow,
    place,
)
from tandem.media.model.members import bad as bad_members
from tandem.names.model import DnsSection, bad_server
from tandem.relay.model import RelaySection
from tandem.relay.model import bad as bad_relay
from tandem.turn.model import TurnSection
from tandem.turn.model import bad as bad_turn

LISTEN_MAX = 16  # sockets that one edge listens on
LISTEN_TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")
SECURE_TRANSPORTS = ("tls", "wss")
NETS_MAX = 256  # networks in one list
EDGES_MAX = 16  # edge processes of one machine
EDGES_STEP = 64  # between the numbers of a machine's edges; a machine with several has a lower id

Rate = Annotated[int, Meta(ge=1, le=1_000_000)]
Unproven = Literal["never", "registered", "anybody"]


class BadConfig(Exception):
    """A value that cannot be used; its text names the field, the value and the limit."""


class Listen(Struct, frozen=True):
    """One listening address of the edge; port 0 takes any free port (tests)."""

    transport: str  # udp, tcp, tls, ws, wss
    host: str  # an IP address without brackets
    port: int
    advertised: str = ""  # host:port that peers are told
    balancers: tuple[str, ...] = ()  # networks from which connections begin with a PROXY header

    @property
    def hostport(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.transport}:{self.hostport}"


class NodeSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Who this machine is, and where it keeps what it must not lose."""

    id: Annotated[int, Meta(ge=1, le=65_535)] = 1  # of this machine
    data: str = "var"  # directory of accounts, journal, keys, logs


class SipSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The edge's sockets and the names that it goes by."""

    listen: Annotated[tuple[str, ...], Meta(min_length=1, max_length=LISTEN_MAX)] = (
        "udp:0.0.0.0:5060",
        "tcp:0.0.0.0:5060",
        "tls:0.0.0.0:5061",
        "wss:0.0.0.0:7443",
    )  # transport:address:port, transport udp, tcp, tls, ws or wss; IPv6 in brackets; then, where needed, `advertise host:port` and `proxy_protocol` with the networks of the balancers
    advertised: str = (
        ""  # host that phones can reach; "": the address that this machine has on its default route
    )
    local_net: Annotated[
        tuple[str, ...], Meta(max_length=NETS_MAX)
    ] = ()  # networks whose phones are told the address that they asked, whatever is advertised
    edges: Annotated[int, Meta(ge=1, le=EDGES_MAX)] = (
        1  # edge processes that share the addresses; more than one: node.id is at most 63
    )
    ws_origins: Annotated[
        tuple[str, ...], Meta(max_length=NETS_MAX)
    ] = ()  # web origins whose pages may connect, like https://phone.example; none: any
    default_domain: str = (
        "demo.tandem.test"  # domain of requests that name an address of ours instead of a domain
    )
    certificate: str = ""  # PEM path; "": <data>/tls/certificate.pem, made on the first `up`
    key: str = ""  # PEM path; "": <data>/tls/key.pem
    ca: str = (
        ""  # PEM path of authorities for the servers that we connect to by TLS; "": the system's
    )
    client_ca: str = (
        ""  # PEM path of authorities for phones' and trunks' certificates; "": none is asked for
    )
    verify: bool = True  # whether a server that we connect to by TLS must prove who it is
    tls_min_version: Literal["1.2", "1.3"] = "1.2"  # the least that is spoken
    tls_suites: tuple[str, ...] = ()  # cipher suites, by their IANA names; none: all that are good
    certificates: tuple[
        str, ...
    ] = ()  # more of them, `certificate.pem key.pem`: the one that has the name that the peer asks for is shown


class HttpSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP API."""

    listen: str = "127.0.0.1:8080"  # address:port; plain HTTP


class MediaSection(Struct, frozen=True, forbid_unknown_fields=True):
    """By which way media passes where tenant and trunk say nothing, and which relay is asked."""

    relay: str = (
        ""  # "": our own, where [relay] is enabled; udp:address:port: another one that speaks ng
    )
    policy: Literal["relay", "direct", "auto"] = (
        "auto"  # auto: by the relay where it is needed (NAT, WebRTC, SRTP on one side)
    )
    srtp: Literal["required", "preferred", "off", "transparent"] = (
        "preferred"  # preferred: what a phone offers is offered on; transparent: keys pass untouched
    )
    music: Annotated[str, Meta(max_length=200)] = (
        ""  # for who is held by a user of a tenant that has none: sounds, like "hold.ogg", of data/sounds; "": silence
    )
    relays: Annotated[
        tuple[RelayRow, ...], Meta(max_length=RELAYS_MOST)
    ] = ()  # more of them, a [[media.relays]] each with name, place, region, weight
    regions: Annotated[
        tuple[RegionRow, ...], Meta(max_length=REGIONS_MOST)
    ] = ()  # a [[media.regions]] each with name, networks, countries, milliseconds
    geo: str = ""  # a database of countries in MaxMind's format; "": none


class JournalSection(Struct, frozen=True, forbid_unknown_fields=True):
    """How careful the journal is: within = fdatasync within 50 ms of the write, before = before any answer."""

    sync: Literal["within", "before"] = "within"  # before: slower, a power cut loses nothing


class LimitsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What one peer, and all of them together, may ask for. Rates are per second."""

    calls: Rate = 10_000  # calls at a time on this node; beyond it 503
    lag_milliseconds: Annotated[int, Meta(ge=10, le=60_000)] = (
        500  # delay of this node above which new calls get 503
    )
    source_rate: Rate = 200  # requests of one address
    source_burst: Rate = 400  # at once
    account_rate: Rate = 50  # requests of one user
    account_burst: Rate = 100  # at once
    ban_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 300  # a banned address is not heard
    malformed_per_minute: Rate = 60  # bad messages of one address; more: banned
    connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000  # of one edge process, all
    connections_per_source: Annotated[int, Meta(ge=1, le=100_000)] = 100  # of one address
    message_bytes: Annotated[int, Meta(ge=1_500, le=65_535)] = 65_535  # of one SIP message
    idle_seconds: Annotated[int, Meta(ge=30, le=86_400)] = 900  # then a silent connection is closed


class EmergencySection(Struct, frozen=True, forbid_unknown_fields=True):
    """Who may call a tenant's emergency numbers without a password: never, registered (from where the user's phone is), anybody."""

    unproven: Unproven = "registered"
    tenants: tuple[str, ...] = ()  # single tenants that differ, `tenant anybody`


Ping = Annotated[int, Meta(ge=0, le=3_600)]


class KeepaliveSection(Struct, frozen=True, forbid_unknown_fields=True):
    """How flows to phones are kept open. Seconds."""

    udp_seconds: Ping = 25  # between pings of a phone over UDP behind NAT; 0: none
    stream_seconds: Ping = 90  # of silence, then the kernel asks whether it is there
    flow_timer_seconds: Ping = 120  # Flow-Timer of phones with outbound; 0: not told
    options: Literal["off", "nat", "all"] = "off"  # phones that are asked by OPTIONS instead
    options_seconds: Annotated[int, Meta(ge=1, le=3_600)] = 60  # between two of them
    options_misses: Annotated[int, Meta(ge=1, le=10)] = 3  # unanswered, then it is unreachable


class LogSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What the processes write to <data>/log."""

    level: Literal["debug", "info", "warning", "error"] = "info"  # the least that is written


class TraceSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The SIP messages kept in memory for `tandem call trace`."""

    calls: Annotated[int, Meta(ge=0, le=1_000_000)] = 1_000  # newest calls; 0: no trace
    messages: Annotated[int, Meta(ge=1, le=10_000)] = 400  # per call


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole tree. `base` is the directory that relative paths start from; it is not in the file."""

    node: NodeSection = NodeSection()
    sip: SipSection = SipSection()
    http: HttpSection = HttpSection()
    media: MediaSection = MediaSection()
    journal: JournalSection = JournalSection()
    limits: LimitsSection = LimitsSection()
    keepalive: KeepaliveSection = KeepaliveSection()
    emergency: EmergencySection = EmergencySection()
    dns: DnsSection = DnsSection()
    nft: NftSection = NftSection()
    hep: HepSection = HepSection()
    relay: RelaySection = RelaySection()
    turn: TurnSection = TurnSection()
    log: LogSection = LogSection()
    trace: TraceSection = TraceSection()
    base: str = "."

    def path(self, text: str) -> Path:
        return Path(self.base, text)

    @property
    def data(self) -> Path:
        return self.path(self.node.data)

    @property
    def run(self) -> Path:
        """Sockets and process numbers: gone after a reboot without loss."""
        return self.data / "run"

    @property
    def log_dir(self) -> Path:
        return self.data / "log"

    @property
    def keys(self) -> Path:
        return self.data / "keys.json"

    @property
    def database(self) -> Path:
        return self.data / "tandem.sqlite"

    @property
    def link_socket(self) -> Path:
        return self.run / "link.sock"

    @property
    def relay_socket(self) -> Path:
        """Where the call node asks the media relay."""
        return self.run / "relay.sock"

    @property
    def control_socket(self) -> Path:
        return self.run / "control.sock"

    @property
    def asked_relays(self) -> tuple[Member, ...]:
        """The relays that calls can take, the first one for calls that name none."""
        found = []
        if self.media.relay:
            at = parse_listen(self.media.relay, "media.relay")
            found.append(Member(OWN, (at.host, at.port), self.relay.region, self.relay.weight))
        elif self.relay.enabled:
            found.append(Member(OWN, self.relay_socket, self.relay.region, self.relay.weight))
        for row in self.media.relays:
            if (at_place := place(row.place)) is not None:
                found.append(Member(row.name, at_place, row.region, row.weight))
        return tuple(found)

    @property
    def certificate(self) -> Path:
        text = self.sip.certificate
        return self.path(text) if text else self.data / "tls" / "certificate.pem"

    @property
    def key(self) -> Path:
        return self.path(self.sip.key) if self.sip.key else self.data / "tls" / "key.pem"

    @property
    def edge_numbers(self) -> tuple[int, ...]:
        """Of this machine's edge processes, towards owners; the first is the machine's."""
        return tuple(self.node.id + EDGES_STEP * n for n in range(self.sip.edges))

    def edge_control(self, edge: int) -> Path:
        """The control socket of an edge process."""
        return self.run / f"worker-{edge}.sock"

    @property
    def unproven(self) -> dict[str, str]:
        """Who needs no proof for an emergency call, by tenant; "": all others."""
        pairs = (text.split() for text in self.emergency.tenants)
        return {"": self.emergency.unproven, **dict(pairs)}

    @property
    def certificates(self) -> tuple[tuple[Path, Path], ...]:
        """Those beside the first, each with its key."""
        pairs = (text.split() for text in self.sip.certificates)
        return tuple((self.path(certificate), self.path(key)) for certificate, key in pairs)

    @property
    def listens(self) -> tuple[Listen, ...]:
        return tuple(parse_listen(text, "sip.listen") for text in self.sip.listen)

    @property
    def http_listen(self) -> Listen:
        return parse_listen("tcp:" + self.http.listen, "http.listen", shown=self.http.listen)


def parse_listen(text: str, field: str, *, shown: str = "") -> Listen:
    """`transport:address:port`, IPv6 in brackets, and what is said behind it; raises BadConfig with the field's name and the text (or `shown`)."""
    named = f"{field}: {(shown or text)!r}"
    address, *words = text.split() or [""]
    transport, _, rest = address.partition(":")
    host, _, port = rest.rpartition(":")
    if transport not in LISTEN_TRANSPORTS:
        raise BadConfig(f"{named}: transport must be one of {', '.join(LISTEN_TRANSPORTS)}")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise BadConfig(f"{named}: write an IPv6 address in brackets, like udp:[::]:5060")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ip_address(host)
    except ValueError:
        like = "write address:port, like 0.0.0.0:5060"
        raise BadConfig(f"{named}: {host!r} is not an IP address; {like}") from None
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise BadConfig(f"{named}: port must be a number from 0 to 65535")
    if shown and words:
        raise BadConfig(f"{named}: nothing may stand behind the address")
    advertised, balancers = _said(words, named)
    if balancers and transport == "udp":
        raise BadConfig(f"{named}: proxy_protocol is for tcp, tls, ws and wss")
    return Listen(transport, host, int(port), advertised, balancers)


def _said(words: list[str], named: str) -> tuple[str, tuple[str, ...]]:
    """What stands behind a listening address: `advertise host:port`, `proxy_protocol network network ..`."""
    advertised, balancers = "", list[str]()
    rest = list(words)
    while rest:
        match rest.pop(0):
            case "advertise" if rest:
                advertised = rest.pop(0)
                port = advertised.rpartition(":")[2]
                if not (port.isascii() and port.isdigit() and 0 < int(port) <= 65_535):
                    raise BadConfig(f"{named}: advertise needs host:port, like sip.example.com:443")
            case "proxy_protocol" if rest:
                while rest and rest[0] != "advertise":
                    balancers.append(check_net(rest.pop(0), named))
                if len(balancers) > NETS_MAX:
                    raise BadConfig(f"{named}: more than {NETS_MAX} networks")
            case other:
                raise BadConfig(
                    f"{named}: {other!r} is neither `advertise host:port` nor `proxy_protocol network ..`"
                )
    return advertised, tuple(balancers)


def check_net(text: str, named: str) -> str:
    """A network, or BadConfig that says which one it is."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise BadConfig(f"{named}: {text!r} is no network, like 192.0.2.0/24") from None


def config_path(environ: Mapping[str, str] | None = None) -> Path:
    """Where tandem.toml is (or will be): TANDEM_CONFIG, else the checkout, else /etc/tandem (root) or ~/.config."""
    environ = os.environ if environ is None else environ
    if named := environ.get("TANDEM_CONFIG"):
        return Path(named).absolute()
    if home := environ.get("TANDEM_HOME"):
        return Path(home).absolute() / "tandem.toml"
    if os.geteuid() == 0:
        return Path("/etc/tandem/tandem.toml")
    return Path.home() / ".config" / "tandem" / "tandem.toml"


def default_data(path: Path, environ: Mapping[str, str] | None = None) -> str:
    """The data directory of a first configuration: beside it, or /var/lib/tandem for an installed wheel."""
    if path == Path("/etc/tandem/tandem.toml"):
        return "/var/lib/tandem"
    if path == Path.home() / ".config" / "tandem" / "tandem.toml":
        return str(Path.home() / ".local" / "share" / "tandem")
    return "var"


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Reads and checks everything; raises BadConfig. A file that does not exist is an empty one."""
    environ = os.environ if environ is None else environ
    path = config_path(environ) if path is None else path
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raw = {"node": {"data": default_data(path, environ)}}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadConfig(f"{path}: {error}") from error
    if "base" in raw:
        raise BadConfig(f"{path}: Object contains unknown field `base`")
    return parse(raw, environ, base=path.parent, name=str(path))


def parse(raw: dict[str, Any], environ: Mapping[str, str], *, base: Path, name: str) -> Config:
    """A tree of plain values, then the environment over it; raises BadConfig. Pure."""
    merged: dict[str, Any] = {**raw, "base": str(base)}
    for section in msgspec.structs.fields(Config):
        if section.name != "base":
            over = _environment(section, environ)
            if over and isinstance(merged.get(section.name, {}), dict):
                merged[section.name] = {**merged.get(section.name, {}), **over}
    try:
        config = msgspec.convert(merged, Config)
    except msgspec.ValidationError as error:
        text = str(error).replace(" - at `$.", ": field `")
        raise BadConfig(f"{name}: {text}") from None
    if (
        told := bad_server(config.dns)
        or bad_copies(config.hep)
        or bad_relay(config.relay)
        or bad_members(config.media.relays, config.media.regions, config.relay.region)
        or (config.turn.enabled and bad_turn(config.turn, config.relay))
    ):
        raise BadConfig(told)
    _ = config.listens, config.http_listen  # checked now, so that nothing later can fail on them
    if config.media.relay:
        at = parse_listen(config.media.relay, "media.relay")
        if at.transport != "udp" or not at.port or at.advertised:
            raise BadConfig(f"media.relay: {config.media.relay!r}: write udp:address:port")
    for net in config.sip.local_net:
        check_net(net, "sip.local_net")
    for text in config.sip.certificates:
        if len(text.split()) != 2:
            raise BadConfig(f"sip.certificates: {text!r}: write `certificate.pem key.pem`")
    for text in config.emergency.tenants:
        if len(text.split()) != 2 or text.split()[1] not in get_args(Unproven):
            raise BadConfig(
                f"emergency.tenants: {text!r}: write `tenant` and one of {', '.join(get_args(Unproven))}"
            )
    if config.sip.edges > 1 and config.node.id >= EDGES_STEP:
        raise BadConfig(
            f"sip.edges: {config.sip.edges}: with more than 1, node.id is at most {EDGES_STEP - 1}, not {config.node.id}"
        )
    return config


def _environment(section: msgspec.structs.FieldInfo, environ: Mapping[str, str]) -> dict[str, Any]:
    prefix = f"TANDEM_{section.name.upper()}_"
    fields = {field.name.upper(): field for field in msgspec.structs.fields(section.type)}
    over: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith(prefix):
            continue
        field = fields.get(variable.removeprefix(prefix))
        if field is None:
            known = ", ".join(sorted(prefix + key for key in fields))
            raise BadConfig(f"{variable}: no such setting; there are {known}")
        value: Any = (
            [part.strip() for part in text.split(",")] if isinstance(field.default, tuple) else text
        )
        try:
            over[field.name] = msgspec.convert(value, field.type, strict=False)
        except msgspec.ValidationError as error:
            raise BadConfig(f"{variable}: {error}") from None
    return over
