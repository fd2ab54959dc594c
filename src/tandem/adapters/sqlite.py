"""Opens the SQLite database, brings its tables up to date, and lends its one connection to a thread. Knows no rooms."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

BUSY_MILLISECONDS = 10_000
CACHE_KIB = 64 * 1024
MIGRATIONS = Path(__file__).parent / "migrations"

P = ParamSpec("P")
R = TypeVar("R")


class BadDatabase(Exception):
    """The database cannot be used: newer than this program, or a migration that does not run."""


class Database:
    """The connection, and the one thread in which everything happens to it.

    `await database.do(put_tenant, tenant)` runs `put_tenant(connection, tenant)` there; `do_now` waits for it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._connection = self._thread.submit(open_database, path).result()

    async def do(
        self,
        work: Callable[Concatenate[sqlite3.Connection, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._thread, lambda: work(self._connection, *args, **kwargs)
        )

    def do_now(
        self,
        work: Callable[Concatenate[sqlite3.Connection, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        return self._thread.submit(work, self._connection, *args, **kwargs).result()

    def close(self) -> None:
        self._thread.submit(self._connection.close).result()
        self._thread.shutdown()


def open_database(path: str | Path, migrations: Path = MIGRATIONS) -> sqlite3.Connection:
    """A connection with all migrations applied. Raises BadDatabase. ":memory:" is possible."""
    connection = sqlite3.connect(
        path, timeout=BUSY_MILLISECONDS / 1000, isolation_level=None, check_same_thread=False
    )
    if str(path) != ":memory:":
        Path(path).chmod(0o600)  # carriers' passwords are in it
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    connection.execute("PRAGMA journal_mode = WAL")
    # a CDR is forgotten by the journal once it is here: it must survive a power cut
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    try:
        migrate(connection, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


def migrate(connection: sqlite3.Connection, migrations: Path = MIGRATIONS) -> int:
    """Applies the numbered files above `PRAGMA user_version`, each whole or not at all; the version that it reached."""
    steps = {int(file.name.split("_")[0]): file for file in sorted(migrations.glob("[0-9]*_*.sql"))}
    if sorted(steps) != list(range(1, len(steps) + 1)):
        raise BadDatabase(f"migrations are numbered 1 to {len(steps)}, not {sorted(steps)}")
    if _version(connection) > len(steps):
        raise BadDatabase(
            f"the database has version {_version(connection)}, this program knows {len(steps)}"
        )
    for number, file in sorted(steps.items()):
        if _version(connection) < number:
            _apply(connection, number, file)
    return len(steps)


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: all of the block, or nothing. Inside another one: part of it."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything read in the block is of one moment. Inside another transaction: of its moment."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def generations(connection: sqlite3.Connection) -> dict[str, int]:
    """Counters that grow with every write: tenants, accounts, routing, settings, logins."""
    return dict(connection.execute("SELECT what, n FROM generation").fetchall())


def backup(connection: sqlite3.Connection, path: str | Path) -> None:
    """A consistent copy while others go on reading and writing."""
    with sqlite3.connect(path) as copy:
        connection.backup(copy)
    copy.close()


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _apply(connection: sqlite3.Connection, number: int, file: Path) -> None:
    sql = f"BEGIN IMMEDIATE;\n{file.read_text()}\nPRAGMA user_version = {number};\nCOMMIT;"
    try:
        connection.executescript(sql)
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        # another process may have applied it while we waited for the lock
        if _version(connection) < number:
            raise BadDatabase(f"migration {file.name}: {error}") from error
