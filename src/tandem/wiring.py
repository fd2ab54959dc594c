"""The only file that joins rooms to adapters: which store, which database, which core a process gets."""

import asyncio
import json
import os
import secrets
import signal
import socket
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from tandem import _core
from tandem.adapters.geo import countries
from tandem.adapters.sqlite import Database
from tandem.adapters.sqlite_records import events_of, keeper
from tandem.adapters.sqlite_refresh import Refreshed, load, refresh
from tandem.adapters.sqlite_routing import all_settings
from tandem.calls.model.admission import Admission
from tandem.cluster.control import Server
from tandem.cluster.pulse import beat
from tandem.config import BadConfig, Config
from tandem.log import log
from tandem.media.model.regions import Country, Regions
from tandem.names.model import Peer
from tandem.names.service import Resolver
from tandem.node.desk import Desk
from tandem.node.directory import Directory
from tandem.node.process import Process, core_config, now_us
from tandem.node.questions import handlers
from tandem.records.model import CallEvent
from tandem.records.service import Consumer
from tandem.routing.model.policy import policy
from tandem.routing.model.rows import Trunk
from tandem.routing.model.tables import Tables

REFRESH_SECONDS = (
    2.0  # changes that nobody announced (another process wrote the database) are seen after this
)
STOP_SECONDS = 5.0


def country_of(config: Config) -> Country:
    """The country of an address, by the database that tandem.toml names. Raises BadConfig."""
    if not config.media.geo:
        return lambda address: ""
    try:
        return countries(config.path(config.media.geo))
    except (OSError, ValueError) as error:
        raise BadConfig(f"media.geo: {config.media.geo!r}: {error}") from error


class Node:
    """The call node of one machine: journal, SQLite, the core, and the control socket."""

    def __init__(self, config: Config, link: int) -> None:
        self.config = config
        self.database = Database(config.database)
        self.store = _core.Store(
            str(config.data / "journal"), "before" if config.journal.sync == "before" else "batch"
        )
        epoch = self.store.claim()
        self.keys_at = config.keys.stat().st_mtime_ns
        keys = json.loads(config.keys.read_text())
        self.trace = config.data / "trace"
        self.core = _core.Node(
            core_config(node=config.node.id, epoch=epoch, keys=keys), self.store, listen=link, trace=self.trace if config.trace.calls else None
        )  # fmt: skip
        found = self.database.do_now(load, ())
        self.resolver = Resolver(core=_core.Resolver(config.dns.json), changed=self.tell_policy)
        self.directory = Directory(
            tables=found.tables, registrar=self.core, now=now_us, places=self.resolver.places
        )
        self.seen: dict[str, int] = {}
        self.users: set[str] = set()
        self.settings: dict[str, Any] = {}
        own = config.limits
        self.process = Process(
            core=self.core,
            store=self.store,
            epoch=epoch,
            directory=self.directory,
            node=config.node.id,
            admission=Admission(calls_most=own.calls, lag_seconds=own.lag_milliseconds / 1000),
            keyed=bytes.fromhex(keys["hash"]),
            relays=config.asked_relays,
            regions=Regions(config.media.regions, country_of(config)),
            run=config.run,
        )
        self.process.drain_changed = self.tell_policy
        self.process.missed = self.resolver.failed
        self.put(found)
        self.process.shell.died = how_it_died(os.environ.get("TANDEM_DIED", ""))
        self.consumer = Consumer(self.store, keeper(self.database, now_us))

    def put(self, found: Refreshed) -> None:
        """Makes new tables and credentials live."""
        self.directory.tables, self.seen = self.with_media(found.tables), found.seen
        self.core.set_users(
            [
                (aor, sums.md5, sums.sha256, sums.sha512_256)
                for aor, sums in found.credentials
                if sums is not None
            ]
        )
        gone = {aor for aor, sums in found.credentials if sums is None}
        known = {aor for aor, sums in found.credentials if sums is not None}
        if found.whole:
            gone |= self.users - known
        for aor in gone:
            self.core.drop_user(aor)
        self.users = (self.users - gone) | known
        if found.policy:
            self.settings = self.database.do_now(all_settings)
            trunks = found.tables.trunks.values()
            self.resolver.want(
                Peer(trunk.host, trunk.port, trunk.transport) for trunk in trunks if trunk.enabled
            )
            self.tell_policy()
            if self.process.adopted:
                self.process.trunks.want(live_trunks(found.tables))

    def with_media(self, tables: Tables) -> Tables:
        """Tables know the node's own policy; without a relay they have none."""
        if not self.config.asked_relays:
            return tables
        return replace(
            tables,
            media=self.config.media.policy,
            srtp=self.config.media.srtp,
            music=self.config.media.music,
        )

    def tell_policy(self) -> None:
        """What owner and edges must know of tables, names and drain."""
        own = {
            "default_domain": self.config.sip.default_domain,
            "limits": limits(self.config),
            "keepalive": to_builtins(self.config.keepalive),
            "emergency": self.config.unproven,
        } | self.settings
        told = policy(
            self.directory.tables,
            sum(self.seen.values()),
            own,
            addresses=self.resolver.addresses,
            draining=self.process.draining,
        )
        self.core.set_policy(json.dumps(told).encode())

    def look_at_keys(self) -> None:
        """Rotated keys are in force here and at the edges without a restart; bad ones change nothing."""
        try:
            at = self.config.keys.stat().st_mtime_ns
            if at == self.keys_at:
                return
            self.keys_at = at
            self.core.set_keys(self.config.keys.read_bytes())
            log.info("keys read again")
        except (OSError, ValueError) as error:
            log.error("keys not usable, the old ones stay", error=str(error))

    def reload(self) -> None:
        self.look_at_keys()
        found = self.database.do_now(refresh, self.directory.tables, self.seen)
        if found is not None:
            self.put(found)

    def events(self, call: str) -> list[CallEvent]:
        return self.database.do_now(events_of, call)

    def read_trace(self, call: str) -> list[Any]:
        return _core.read_trace(self.trace, call)

    async def run(self) -> None:
        """Until SIGTERM."""
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        self.process.start(loop)
        self.resolver.start(loop)
        self.process.trunks.want(live_trunks(self.directory.tables))
        if self.process.draining:
            self.tell_policy()
        desk = Desk(
            service=self.process.service,
            directory=self.directory,
            fresh=lambda: secrets.randbits(65),
        )
        server = Server(
            handlers(
                self.process,
                desk,
                node=self.config.node.id,
                trace=self.read_trace,
                events=self.events,
                reload=self.reload,
            )
        )
        await server.start(self.config.control_socket)
        tasks = [
            asyncio.create_task(work)
            for work in (
                self.consumer.run(),
                self.process.messages.run(),
                self.process.trunks.run(),
                self.watch(),
                beat(self.core.counters),  # the core's thread turns too
            )
        ]
        await stopped.wait()
        log.info("node stops")
        for task in tasks:
            task.cancel()
        self.process.service.stop()
        self.resolver.stop()
        self.process.stopped()
        await asyncio.wait_for(self.consumer.drain(), STOP_SECONDS)
        self.core.close()
        self.store.close()
        self.database.close()

    async def watch(self) -> None:
        """Sees changes of the database that nobody announced."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            self.look_at_keys()
            try:
                found = await self.database.do(refresh, self.directory.tables, self.seen)
                if found is not None:
                    self.put(found)
            except (
                Exception
            ) as error:  # a broken table must not end calls; the old ones stay in force
                log.error("tables not read", error=str(error))


def live_trunks(tables: Tables) -> list[Trunk]:
    """Without those of a tenant that is switched off."""
    return [t for t in tables.trunks.values() if not t.tenant or t.tenant in tables.tenants]


def how_it_died(told: str) -> str:
    """What the supervisor says of the last call node's end, for the story of its calls."""
    if not told:
        return "the call node died"
    death = json.loads(told)
    return (
        f"the call node died, {death['why']}, {now_us() / 1e6 - death['at']:.2f} s without an owner"
    )


def limits(config: Config) -> dict[str, int]:
    """The policy's limits, from the configuration."""
    own = config.limits
    return {
        "source_rate": own.source_rate,
        "source_burst": own.source_burst,
        "account_rate": own.account_rate,
        "account_burst": own.account_burst,
        "ban_seconds": own.ban_seconds,
        "malformed_per_minute": own.malformed_per_minute,
        "connections": own.connections,
        "connections_per_source": own.connections_per_source,
        "message_bytes": own.message_bytes,
        "idle_seconds": own.idle_seconds,
    }


def node(config: Config) -> Node:
    """A call node on the sockets that the supervisor holds, or on its own."""
    inherited = json.loads(os.environ.get("TANDEM_FDS") or "{}")
    if "link" in inherited:
        return Node(config, int(inherited["link"]))
    config.run.mkdir(parents=True, exist_ok=True)
    config.link_socket.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(config.link_socket))
    listening.listen()
    listening.setblocking(False)
    return Node(config, listening.detach())
