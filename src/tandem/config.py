"""The configuration: one typed tree from tandem.toml, then the environment. It opens and makes nothing.

Every value can come from the environment as TANDEM_<SECTION>_<KEY> (lists: comma separated), which wins over the file.
Relative paths are relative to the directory of tandem.toml.
"""

import os
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

LISTEN_MAX = 16  # sockets that one edge listens on
LISTEN_TRANSPORTS = ("udp", "tcp", "tls")

Rate = Annotated[int, Meta(ge=1, le=1_000_000)]


class BadConfig(Exception):
    """A value that cannot be used; its text names the field, the value and the limit."""


class Listen(Struct, frozen=True):
    """One listening address of the edge; port 0 takes any free port (tests)."""

    transport: str  # udp, tcp, tls
    host: str  # an IP address without brackets
    port: int

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
    )  # transport:address:port, transport udp, tcp or tls; IPv6 in brackets
    advertised: str = (
        ""  # host that phones can reach; "": the address that this machine has on its default route
    )
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


class HttpSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP API."""

    listen: str = "127.0.0.1:8080"  # address:port; plain HTTP


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
    connections: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000  # TCP and TLS, all
    connections_per_source: Annotated[int, Meta(ge=1, le=100_000)] = 100  # of one address
    message_bytes: Annotated[int, Meta(ge=1_500, le=65_535)] = 65_535  # of one SIP message
    idle_seconds: Annotated[int, Meta(ge=30, le=86_400)] = 900  # then a silent connection is closed


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
    journal: JournalSection = JournalSection()
    limits: LimitsSection = LimitsSection()
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
    def control_socket(self) -> Path:
        return self.run / "control.sock"

    @property
    def certificate(self) -> Path:
        text = self.sip.certificate
        return self.path(text) if text else self.data / "tls" / "certificate.pem"

    @property
    def key(self) -> Path:
        return self.path(self.sip.key) if self.sip.key else self.data / "tls" / "key.pem"

    @property
    def listens(self) -> tuple[Listen, ...]:
        return tuple(parse_listen(text, "sip.listen") for text in self.sip.listen)

    @property
    def http_listen(self) -> Listen:
        return parse_listen("tcp:" + self.http.listen, "http.listen", shown=self.http.listen)


def parse_listen(text: str, field: str, *, shown: str = "") -> Listen:
    """`transport:address:port`, IPv6 in brackets; raises BadConfig with the field's name and the text (or `shown`)."""
    named = f"{field}: {(shown or text)!r}"
    transport, _, rest = text.strip().partition(":")
    host, _, port = rest.rpartition(":")
    if transport not in LISTEN_TRANSPORTS:
        raise BadConfig(f"{named}: transport must be one of udp, tcp, tls")
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
    return Listen(transport, host, int(port))


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
    _ = config.listens, config.http_listen  # checked now, so that nothing later can fail on them
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
            [part.strip() for part in text.split(",")]
            if field.name == "listen" and section.name == "sip"
            else text
        )
        try:
            over[field.name] = msgspec.convert(value, field.type, strict=False)
        except msgspec.ValidationError as error:
            raise BadConfig(f"{variable}: {error}") from None
    return over
