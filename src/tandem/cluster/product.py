"""The house of `tandem up`: edge, media relay, call node and web process of one machine. The supervisor starts them, this says how."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from socket import socket

import msgspec

from tandem.cluster import sockets
from tandem.cluster.house import Reload, Wanted
from tandem.cluster.processes import CHILDREN, children, edges
from tandem.cluster.pulse import pulse_path
from tandem.config import SECURE_TRANSPORTS, BadConfig, Config, Listen, load
from tandem.relay import model as relay

COMMANDS = {name: [sys.executable, "-P", "-m", f"tandem.{name}"] for name in CHILDREN}


class Product:
    """docs/concepts/processes.md has the contract with the children."""

    http = "http"

    def __init__(
        self, config: Config, file: Path, commands: Mapping[str, Sequence[str]] = COMMANDS
    ) -> None:
        self.config, self.file, self.commands = config, file, commands
        self.data, self.run, self.log_dir = config.data, config.run, config.log_dir
        self.listens = config.sip.listen
        self.edges = edges(config.sip.edges)
        self.names: tuple[str, ...] = children(
            config.sip.edges, relay=config.relay.enabled, turn=config.turn.enabled
        )
        self.last = frozenset(
            (*self.edges, "relay", "turn")
        )  # frames for the node, media of its calls
        # each edge has a socket of its own on each address: what waits for a dead one is its successor's
        self.wanted: dict[str, Wanted] = {
            _key(edge, text): Wanted(at, "sip.listen", text)
            for edge in self.edges
            for text, at in zip(config.sip.listen, config.listens, strict=True)
        }
        self.wanted["http"] = Wanted(config.http_listen, "http.listen")
        self.wanted["link"] = Wanted(config.link_socket, "node.data")

    def keys(self, child: str) -> tuple[str, ...]:
        if child in self.edges:
            return tuple(_key(child, text) for text in self.config.sip.listen)
        match child:
            case "node":
                return ("link",)
            case "relay" | "turn":
                return ()
            case _:
                return ("http",)

    def command(self, child: str) -> list[str]:
        return list(self.commands["edge" if child in self.edges else child])

    def environ(self, child: str, sockets: Mapping[str, socket]) -> dict[str, str]:
        environ = {"TANDEM_CONFIG": str(self.file)}
        if child in self.edges:
            environ["TANDEM_EDGE"] = json.dumps(self._edge(child, sockets))
        elif child == "relay":
            environ["TANDEM_RELAY"] = json.dumps(self._relay())
        elif child != "turn":
            environ["TANDEM_FDS"] = json.dumps(
                {key: sockets[key].fileno() for key in self.keys(child)}
            )
        return environ

    def reload(self) -> Reload:
        new, old = load(self.file), self.config
        if new.data != old.data:
            raise BadConfig("node.data: cannot change while Tandem runs")
        changed = {
            **dict.fromkeys(self.edges, _of_edges(new) != _of_edges(old)),
            "relay": Product(new, self.file)._relay() != self._relay(),
            "node": _of_node(new) != _of_node(old),
            "web": (new.http, new.log, new.node, new.turn)
            != (old.http, old.log, old.node, old.turn),
            "turn": (new.turn, new.relay, new.sip) != (old.turn, old.relay, old.sip),
        }
        restart = frozenset(name for name, is_changed in changed.items() if is_changed)
        return Reload(Product(new, self.file, self.commands), restart)

    def _edge(self, child: str, held: Mapping[str, socket]) -> dict[str, object]:
        """What `python -m tandem.edge` needs: crates/tandem-edge/src/config.rs."""
        config, listen = self.config, []
        for text, configured in zip(config.sip.listen, config.listens, strict=True):
            opened = held[_key(child, text)]
            at = sockets.bound(opened, configured)
            one: dict[str, object] = {"transport": at.transport, "fd": opened.fileno()}
            if configured.advertised:
                one["advertised"] = configured.advertised
            elif config.sip.advertised:  # else the edge names the address that the peer talks to
                one["advertised"] = Listen(at.transport, config.sip.advertised, at.port).hostport
            if configured.balancers:
                one["proxy_protocol"] = configured.balancers
            listen.append(one)
        limits = msgspec.to_builtins(config.limits)
        del limits["calls"]  # the node's
        place = self.edges.index(child)
        kept = "edge-policy.json" if not place else f"edge-policy-{place + 1}.json"
        return {
            "edge": config.edge_numbers[place],
            "link": str(config.link_socket),
            "keys": str(config.keys),
            "policy": str(config.data / kept),
            "ban_log": str(config.log_dir / "bans.log"),
            "control": str(config.edge_control(config.edge_numbers[place])),
            "pulse": str(pulse_path(self.run, child)),
            "listen": listen,
            "local_net": config.sip.local_net,
            "ws_origins": config.sip.ws_origins,
            "tls": self._tls(),
            "limits": limits,
            "default_domain": config.sip.default_domain,
            "nft": config.nft.mode,
            "hep": config.hep.told,
            "log_level": config.log.level,
        }

    def _relay(self) -> dict[str, object]:
        """What `python -m tandem.relay` needs: crates/tandem-media/src/config.rs."""
        config, section = self.config, self.config.relay
        routes = {host: sockets.default_address(ipv6=host == "::") for host in relay.WILDCARDS}
        hosts = [at.host for at in config.listens]
        least, _, most = section.ports.partition("-")
        asked = [at for text in section.ng if (at := relay.ng_address(text))]
        return {
            "interfaces": [
                {"name": one.name, "address": one.address, "advertised": one.advertised or None}
                for one in relay.interfaces(section, hosts, config.sip.advertised, routes)
            ],
            "ports": {"min": int(least), "max": int(most)},
            "ng": {
                "unix": str(config.relay_socket),
                **{name: [at for t, at in asked if t == name] for name in ("udp", "tcp")},
            },
            "state": str(config.data / "relay"),
            "threads": section.threads,
            "tos": section.tos,
            "delete_delay": 0,  # a call node deletes what has ended
            "timeout": section.silence_seconds,
            "silent_timeout": section.held_seconds,
            "kernel": section.kernel,
            "sounds": str(config.data / "sounds"),
            "speech": section.speech,
            "recordings": {
                "directory": str(config.data / "recordings"),
                "format": section.recording_format,
                "stereo": section.recording_stereo,
            },
            "taps": str(config.data / "taps"),
            "pulse": str(pulse_path(self.run, "relay")),
        }

    def _tls(self) -> dict[str, object]:
        config = self.config
        serves = any(at.transport in SECURE_TRANSPORTS for at in config.listens)
        files = (config.sip.ca, config.sip.client_ca)
        roots, trust = (str(config.path(text)) if text else "" for text in files)
        more = [{"certificate": str(one), "key": str(key)} for one, key in config.certificates]
        return {
            "certificate": str(config.certificate) if serves else "",
            "key": str(config.key) if serves else "",
            "more": more if serves else [],
            "roots": roots,
            "trust": trust,
            "verify": config.sip.verify,
            "min_version": config.sip.tls_min_version,
            "suites": config.sip.tls_suites,
        }


def _of_edges(config: Config) -> tuple[object, ...]:
    """The sections that edges are started with."""
    return config.sip, config.limits, config.log, config.nft, config.hep


def _of_node(config: Config) -> Config:
    """The sections that a call node reads."""
    ours = Config()
    others = {"http": ours.http, "turn": ours.turn, "nft": ours.nft, "hep": ours.hep}
    enabled = type(config.relay)(enabled=config.relay.enabled)
    return msgspec.structs.replace(config, relay=enabled, **others)


def _key(edge: str, text: str) -> str:
    """The key of an edge's socket on an address."""
    return text if edge == "edge" else f"{text} of {edge}"
