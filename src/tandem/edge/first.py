"""What an edge needs before its first start: a commented edge.toml, keys, a certificate, a token. Nothing is ever replaced."""

import os
import secrets
import sys
from ipaddress import ip_address
from pathlib import Path

from tandem.cluster.first import make_keys, self_signed
from tandem.config import BadConfig
from tandem.edge.config import EdgeConfig
from tandem.edge.policy.rules import BadPolicyFile, read_file

TOKEN_BYTES = 24

TOML = """\
# A Tandem edge in front of other servers. `tandem edge check` says in words what this file means,
# `tandem edge run` starts it. Every setting has a default; docs/reference/edge.md lists them all.

[edge]
id = 1                    # of this edge, 1 to 1023; each worker has the next number
workers = 1               # processes that share the addresses; as many as cores that may be busy
listen = [
  "udp:0.0.0.0:5060",     # behind NAT: "udp:10.0.0.5:5060 advertise 203.0.113.7:5060"
  "tcp:0.0.0.0:5060",
  # "tls:0.0.0.0:5061",   # also ws: and wss: for browsers
]
data = "edge-data"        # keys, live changes, logs: keep it

# [tls]
# certificate = "edge.pem"  # without one, a self-signed certificate is made
# key = "edge.key"

[[pool]]                  # servers that do the same
name = "farm"
algorithm = "weighted"    # or round_robin, least_calls, least_response_time, hash (with hash_on = "from" ...)
members = [
  { name = "fs1", address = "127.0.0.1:5080", weight = 50 },
  { name = "fs2", address = "127.0.0.1:5090", weight = 50, capacity = 500 },
]
# dispatcher_list = "dispatcher.list"   # or Kamailio's file, as it is; changes in it are seen within a second
# set = 1

# [pool.health]
# interval_ms = 10000     # OPTIONS to each server so often; 0: none
# down_after = 3

# [[route]]               # the first that matches decides; without any, all goes to the only pool
# methods = ["INVITE"]
# user_prefix = "+49"
# pool = "farm"

[http]
listen = "127.0.0.1:8060" # API, /metrics, /healthz, /readyz; "" for none

# [limits]                # who goes on above them is banned: tandem edge abuse
# source_rate = 200       # new requests a second of one address
# ban_seconds = 300

# [lists]
# allow = ["192.0.2.0/24"]  # never limited nor banned; servers of pools need not stand here
# deny = ["198.51.100.7"]   # never heard

# [nft]
# mode = "auto"           # bans in the kernel too, where this process may (CAP_NET_ADMIN)

# [hep]
# to = "udp:homer.example:9060"  # copies of calls for a Homer

# [policy]
# file = "policy.py"      # Python functions that say where requests go: docs/guide/edge.md
"""


def write_toml(file: Path) -> None:
    """Raises BadConfig if there is a file."""
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(TOML)
    except FileExistsError:
        raise BadConfig(f"{file} is there already: nothing was written") from None
    except OSError as error:
        raise BadConfig(f"{file}: {error.strerror}") from error


def make_data(config: EdgeConfig) -> None:
    """Directories, keys, certificate, token. Raises BadConfig."""
    try:
        config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        config.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        config.log_dir.mkdir(exist_ok=True)
        make_keys(config.keys)
        if config.tree.http.listen:
            make_token(config)
    except OSError as error:
        raise BadConfig(f"edge.data: {error.filename}: {error.strerror}") from error
    if config.serves_tls:
        _certificate(config)


def check_files(config: EdgeConfig) -> None:
    """The files that edge.toml names: there, and of use. Raises BadConfig."""
    tls = config.tree.tls
    named = [
        (f"tls.{name}", getattr(tls, name)) for name in ("certificate", "key", "ca", "client_ca")
    ]
    for n, pair in enumerate(tls.certificates):
        named += [(f"tls.certificates[{n}]", text) for text in pair.split()]
    for field, text in named:
        if text and not config.path(text).is_file():
            raise BadConfig(f"{config.file}: {field}: there is no file {config.path(text)}")
    if config.tree.policy.file:
        file = config.path(config.tree.policy.file)
        sys.path.insert(0, str(file.parent))  # its own modules may stand beside it
        try:
            read_file(file)
        except BadPolicyFile as error:
            raise BadConfig(f"{config.file}: policy.file: {error}") from None
        finally:
            sys.path.pop(0)


def make_token(config: EdgeConfig) -> None:
    """The token of the API, for the owner of the file alone."""
    path = config.http_token
    if path.exists():
        return
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(secrets.token_urlsafe(TOKEN_BYTES) + "\n")


def _certificate(config: EdgeConfig) -> None:
    tls = config.tree.tls
    if tls.certificate or tls.key:
        for field, path in (("tls.certificate", config.certificate), ("tls.key", config.key)):
            if not path.is_file():
                raise BadConfig(f"{field}: there is no file {path}")
        return
    if config.certificate.exists() and config.key.exists():
        return
    hosts = {at.advertised.rpartition(":")[0].strip("[]") for at in config.listens} - {""}
    addresses = {host for host in hosts if _is_address(host)}
    domain = config.tree.edge.domain
    self_signed(
        config.certificate, config.key, domain, (hosts - addresses) | {domain}, addresses,
        "tls.certificate",
    )  # fmt: skip


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
        return True
    except ValueError:
        return False
