"""For tests of HTTP API and command line: a database with two tenants, and a control socket that serves recorded answers."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from litestar.testing import TestClient

from tandem.accounts.model.account import Tenant, User
from tandem.accounts.model.credentials import make_credentials
from tandem.accounts.model.login import Login
from tandem.accounts.service import make_login_hash
from tandem.adapters.sqlite import Database
from tandem.adapters.sqlite_accounts import put_login, put_tenant, put_user
from tandem.adapters.sqlite_records import keep_records
from tandem.adapters.sqlite_routing import put_route, put_trunk
from tandem.cluster.control import Problem, Server
from tandem.records.model import CallEvent, Cdr, Story, write
from tandem.records.service import Kept
from tandem.routing.model.rows import Route, Trunk
from tandem.web.app import build
from tandem.web.node import Node

PASSWORD = "correct-horse-7-battery"
T0 = 1_790_000_000_000_000
LIVE_A, LIVE_B, PAST_A, PAST_B = "0abcdefghjkmn", "1abcdefghjkmn", "2abcdefghjkmn", "3abcdefghjkmn"

INVITE = (
    "INVITE sip:bob@a.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5071;branch=z9hG4bKx;rport\r\n"
    "From: <sip:alice@a.example>;tag=1\r\nTo: <sip:bob@a.example>\r\nCall-ID: c1@phone\r\nCSeq: 1 INVITE\r\n"
    'Proxy-Authorization: Digest username="alice", nonce="n", uri="sip:bob@a.example", response="0123456789abcdef"\r\n'
    "Content-Length: 0\r\n\r\n"
)
RINGING = (
    "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 127.0.0.1:5071;branch=z9hG4bKx;rport\r\nFrom: <sip:alice@a.example>;tag=1\r\n"
    "To: <sip:bob@a.example>;tag=2\r\nCall-ID: c1@phone\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
)
TRACE = [
    {"at": T0, "inbound": True, "transport": "UDP", "local": "127.0.0.1:5060", "remote": "127.0.0.1:5071", "text": INVITE},
    {"at": T0 + 1500, "inbound": False, "transport": "UDP", "local": "127.0.0.1:5060", "remote": "127.0.0.1:5071", "text": RINGING},
    {"at": T0 + 2500, "inbound": False, "transport": "TCP", "local": "[::1]:5060", "remote": "[::1]:5072", "text": INVITE},
]  # fmt: skip


def live(id: str, tenant: str, domain: str) -> dict[str, Any]:
    """As node/desk.py tells a call."""
    leg = {
        "peer": "user", "state": "up", "call_id": "c1@phone", "remote": "127.0.0.1:5071", "held": "",
        "local_tag": id + "a0", "remote_tag": "1",
    }  # fmt: skip
    return {
        "id": id, "tenant": tenant, "caller": f"alice@{domain}", "callee": f"bob@{domain}", "state": "talking",
        "invited_at": T0, "answered_at": T0 + 5_000_000,
        "legs": [{"name": "a0", "who": f"alice@{domain}", **leg}, {"name": "b0", "who": f"bob@{domain}", **leg}],
    }  # fmt: skip


class Recorded:
    """A call node's handlers, with calls and phones of both tenants; `asked` is what came."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.ping = {
            "node": 1,
            "epoch": 4,
            "started_at": T0,
            "ready": True,
            "reasons": [],
            "version": "0.1.0",
        }
        self.calls = {
            c["id"]: c for c in (live(LIVE_A, "a", "a.example"), live(LIVE_B, "b", "b.example"))
        }
        self.phones = [phone("alice@a.example"), phone("bob@a.example"), phone("alice@b.example")]
        answers = {
            "ping": lambda _: self.ping, "stats": lambda _: STATS, "reload": lambda _: {}, "drain": lambda _: {},
            "calls.list": self._list, "calls.show": self._show, "calls.media": self._media,
            "calls.hangup": self._hangup,
            "calls.transfer": lambda asked: self._show(asked) and {}, "calls.originate": lambda _: {"id": LIVE_A},
            "registrations.list": self._phones, "registrations.drop": lambda _: {},
            "relays.list": lambda _: STATS["relays"], "relays.drain": lambda _: {"calls": 2},
            "trace": lambda asked: TRACE, "events": lambda asked: EVENTS,
            "events.tail": lambda asked: {"next": 3, "events": EVENTS if asked.get("after", 0) < 3 else []},
        }  # fmt: skip
        self.handlers = {name: self._kept(name, answer) for name, answer in answers.items()}

    def _kept(self, name: str, answer: Any) -> Any:
        def handler(asked: dict[str, Any]) -> Any:
            self.asked.append((name, asked))
            return answer(asked)

        return handler

    def _list(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        rows = [c for c in self.calls.values() if asked.get("tenant") in (None, c["tenant"])]
        rows = [c for c in rows if c["id"] > asked.get("after", "")]
        return rows[: asked["limit"]]

    def _show(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["id"] not in self.calls:
            raise Problem(404, "no such call", f"{asked['id']} is no live call on this node", "id")
        return {**self.calls[asked["id"]], "version": 7, "transactions": []}

    def _media(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._show(asked)
        return {"relayed": asked["id"] == LIVE_A, "relay": ""}

    def _hangup(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._show(asked)
        del self.calls[asked["id"]]
        return {}

    def _phones(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        return self.phones[asked["offset"] : asked["offset"] + asked["limit"]]


def phone(aor: str) -> dict[str, Any]:
    contact = {
        "uri": f"sip:{aor.partition('@')[0]}@127.0.0.1:5071", "q": 1.0, "transport": "UDP",
        "remote": "127.0.0.1:5071", "instance": "", "expires_at": T0 + 3_600_000_000,
    }  # fmt: skip
    return {"aor": aor, "contacts": [contact]}


STATS = {
    "node": {"calls_answered": 3, "events": 120},
    "edges": {"1": {"received_udp": 10, "received_tls": 2, "sent_udp": 9, "refused_rate": 4, "closed_idle": 1,
                    "bans": 1, "connections": 5, "kept_bytes": 0, "policy_version": 3}},
    "gauges": {"calls": 2, "rows": 2, "registrations": 3, "links": 1},
    "journal": {"rows": 5, "journal_bytes": 4096},
    "relays": [
        {"name": "own", "place": "unix:/run/relay.sock", "region": "eu", "weight": 1, "state": "draining", "seconds": 61.0,
         "milliseconds": 0.25, "calls": 2, "sessions": 3, "kernel": 4, "userspace": 2, "packets": 990, "lost": 10},
        {"name": "gone", "place": "", "region": "", "state": "not configured", "calls": 1},
    ],
}  # fmt: skip
EVENTS: list[dict[str, Any]] = [
    {"at": T0, "call": LIVE_A, "tenant": "a", "what": "invited", "text": "", "node": 1},
    {"at": T0 + 1000, "call": LIVE_A, "tenant": "a", "what": "tried", "text": "bob@a.example", "node": 1},
    {"at": T0 + 9000, "call": LIVE_A, "tenant": "a", "what": "answered", "text": "bob@a.example", "node": 1},
]  # fmt: skip


def cdr(id: str, tenant: str, domain: str, at: int) -> Cdr:
    return Cdr(
        id, tenant, f"alice@{domain}", f"bob@{domain}", "", f"{id}@phone", f"bob@{domain}", "", "", "", at, at + 1, at + 2,
        at + 60_000_000, 59.9, 200, "caller", "hung up", (f"bob@{domain} 200",), 0, proof=False,
    )  # fmt: skip


def fill(database: Database) -> None:
    """Tenants a and b: alice, bob and carol each, a trunk and a route, one past call; logins root, desk-a, admin-a."""
    for tenant in ("a", "b"):
        domain = f"{tenant}.example"
        database.do_now(put_tenant, Tenant(tenant, domain))
        for n, name in enumerate(("alice", "bob", "carol")):
            credentials = make_credentials(name, domain, PASSWORD)
            database.do_now(put_user, User(tenant, name, number=str(101 + n)), credentials)
        database.do_now(
            put_trunk,
            Trunk(f"line-{tenant}", "127.0.0.9", tenant, username="u", password="trunk-secret"),
        )
        database.do_now(put_route, Route(f"world-{tenant}", f"line-{tenant}", tenant))
    hash = make_login_hash("root", PASSWORD)
    for login in (
        Login("root", "admin"),
        Login("desk", "operator"),
        Login("desk-a", "operator", "a"),
        Login("admin-a", "admin", "a"),
    ):
        database.do_now(put_login, login, hash)
    cdrs = [cdr(PAST_A, "a", "a.example", T0), cdr(PAST_B, "b", "b.example", T0 + 1)]
    kept = [Kept(n, one, write(one)) for n, one in enumerate(cdrs, start=1)]
    database.do_now(keep_records, "cdr", kept, [], T0)
    event = CallEvent(T0, PAST_A, "a", "answered", "bob@a.example", 1)
    story = Story(PAST_A, "a", (event,))
    database.do_now(keep_records, "stories", [Kept(1, story, write(story))], [], T0)


@contextmanager
def serving(path: Path, recorded: Recorded) -> Iterator[None]:
    """A control socket in a thread of its own."""
    loop, server = asyncio.new_event_loop(), Server(recorded.handlers)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(path), loop).result(5)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


class Console:
    """The API with a client per login."""

    def __init__(
        self, client: TestClient[Any], recorded: Recorded, database: Database, path: Path
    ) -> None:
        self.client, self.recorded, self.database, self.path = client, recorded, database, path
        self.tokens: dict[str, str] = {}

    def token(self, login: str) -> str:
        if login not in self.tokens:
            said = self.client.post("/api/login", json={"login": login, "password": PASSWORD})
            assert 201 == said.status_code, said.text
            self.tokens[login] = said.json()["token"]
        return self.tokens[login]

    def ask(self, login: str, method: str, path: str, **args: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token(login)}"} if login else {}
        return self.client.request(method, path, headers=headers, **args)


@contextmanager
def console(directory: Path, *, node: bool = True) -> Iterator[Console]:
    database = Database(directory / "tandem.sqlite")
    fill(database)
    recorded, path = Recorded(), directory / "control.sock"
    link = Node(path)
    try:
        with TestClient(build(database, link)) as client:
            made = Console(client, recorded, database, path)
            if node:
                with serving(path, recorded):
                    yield made
            else:
                yield made
    finally:
        database.close()
