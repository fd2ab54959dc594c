"""Tandem as it is shipped, in a scratch directory: the supervisor and its children on the server's core. All protections are on."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from scenarios.figure import Missing
from scenarios.machine import HOME, SERVER_CORE, pinned, stop_group
from scenarios.rival import scratch

DOMAIN = "bench.local"
PASSWORD = "Secret12345x"
READY_SECONDS = 60.0
OUTSIDE = "+4930990001"  # what the user `service` forwards to: the carrier's


class Wanted(Struct, frozen=True):
    """What a scenario's Tandem has."""

    users: int = 0  # user0 .. with PASSWORD
    carrier: bool = False  # 127.0.0.1 is a trusted trunk, and `service` leads to 127.0.0.1:7001
    allow: tuple[str, ...] = ()  # sources without a rate limit
    listen: tuple[str, ...] = ("udp:127.0.0.1:5060",)
    calls: int = 10_000  # limits.calls
    trunk: str = "127.0.0.1"  # the carrier's address
    numbers: tuple[str, ...] = ()  # users with these names besides
    more: str = ""  # sections of tandem.toml


class Tandem:
    """One running Tandem."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config_file = directory / "tandem.toml"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def configuration(self) -> Any:
        from tandem.config import load

        return load(self.config_file, {})

    def make(self, wanted: Wanted) -> None:
        """Configuration, keys, certificate and accounts."""
        listen = ", ".join(f'"{text}"' for text in wanted.listen)
        self.config_file.write_text(
            f'[node]\ndata = "d"\n[sip]\nlisten = [{listen}]\ndefault_domain = "{DOMAIN}"\n'
            f'[http]\nlisten = "127.0.0.1:5080"\n[limits]\ncalls = {wanted.calls}\n'
            f"{wanted.more}"
        )
        from tandem.cluster import first

        config = self.configuration()
        first.make_data(config)
        database = _users_database(wanted.users)
        shutil.copyfile(database, config.database)
        config.database.chmod(0o600)
        _policy(config.database, wanted)

    def start(self) -> None:
        """Returns when the call node says that it is ready."""
        environ = {**os.environ, "TANDEM_CONFIG": str(self.config_file)}
        environ["PYTHONPATH"] = str(HOME / "src")
        for name in [n for n in environ if n.startswith("TANDEM_") and n != "TANDEM_CONFIG"]:
            del environ[name]
        with open(self.directory / "supervisor.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tandem.cluster.supervisor"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
                preexec_fn=pinned(SERVER_CORE),
            )
        self.wait_ready()

    def wait_ready(self) -> None:
        from tandem.cli.ask import NoNode, Problem

        deadline, why = time.monotonic() + READY_SECONDS, ""
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                break
            try:
                ping = self.ask("ping", seconds=1.0)
                if ping.get("ready"):
                    return
                why = str(ping.get("reasons"))
            except (NoNode, Problem) as error:
                why = str(error)
            time.sleep(0.05)
        raise Missing(f"Tandem is not ready: {why}; {self.last_lines()}")

    def ask(self, do: str, *, seconds: float = 5.0, **arguments: Any) -> Any:
        from tandem.cli.ask import ask

        return ask(self.configuration().control_socket, do, seconds=seconds, **arguments)

    def child(self, name: str) -> int:
        """The process id of edge, node or web, as run/supervisor.json says."""
        from tandem.cluster.processes import read_state

        state = read_state(self.configuration().run)
        if state is None or name not in state.children:
            raise Missing(f"no {name} in run/supervisor.json")
        return state.children[name].process.pid

    def kill(self, name: str) -> float:
        """kill -9 of a child; the time (time.time) just before it."""
        pid = self.child(name)
        at = time.time()
        os.kill(pid, signal.SIGKILL)
        return at

    def cdrs(self) -> list[dict[str, Any]]:
        """All CDRs that SQLite has now, oldest first, by column."""
        with contextlib.closing(sqlite3.connect(self.configuration().database)) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute("SELECT * FROM cdr ORDER BY invited_at, id").fetchall()
        return [dict(row) for row in rows]

    def last_lines(self) -> str:
        """The ends of the logs, for a message."""
        parts = []
        for name in ("supervisor.log", "d/log/node.log", "d/log/edge.log"):
            with contextlib.suppress(OSError):
                parts.append(f"{name}: {(self.directory / name).read_text()[-500:].strip()}")
        return " | ".join(parts)

    def stop(self) -> None:
        if self.process is not None:
            stop_group(self.process)
            self.process = None


@contextmanager
def tandem(wanted: Wanted) -> Iterator[Tandem]:
    """Made, started, and gone afterwards with its directory."""
    with scratch() as directory:
        product = Tandem(Path(directory))
        try:
            product.make(wanted)
            product.start()
            yield product
        finally:
            product.stop()
            if keep := os.environ.get("BENCH_KEEP"):
                shutil.copytree(directory, keep, dirs_exist_ok=True)


_made: dict[int, Path] = {}


def _users_database(users: int) -> Path:
    """A database with the tenant and its users; made once a run, since 100,000 users take seconds."""
    if users in _made and _made[users].exists():
        return _made[users]
    from tandem.accounts.model.account import Tenant, User
    from tandem.accounts.model.credentials import make_credentials
    from tandem.adapters.sqlite import open_database
    from tandem.adapters.sqlite_accounts import import_users, put_tenant

    root = HOME / "var" / "bench"
    root.mkdir(parents=True, exist_ok=True)
    path = root / f"users-{users}-{os.getpid()}.sqlite"
    path.unlink(missing_ok=True)
    connection = open_database(path)
    put_tenant(connection, Tenant("bench", DOMAIN, "Bench"))
    names = (f"user{n}" for n in range(users))
    import_users(
        connection,
        ((User("bench", n), make_credentials(n, DOMAIN, PASSWORD)) for n in names),
    )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    _made[users] = path
    return path


def forget_databases() -> None:
    """At the end of a run."""
    for path in _made.values():
        path.unlink(missing_ok=True)
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
    _made.clear()


def _policy(database: Path, wanted: Wanted) -> None:
    from tandem.accounts.model.account import User
    from tandem.accounts.model.credentials import make_credentials
    from tandem.adapters.sqlite import open_database
    from tandem.adapters.sqlite_accounts import put_user
    from tandem.adapters.sqlite_routing import put_route, put_setting, put_trunk
    from tandem.routing.model.rows import Route, Trunk

    connection = open_database(database)
    if wanted.allow:
        put_setting(connection, "allow", list(wanted.allow))
    if wanted.carrier:
        put_trunk(
            connection,
            Trunk("carrier", "127.0.0.1", tenant="bench", port=7001, cidrs=(f"{wanted.trunk}/32",)),
        )
        put_route(connection, Route("out", "carrier", tenant="bench"))
        put_user(connection, User("bench", "service", forward_always=OUTSIDE))
    for name in wanted.numbers:
        put_user(connection, User("bench", name), make_credentials(name, DOMAIN, PASSWORD))
    connection.close()
