"""What the first `up` makes: tandem.toml, keys.json, a TLS certificate. Each only if it is not there; nothing is ever replaced."""

import json
import secrets
import shutil
import socket
import subprocess
import tomllib
from pathlib import Path

from tandem.cluster.keys import SECRET_BYTES, write_keys
from tandem.cluster.sockets import default_address
from tandem.config import SECURE_TRANSPORTS, BadConfig, Config, config_path, default_data, load

CERTIFICATE_DAYS = 825  # the longest that phones and browsers accept for a self-signed one

TOML = """\
# Tandem's configuration. Every value has a default; each can also come from the environment as TANDEM_<SECTION>_<KEY>.
# After a change: `tandem reload`. It restarts only what the change concerns.

[node]
id = 1                    # 1 to 65535, different on each machine of a cluster
data = {data}             # accounts, journal, keys, logs: keep it

[sip]
listen = [{listen}]
advertised = ""           # public address, for phones outside this network; "" = the address that a phone talks to ({address})
default_domain = "demo.tandem.test"   # phones that name only an address belong to this domain
certificate = ""          # PEM; "" = <data>/tls/certificate.pem, self-signed
key = ""
ca = ""                   # PEM of authorities for servers that Tandem connects to; "" = the system's

[http]
listen = "127.0.0.1:8080" # the API; put TLS in front before you open it to a network

[journal]
sync = "within"           # within: on disk at most 50 ms after it was written; before: before any answer (slower)

[log]
level = "info"            # debug, info, warning, error
"""


def make_config() -> Path:
    """tandem.toml, if there is none. Returns its path."""
    path = config_path()
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            TOML.format(
                data=json.dumps(default_data(path)),
                listen=", ".join(json.dumps(text) for text in _listens()),
                address=default_address(),
            )
        )
    except OSError as error:
        raise BadConfig(f"{path}: cannot write a first configuration: {error.strerror}") from error
    return path


def add_turn(path: Path) -> bool:
    """[turn] with enabled, behind what the file has; False: it is on already. Raises BadConfig where the file says otherwise."""
    if load(path).turn.enabled:
        return False
    text = path.read_text(encoding="utf-8")
    if "turn" in tomllib.loads(text):
        raise BadConfig(f"{path}: it has a section [turn]: write `enabled = true` there")
    new = path.with_suffix(".new")
    new.write_text(f"{text.rstrip()}\n\n[turn]\nenabled = true\n", encoding="utf-8")
    shutil.copymode(path, new)
    new.replace(path)
    return True


def _listens() -> list[str]:
    hosts = ["0.0.0.0", *(["[::]"] if _has_ipv6() else [])]
    ports = (("udp", 5060), ("tcp", 5060), ("tls", 5061), ("wss", 7443))
    return [f"{t}:{h}:{p}" for h in hosts for t, p in ports]


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::", 0))
            return True
    except OSError:
        return False


def make_data(config: Config) -> None:
    """The data directory (mode 0700), keys and certificate. Raises BadConfig."""
    try:
        config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        for directory in (config.run, config.log_dir):
            directory.mkdir(exist_ok=True)
        make_keys(config.keys)
    except OSError as error:
        raise BadConfig(f"node.data: {error.filename}: {error.strerror}") from error
    if any(listen.transport in SECURE_TRANSPORTS for listen in config.listens):
        make_certificate(config)


def make_keys(path: Path) -> None:
    """Secrets that sign branches, route tokens and nonces; losing them ends the calls that carry them."""
    if path.exists():
        return
    secret = [secrets.token_hex(SECRET_BYTES) for _ in range(3)]
    keys = {
        "hash": secret[0],
        "signing": [{"id": "a", "secret": secret[1]}],
        "nonce": [{"id": "a", "secret": secret[2]}],
    }
    write_keys(path, keys)


def make_certificate(config: Config) -> None:
    """Self-signed, by the openssl command, for this host's name and addresses."""
    if config.sip.certificate or config.sip.key:
        for field, path in (("sip.certificate", config.certificate), ("sip.key", config.key)):
            if not path.is_file():
                raise BadConfig(f"{field}: there is no file {path}")
        return
    if config.certificate.exists() and config.key.exists():
        return
    addresses, names = set(), {config.sip.default_domain}
    if _is_address(config.sip.advertised):
        addresses.add(config.sip.advertised)
    elif config.sip.advertised:
        names.add(config.sip.advertised)
    self_signed(config.certificate, config.key, config.sip.default_domain, names, addresses)


def self_signed(
    certificate: Path,
    key: Path,
    name: str,
    names: set[str],
    addresses: set[str],
    field: str = "sip.certificate",
) -> None:
    """A certificate for these and for what this host is called, by the openssl command. Raises BadConfig."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise BadConfig(
            f"{field}: a TLS address is configured, there is no certificate and no openssl command to make one: "
            "install openssl, name a certificate, or take the TLS addresses out"
        )
    certificate.parent.mkdir(exist_ok=True, mode=0o700)
    addresses = {"127.0.0.1", "::1", default_address(), default_address(ipv6=True), *addresses}
    names = {socket.gethostname(), "localhost", *names}
    alternatives = [f"DNS:{n}" for n in sorted(names)] + [f"IP:{a}" for a in sorted(addresses)]
    command = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", str(CERTIFICATE_DAYS)]
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=" + ",".join(alternatives)]
    done = subprocess.run(command, capture_output=True, text=True, umask=0o077, check=False)
    if done.returncode:
        raise BadConfig(f"{field}: openssl could not make one: {done.stderr.strip()[-400:]}")


def _is_address(text: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
            return True
        except OSError:
            continue
    return False
