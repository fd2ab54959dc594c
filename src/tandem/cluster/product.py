"""The house of `tandem up`: edge, call node and web process of one machine. The supervisor starts them, this says how."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from socket import socket

import msgspec

from tandem.cluster import sockets
from tandem.cluster.house import Reload, Wanted
from tandem.cluster.processes import CHILDREN
from tandem.config import BadConfig, Config, Listen, load

COMMANDS = {name: [sys.executable, "-P", "-m", f"tandem.{name}"] for name in CHILDREN}


class Product:
    """docs/concepts/processes.md has the contract with the children."""

    names: tuple[str, ...] = CHILDREN
    last = frozenset(("edge",))  # it keeps frames for the node
    http = "http"

    def __init__(
        self, config: Config, file: Path, commands: Mapping[str, Sequence[str]] = COMMANDS
    ) -> None:
        self.config, self.file, self.commands = config, file, commands
        self.data, self.run, self.log_dir = config.data, config.run, config.log_dir
        self.listens = config.sip.listen
        self.wanted: dict[str, Wanted] = {
            key: Wanted(at, "sip.listen")
            for key, at in zip(config.sip.listen, config.listens, strict=True)
        }
        self.wanted["http"] = Wanted(config.http_listen, "http.listen")
        self.wanted["link"] = Wanted(config.link_socket, "node.data")

    def keys(self, child: str) -> tuple[str, ...]:
        match child:
            case "edge":
                return self.config.sip.listen
            case "node":
                return ("link",)
            case _:
                return ("http",)

    def command(self, child: str) -> list[str]:
        return list(self.commands[child])

    def environ(self, child: str, sockets: Mapping[str, socket]) -> dict[str, str]:
        environ = {"TANDEM_CONFIG": str(self.file)}
        if child == "edge":
            environ["TANDEM_EDGE"] = json.dumps(self._edge(sockets))
        else:
            environ["TANDEM_FDS"] = json.dumps(
                {key: sockets[key].fileno() for key in self.keys(child)}
            )
        return environ

    def reload(self) -> Reload:
        new, old = load(self.file), self.config
        if new.data != old.data:
            raise BadConfig("node.data: cannot change while Tandem runs")
        changed = {
            "edge": (new.sip, new.limits, new.log) != (old.sip, old.limits, old.log),
            "node": msgspec.structs.replace(new, http=old.http) != old,
            "web": (new.http, new.log, new.node) != (old.http, old.log, old.node),
        }
        restart = frozenset(name for name, is_changed in changed.items() if is_changed)
        return Reload(Product(new, self.file, self.commands), restart)

    def _edge(self, held: Mapping[str, socket]) -> dict[str, object]:
        """What `python -m tandem.edge` needs: crates/tandem-edge/src/config.rs."""
        config, listen = self.config, []
        for key, configured in zip(config.sip.listen, config.listens, strict=True):
            at = sockets.bound(held[key], configured)
            one: dict[str, object] = {"transport": at.transport, "fd": held[key].fileno()}
            if config.sip.advertised:  # else the edge names the address that the peer talks to
                one["advertised"] = Listen(at.transport, config.sip.advertised, at.port).hostport
            listen.append(one)
        files = (config.sip.ca, config.sip.client_ca)
        roots, trust = (str(config.path(text)) if text else "" for text in files)
        has_tls = any(at.transport == "tls" for at in config.listens)
        limits = msgspec.to_builtins(config.limits)
        del limits["calls"]  # the node's
        return {
            "edge": config.node.id,
            "link": str(config.link_socket),
            "keys": str(config.keys),
            "policy": str(config.data / "edge-policy.json"),
            "ban_log": str(config.log_dir / "bans.log"),
            "listen": listen,
            "tls": {
                "certificate": str(config.certificate) if has_tls else "",
                "key": str(config.key) if has_tls else "",
                "roots": roots,
                "trust": trust,
                "verify": config.sip.verify,
            },
            "limits": limits,
            "default_domain": config.sip.default_domain,
            "log_level": config.log.level,
        }
