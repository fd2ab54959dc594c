"""Answers to the control socket's questions (docs/concepts/control.md), beyond those about live calls."""

import json
from collections.abc import Callable
from typing import Any

from tandem import __version__
from tandem.names.model import Peer
from tandem.node.desk import Desk, NoSuch
from tandem.node.directory import Directory
from tandem.node.process import Process
from tandem.records.model import EVENT_STREAM, CallEvent, read_event
from tandem.routing.model.rows import Trunk

PAGE_MOST = 1_000
TRANSPORTS = {1: "udp", 2: "tcp", 3: "tls", 4: "ws", 5: "wss"}
Answer = Callable[[dict[str, Any]], Any]


def handlers(
    process: Process,
    desk: Desk,
    *,
    node: int,
    trace: Callable[[str], list[Any]],
    events: Callable[[str], list[CallEvent]],
    reload: Callable[[], None],
) -> dict[str, Answer]:
    """By name, for tandem.cluster.control.Server."""
    questions = Questions(process, node, trace, events, reload)
    return {
        "ping": questions.ping,
        "stats": questions.stats,
        "calls.list": desk.list,
        "calls.show": desk.show,
        "calls.media": desk.media,
        "calls.hangup": desk.hangup,
        "calls.transfer": desk.transfer,
        "calls.record": desk.record,
        "calls.originate": desk.originate,
        "registrations.list": questions.registrations,
        "registrations.drop": questions.unregister,
        "reload": questions.reloaded,
        "trace": questions.traced,
        "events": questions.told,
        "events.tail": questions.tail,
        "drain": questions.drain,
        "undrain": questions.undrain,
        "trunks.list": questions.trunks,
        "relays.list": questions.relays,
        "relays.drain": questions.drain_relay,
        "relays.undrain": questions.undrain_relay,
    }


class Questions:
    def __init__(
        self,
        process: Process,
        node: int,
        trace: Callable[[str], list[Any]],
        events: Callable[[str], list[CallEvent]],
        reload: Callable[[], None],
    ) -> None:
        self.process, self.node, self.trace, self.events, self.reload = (
            process,
            node,
            trace,
            events,
            reload,
        )

    def ping(self, asked: dict[str, Any]) -> dict[str, Any]:
        reasons = self.process.reasons()
        return {
            "node": self.node,
            "epoch": self.process.epoch,
            "started_at": self.process.started_at,
            "ready": not reasons,
            "reasons": reasons,
            "version": __version__,
        }

    def stats(self, asked: dict[str, Any]) -> dict[str, Any]:
        process = self.process
        return {
            "node": {
                **process.core.counters(),
                **{f"calls_refused_{why}": n for why, n in process.admission.refused.items()},
            },
            "edges": {str(edge): json.loads(text) for edge, text in process.core.edge_stats()},
            "gauges": {
                "calls": len(process.shell.active),
                "rows": len(process.shell.live),
                "registrations": process.core.bindings_count(),
                "links": len(process.edges),
                "messages_kept": len(process.messages.kept),
                "trunks_registered": process.trunks.registered(),
                "trunks_registering": len(process.trunks.kept),
                "draining": int(process.draining),
                "lag_milliseconds": round(process.admission.lags[1] * 1000),
                "relay_questions": process.fleet.open if process.fleet else 0,
                "relay_away": int(process.fleet is not None and process.fleet.is_away),
                "relay_moves": process.mover.moves if process.fleet else 0,
            },
            "journal": dict(process.store.stats()),
            "media": process.tally.plain(),
            "relays": process.fleet.status() if process.fleet is not None else [],
        }

    def registrations(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        offset, limit = (
            max(0, int(asked.get("offset") or 0)),
            min(int(asked.get("limit") or 100), PAGE_MOST),
        )
        aor, tenant = str(asked.get("aor") or ""), str(asked.get("tenant") or "")
        if aor:
            found = [(aor, self.process.core.lookup(aor))]
            return [self.registration(aor, bindings) for aor, bindings in found if bindings]
        places = self.process.directory.tables.tenants
        domain = places[tenant].tenant.domain if tenant in places else tenant
        if not tenant:
            return [
                self.registration(aor, bindings)
                for aor, bindings in self.process.core.registrations(offset, limit)
            ]
        everyone = self.process.core.registrations(0, self.process.core.bindings_count() or 1)
        own = [(aor, bindings) for aor, bindings in everyone if aor.rpartition("@")[2] == domain]
        return [self.registration(aor, bindings) for aor, bindings in own[offset : offset + limit]]

    def registration(self, aor: str, bindings: list[Any]) -> dict[str, Any]:
        return {
            "aor": aor,
            "contacts": [
                {
                    "uri": uri,
                    "q": q,
                    "transport": TRANSPORTS.get(flow[2], str(flow[2])),
                    "remote": f"{flow[4]}:{flow[5]}",
                    "instance": instance,
                    "expires_at": expires,
                    "reachable": answers and flow[5] != 0,
                }
                for uri, q, flow, instance, _, expires, _, answers in bindings
            ],
        }

    def unregister(self, asked: dict[str, Any]) -> dict[str, Any]:
        aor = str(asked.get("aor") or "")
        if not self.process.core.unregister(aor):
            raise NoSuch(
                404, "not registered", f"{aor or 'the empty address'} has no binding here", "aor"
            )
        return {}

    def reloaded(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.reload()
        return {}

    def traced(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        key = str(asked.get("id") or "")
        return [
            {
                "at": at,
                "inbound": inbound,
                "transport": TRANSPORTS.get(transport, str(transport)),
                "local": local,
                "remote": remote,
                "text": bytes(data).decode("latin-1"),
            }
            for at, inbound, transport, local, remote, data in self.trace(key)
        ]

    def told(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        key = str(asked.get("id") or "")
        live = self.process.shell.find(key)
        told = live.call.story if live is not None and live.call is not None else self.events(key)
        return [plain(event) for event in told]

    def tail(self, asked: dict[str, Any]) -> dict[str, Any]:
        after, limit = int(asked.get("after", -1)), min(int(asked.get("limit") or 100), PAGE_MOST)
        if after < 0:
            newest = self.process.store.append(EVENT_STREAM, [])
            return {"next": newest, "events": []}
        found = self.process.store.read_log(EVENT_STREAM, after, limit)
        return {
            "next": found[-1][0] if found else after,
            "events": [plain(read_event(record)) for _, record in found],
        }

    def drain(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.process.drain(on=True)
        return {"calls": len(self.process.shell.active)}

    def undrain(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.process.drain(on=False)
        return {}

    def relays(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """Every media relay as the node sees it."""
        return self.process.fleet.status() if self.process.fleet is not None else []

    def drain_relay(self, asked: dict[str, Any]) -> dict[str, Any]:
        relay, move = self.relay(asked), bool(asked.get("move"))
        fleet = self.process.fleet
        if move and fleet is not None and not fleet.candidates(relay):
            raise NoSuch(409, "nowhere to go", "no other relay is up and takes calls", "name")
        return {"calls": self.process.drain_relay(relay, on=True, move=move)}

    def undrain_relay(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"calls": self.process.drain_relay(self.relay(asked), on=False)}

    def relay(self, asked: dict[str, Any]) -> str:
        """The relay that a question names."""
        name, fleet = str(asked.get("name") or ""), self.process.fleet
        if fleet is None or name not in fleet.members:
            known = ", ".join(fleet.members) if fleet is not None else "none is configured"
            raise NoSuch(
                404, "no such relay", f"{name or 'the empty name'}; there are: {known}", "name"
            )
        return name

    def trunks(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """Every trunk with what is live of it: registration, addresses of its host, calls."""
        process, tenant = self.process, str(asked.get("tenant") or "")
        return [
            {
                "id": trunk.id,
                "tenant": trunk.tenant,
                "host": trunk.host,
                "address": shown_places(process.directory, trunk),
                "enabled": trunk.enabled,
                "register": trunk.register,
                **process.trunks.status(trunk.id),
            }
            for trunk in sorted(process.directory.tables.trunks.values(), key=lambda one: one.id)
            if tenant in ("", trunk.tenant)
        ]


def shown_places(directory: Directory, trunk: Trunk) -> str:
    """Where its calls go now; "" when its name leads nowhere."""
    places = directory.places(Peer(trunk.host, trunk.port, trunk.transport), 0)
    return ", ".join(dict.fromkeys(place.host for place in places))


def plain(event: CallEvent) -> dict[str, Any]:
    return {
        "at": event.at,
        "call": event.call,
        "tenant": event.tenant,
        "what": event.what,
        "text": event.text,
        "node": event.node,
    }
