"""CDRs, call events, dead letters and the audit log in SQLite. Functions take the connection."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from tandem.adapters.sqlite import Database, writing
from tandem.adapters.sqlite_rows import Rows, Value
from tandem.records.kept import DeadLetter, Keep, KeepFailed, Kept
from tandem.records.model import CallEvent, Cdr, Measured, Quality, Story
from tandem.records.query import PAGE_MOST, CdrQuery, Page, check_page, read_cursor, write_cursor

AUDIT_MOST = 1_000  # lines of one answer

# A call may tell more after its end: the later story has all of the earlier one
STORIES = (
    "INSERT OR REPLACE INTO stories (call, tenant, at, story) SELECT json_extract(value, '$[0]'),"
    " json_extract(value, '$[1]'), json_extract(value, '$[2][0][0]'), json_extract(value, '$[2]') FROM json_each(?)"
)
# The relay's answer may come twice, from an owner and its heir
MEASURED = (
    "INSERT OR REPLACE INTO quality (call, at, streams) SELECT json_extract(value, '$.call'),"
    " json_extract(value, '$.at'), json_extract(value, '$.streams') FROM json_each(?)"
)
_cdrs = Rows(Cdr, "cdr", ("id",), skip=("quality",))
# what SQLite says about a record, and not about the disk
_POISON = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    UnicodeError,
)


def keeper(database: Database, now: Callable[[], int]) -> Keep:
    """The `keep` of records.Consumer. now: microseconds since 1970."""

    async def keep(stream: str, good: Sequence[Kept], bad: Sequence[DeadLetter]) -> int:
        return await database.do(keep_records, stream, good, bad, now())

    return keep


def keep_records(
    connection: sqlite3.Connection,
    stream: str,
    good: Sequence[Kept],
    bad: Sequence[DeadLetter],
    now: int,
) -> int:
    """Keeps all in one transaction; how many became dead letters. What is there already stays. Raises KeepFailed."""
    try:
        with writing(connection):
            letters = [*bad, *_insert(connection, stream, good)]
            connection.executemany(
                "INSERT OR IGNORE INTO dead_letters (stream, place, at, reason, record)"
                " VALUES (?, ?, ?, ?, ?)",
                [(one.stream, one.place, now, one.reason, one.record) for one in letters],
            )
            return len(letters)
    except sqlite3.Error as error:
        raise KeepFailed(str(error)) from error


def get_cdr(connection: sqlite3.Connection, id: str, tenant: str = "") -> Cdr | None:
    """tenant: only if it is this tenant's."""
    cdr = _cdrs.get(connection, id)
    if cdr is None or tenant not in ("", cdr.tenant):
        return None
    return replace(cdr, quality=quality_of(connection, id))


def quality_of(connection: sqlite3.Connection, call: str) -> tuple[Quality, ...]:
    """What was measured of a call's media; nothing where no relay carried it, or it has not told yet."""
    row = connection.execute("SELECT streams FROM quality WHERE call = ?", (call,)).fetchone()
    return msgspec.json.decode(row[0], type=tuple[Quality, ...]) if row else ()


def list_cdrs(
    connection: sqlite3.Connection, query: CdrQuery, cursor: str = "", limit: int = 100
) -> Page:
    """A page, newest first. Raises BadField for the cursor or the limit."""
    where, args = _where(query)
    after = read_cursor(cursor)
    if after:
        where.append("(invited_at, id) < (?, ?)")
        args += after
    rest = f"WHERE {' AND '.join(where)}" if where else ""
    found = _cdrs.select(
        connection,
        f"{rest} ORDER BY invited_at DESC, id DESC LIMIT ?",
        (*args, check_page(limit) + 1),
    )
    more = len(found) > limit
    cdrs = found[:limit]
    return Page(cdrs, write_cursor(cdrs[-1]) if more else "")


def each_cdr(connection: sqlite3.Connection, query: CdrQuery) -> Iterator[Cdr]:
    """All of them, newest first, page by page: for exports."""
    cursor = ""
    while True:
        page = list_cdrs(connection, query, cursor, PAGE_MOST)
        yield from page.cdrs
        cursor = page.cursor
        if not cursor:
            return


def count_cdrs(connection: sqlite3.Connection, query: CdrQuery) -> tuple[int, int, float]:
    """How many calls, how many of them answered, and their seconds together."""
    where, args = _where(query)
    rest = f"WHERE {' AND '.join(where)}" if where else ""
    sql = f"SELECT count(*), total(answered_at > 0), total(seconds) FROM cdr {rest}"
    calls, answered, seconds = connection.execute(sql, args).fetchone()
    return calls, int(answered), seconds


def events_of(connection: sqlite3.Connection, call: str, tenant: str = "") -> list[CallEvent]:
    """What happened to a call that has ended, in order."""
    sql = "SELECT story FROM stories WHERE call = ? AND (? = '' OR tenant = ?)"
    row = connection.execute(sql, (call, tenant, tenant)).fetchone()
    return list(msgspec.json.decode(row[0], type=tuple[CallEvent, ...])) if row else []


def list_dead_letters(
    connection: sqlite3.Connection, after: int = 0, limit: int = 100
) -> list[tuple[int, DeadLetter]]:
    """(id, letter) in order of their ids, after an id."""
    sql = "SELECT id, stream, place, reason, record FROM dead_letters WHERE id > ? ORDER BY id LIMIT ?"
    rows = connection.execute(sql, (after, check_page(limit)))
    return [(id, DeadLetter(*row)) for id, *row in rows]


def delete_dead_letter(connection: sqlite3.Connection, id: int) -> bool:
    return connection.execute("DELETE FROM dead_letters WHERE id = ?", (id,)).rowcount > 0


def prune_records(connection: sqlite3.Connection, before: int) -> int:
    """Forgets calls that were invited before, with their events; how many CDRs."""
    with writing(connection):
        connection.execute("DELETE FROM stories WHERE at < ?", (before,))
        connection.execute("DELETE FROM quality WHERE at < ?", (before,))
        return connection.execute("DELETE FROM cdr WHERE invited_at < ?", (before,)).rowcount


def add_audit(
    connection: sqlite3.Connection,
    at: int,
    who: str,
    what: str,
    target: str,
    *,
    tenant: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Notes who did what to what. Never put a password into `detail`."""
    connection.execute(
        "INSERT INTO audit (at, who, tenant, what, target, detail) VALUES (?, ?, ?, ?, ?, ?)",
        (at, who, tenant, what, target, msgspec.json.encode(detail or {}).decode()),
    )


def list_audit(
    connection: sqlite3.Connection, tenant: str = "", before: int = 0, limit: int = 100
) -> list[dict[str, Any]]:
    """Newest first; before: the id of the last one seen."""
    sql = (
        "SELECT id, at, who, tenant, what, target, detail FROM audit"
        " WHERE (? = '' OR tenant = ?) AND (? = 0 OR id < ?) ORDER BY id DESC LIMIT ?"
    )
    names = ("id", "at", "who", "tenant", "what", "target")
    rows = connection.execute(sql, (tenant, tenant, before, before, min(limit, AUDIT_MOST)))
    return [
        {**dict(zip(names, row, strict=False)), "detail": msgspec.json.decode(row[-1])}
        for row in rows
    ]


def _insert(connection: sqlite3.Connection, stream: str, good: Sequence[Kept]) -> list[DeadLetter]:
    connection.execute("SAVEPOINT records")
    try:
        _insert_all(connection, good)
        letters: list[DeadLetter] = []
    except _POISON:
        connection.execute("ROLLBACK TO records")
        letters = _insert_each(connection, stream, good)
    connection.execute("RELEASE records")
    return letters


def _insert_all(connection: sqlite3.Connection, good: Sequence[Kept]) -> None:
    _cdrs.insert_new(connection, [one.value for one in good if isinstance(one.value, Cdr)])
    stories = [one.value for one in good if isinstance(one.value, Story)]
    connection.execute(STORIES, (msgspec.json.encode(stories).decode(),))
    measured = [one.value for one in good if isinstance(one.value, Measured)]
    if measured:
        connection.execute(MEASURED, (msgspec.json.encode(measured).decode(),))


def _insert_each(
    connection: sqlite3.Connection, stream: str, good: Sequence[Kept]
) -> list[DeadLetter]:
    letters = []
    for one in good:
        try:
            _insert_all(connection, [one])
        except _POISON as error:
            letters.append(DeadLetter(stream, one.place, f"cannot be kept: {error}", one.record))
    return letters


def _where(query: CdrQuery) -> tuple[list[str], list[Value]]:
    where: list[str] = []
    args: list[Value] = []

    def add(sql: str, *values: Value) -> None:
        where.append(sql)
        args.extend(values)

    for name in ("tenant", "caller", "callee", "why", "status"):
        if value := getattr(query, name):
            add(f"{name} = ?", value)
    if query.call_id:
        add("caller_call_id = ?", query.call_id)
    if query.party:
        columns = ("caller", "callee", "answered_by", "caller_number")
        add(f"({' OR '.join(f'{name} = ?' for name in columns)})", *[query.party] * len(columns))
    if query.trunk:
        add("(trunk_in = ? OR trunk_out = ?)", query.trunk, query.trunk)
    if query.since:
        add("invited_at >= ?", query.since)
    if query.until:
        add("invited_at < ?", query.until)
    if query.answered is not None:
        add("answered_at > 0" if query.answered else "answered_at = 0")
    return where, args
