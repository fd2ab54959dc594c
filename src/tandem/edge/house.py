"""The house of `tandem edge run`: workers that share the addresses, the admin process, the policy's. It starts nothing itself."""

import json
import sys
from collections.abc import Mapping
from socket import socket
from typing import Any

import msgspec

from tandem.cluster import sockets
from tandem.cluster.house import Reload, Wanted
from tandem.cluster.pulse import pulse_path
from tandem.config import BadConfig, Listen
from tandem.edge import truth
from tandem.edge.config import EdgeConfig, load
from tandem.edge.model.addresses import At
from tandem.edge.model.front import front, policy

ADMIN, POLICY = "admin", "policy"
WORKER = "edge-"  # and its number
MODULES = {ADMIN: "tandem.edge.admin", POLICY: "tandem.edge.policy"}


class EdgeHouse:
    """One edge.toml; docs/concepts/processes.md has the contract with the children."""

    def __init__(self, config: EdgeConfig) -> None:
        self.config = config
        self.file, self.data = config.file, config.data
        self.run, self.log_dir = config.run, config.log_dir
        self.workers = {f"{WORKER}{edge}": edge for edge in config.edges}
        self.names: tuple[str, ...] = (*self.workers, ADMIN)
        if config.tree.policy.file:
            self.names = (POLICY, *self.names)
        self.last = frozenset(self.workers)
        self.wanted: dict[str, Wanted] = {}
        for worker in self.workers:
            for n, at in enumerate(config.listens):
                listen = Listen(at.transport, at.host, at.port)
                self.wanted[_key(worker, n, at)] = Wanted(listen, "edge.listen", f"{n}/{at.text}")
        first = next(iter(self.workers))
        self.listens = self.keys(first)
        self.wanted["control"] = Wanted(config.admin_socket, "edge.run")
        self.http = ""
        if (http := config.http_listen) is not None:
            self.http = "http"
            self.wanted["http"] = Wanted(http, "http.listen")
        if config.tree.policy.file:
            self.wanted["policy"] = Wanted(config.policy_socket, "edge.run")

    def keys(self, child: str) -> tuple[str, ...]:
        if child in self.workers:
            return tuple(_key(child, n, at) for n, at in enumerate(self.config.listens))
        if child == POLICY:
            return ("policy",)
        return ("control", "http") if self.config.tree.http.listen else ("control",)

    def command(self, child: str) -> list[str]:
        return [sys.executable, "-P", "-m", MODULES.get(child, "tandem.edge")]

    def environ(self, child: str, sockets: Mapping[str, socket]) -> dict[str, str]:
        environ = {"TANDEM_EDGE_CONFIG": str(self.file)}
        if edge := self.workers.get(child):
            environ["TANDEM_EDGE"] = json.dumps(self.worker(edge, sockets))
        else:
            fds = {key: sockets[key].fileno() for key in self.keys(child)}
            environ["TANDEM_FDS"] = json.dumps(fds)
        return environ

    def reload(self) -> Reload:
        """Pools, routes, limits and lists are the admin's to change live; the rest needs new processes."""
        new, old = load(self.file), self.config
        if (new.data, new.run) != (old.data, old.run):
            raise BadConfig("edge.data, edge.run: cannot change while the edge runs")
        _, why = truth.now(new)
        if why:
            raise BadConfig(why)
        house, restart, tell = EdgeHouse(new), set(), {ADMIN}
        if _fixed(new) != _fixed(old):
            restart |= set(self.workers)
        if new.tree.http != old.tree.http:
            restart.add(ADMIN)
        if new.tree.policy != old.tree.policy:
            restart |= {POLICY, *self.workers}
        if new.tree.dns != old.tree.dns and new.tree.policy.file:
            restart.add(POLICY)
        return Reload(house, frozenset(restart), frozenset(tell | {POLICY}))

    def worker(self, edge: int, held: Mapping[str, socket]) -> dict[str, Any]:
        """What `python -m tandem.edge` needs: crates/tandem-edge/src/config.rs."""
        config, listen = self.config, []
        tree, why = truth.now(config)
        if why:  # the admin process says it in its log
            sys.stderr.write(f"live changes not used: {why}\n")
        worker = f"{WORKER}{edge}"
        for n, at in enumerate(config.listens):
            opened = held[_key(worker, n, at)]
            bound = sockets.bound(opened, Listen(at.transport, at.host, at.port))
            one: dict[str, object] = {"transport": at.transport, "fd": opened.fileno()}
            if at.advertised:
                one["advertised"] = _with_port(at, bound.port)
            if at.balancers:
                one["proxy_protocol"] = at.balancers
            listen.append(one)
        rules = policy(tree)
        return {
            "edge": edge,
            "keys": str(config.keys),
            "ban_log": str(config.log_dir / "bans.log"),
            "control": str(config.worker_socket(edge)),
            "pulse": str(pulse_path(config.run, worker)),
            "listen": listen,
            "local_net": tree.edge.local_net,
            "ws_origins": tree.edge.ws_origins,
            "tls": self._tls(),
            "limits": rules["limits"],
            "allow": rules["allow"],
            "deny": rules["deny"],
            "default_domain": rules["default_domain"],
            "dns": tree.dns.told,
            "nft": tree.nft.mode,
            "hep": tree.hep.told,
            "log_level": tree.edge.log_level,
            **({"front": front(tree, config.asked_policy)} if tree.pool else {}),
            # who is alone says nothing about siblings in its messages
            **({"run": str(config.run)} if len(self.workers) > 1 else {}),
        }

    def _tls(self) -> dict[str, Any]:
        config, tls = self.config, self.config.tree.tls
        serves = config.serves_tls
        pairs = [text.split() for text in tls.certificates] if serves else []
        paths = {"roots": tls.ca, "trust": tls.client_ca}
        return {
            "certificate": str(config.certificate) if serves else "",
            "key": str(config.key) if serves else "",
            "more": [
                {"certificate": str(config.path(one)), "key": str(config.path(key))}
                for one, key in pairs
            ],
            "verify": tls.verify,
            "min_version": tls.min_version,
            "suites": tls.suites,
            **{key: str(config.path(text)) if text else "" for key, text in paths.items()},
        }


def _key(worker: str, n: int, at: At) -> str:
    return f"{worker}/{n}/{at.text}"


def _with_port(at: At, port: int) -> str:
    """What peers are told: port 0 of a configuration has become a number."""
    return (
        at.advertised.removesuffix(":0") + f":{port}"
        if at.advertised.endswith(":0")
        else at.advertised
    )


def _fixed(config: EdgeConfig) -> tuple[object, ...]:
    """What a worker takes at its start and never again."""
    tree = config.tree
    # how many there are does not matter, but whether a worker has siblings does
    edge = msgspec.structs.replace(tree.edge, workers=min(tree.edge.workers, 2))
    return edge, tree.tls, tree.nft, tree.hep, tree.dns
