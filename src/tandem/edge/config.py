"""edge.toml: read, checked, and where its files are. It opens no socket and starts nothing."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tandem.config import BadConfig, Listen, parse_listen
from tandem.edge.model.addresses import At, BadValue
from tandem.edge.model.changes import Patch, by_name, in_order, merged
from tandem.edge.model.front import checked, listens
from tandem.edge.model.lines import line_of
from tandem.edge.model.refusals import by_names, explained
from tandem.edge.model.tree import Tree

DEFAULT_FILE = "edge.toml"
SYSTEM_FILE = Path("/etc/tandem/edge.toml")


class EdgeConfig(Struct, frozen=True):
    """A checked file. Relative paths start from its directory."""

    file: Path
    tree: Tree
    plain: dict[str, Any]  # as it was read: live changes are laid over it

    def path(self, text: str) -> Path:
        return Path(self.file.parent, text)

    @property
    def data(self) -> Path:
        return self.path(self.tree.edge.data)

    @property
    def run(self) -> Path:
        return self.path(self.tree.edge.run) if self.tree.edge.run else self.data / "run"

    @property
    def log_dir(self) -> Path:
        return self.data / "log"

    @property
    def keys(self) -> Path:
        return self.data / "keys.json"

    @property
    def changes(self) -> Path:
        return self.data / "changes.json"

    @property
    def bans(self) -> Path:
        return self.data / "bans.json"

    @property
    def admin_socket(self) -> Path:
        return self.run / "admin.sock"

    @property
    def policy_socket(self) -> Path:
        return self.run / "policy.sock"

    @property
    def asked_policy(self) -> str:
        """The socket that workers ask for verdicts; "": there are none."""
        return str(self.policy_socket) if self.tree.policy.file else ""

    def worker_socket(self, edge: int) -> Path:
        return self.run / f"worker-{edge}.sock"

    @property
    def certificate(self) -> Path:
        text = self.tree.tls.certificate
        return self.path(text) if text else self.data / "tls" / "certificate.pem"

    @property
    def key(self) -> Path:
        return self.path(self.tree.tls.key) if self.tree.tls.key else self.data / "tls" / "key.pem"

    @property
    def http_token(self) -> Path:
        text = self.tree.http.token_file
        return self.path(text) if text else self.data / "http-token"

    @property
    def edges(self) -> tuple[int, ...]:
        """Numbers of the workers."""
        return tuple(range(self.tree.edge.id, self.tree.edge.id + self.tree.edge.workers))

    @property
    def listens(self) -> tuple[At, ...]:
        return listens(self.tree)

    @property
    def http_listen(self) -> Listen | None:
        text = self.tree.http.listen
        return parse_listen("tcp:" + text, "http.listen", shown=text) if text else None

    @property
    def serves_tls(self) -> bool:
        return any(at.transport in ("tls", "wss") for at in self.listens)


def config_file(named: str = "") -> Path:
    """The file that a command means: as named, TANDEM_EDGE_CONFIG, ./edge.toml, /etc/tandem/edge.toml."""
    if named or (named := os.environ.get("TANDEM_EDGE_CONFIG", "")):
        return Path(named).absolute()
    here = Path(DEFAULT_FILE).absolute()
    return SYSTEM_FILE if not here.exists() and SYSTEM_FILE.exists() else here


def load(file: Path) -> EdgeConfig:
    """Raises BadConfig, which names the line, the field, the value and the limit."""
    try:
        text = file.read_text(encoding="utf-8")
        plain = tomllib.loads(text)
    except FileNotFoundError:
        hint = f"`tandem edge init {file.name}` writes a first one"
        raise BadConfig(f"{file}: there is no such file; {hint}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadConfig(f"{file}: {error}") from error
    try:
        return parse(plain, file)
    except BadConfig as error:
        raise BadConfig(_with_line(str(error), str(file), text)) from None


def _with_line(why: str, file: str, text: str) -> str:
    field = why.removeprefix(f"{file}: ").partition(": ")[0]
    line = line_of(text, field)
    return f"{file}:{line}: {why.removeprefix(f'{file}: ')}" if line else why


def parse(plain: dict[str, Any], file: Path) -> EdgeConfig:
    config = EdgeConfig(file.absolute(), tree_of(plain, str(file)), plain)
    try:
        _ = config.http_listen
    except BadConfig as error:
        raise BadConfig(f"{file}: {error}") from None
    return config


def tree_of(plain: Mapping[str, Any], name: str) -> Tree:
    """Plain values as a checked tree; raises BadConfig, which begins with `name`."""
    try:
        return checked(msgspec.convert(plain, Tree))
    except msgspec.ValidationError as error:
        raise BadConfig(f"{name}: {explained(str(error), plain)}") from None
    except BadValue as error:
        raise BadConfig(f"{name}: {error}") from None


def changed(
    config: EdgeConfig, lists: Mapping[str, list[dict[str, Any]]], patch: Patch, name: str
) -> Tree:
    """The tree as it is now: the file, the members that came from lists, live changes. Raises BadConfig."""
    whole = in_order(config.plain, merged(by_name(config.plain, lists), patch))
    try:
        return tree_of(whole, name)
    except BadConfig as error:
        raise BadConfig(by_names(str(error), whole)) from None
