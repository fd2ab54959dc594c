"""Records: kept once whatever is repeated, poison set aside, asked for in pages, told in a paragraph."""

import csv
import io
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tandem.accounts.model.fields import BadField
from tandem.adapters.memory import MemoryStore
from tandem.adapters.sqlite import Database, open_database
from tandem.adapters.sqlite_records import (
    count_cdrs,
    each_cdr,
    events_of,
    get_cdr,
    keeper,
    list_cdrs,
    list_dead_letters,
    prune_records,
    quality_of,
)
from tandem.records.export import csv_lines, json_lines
from tandem.records.model import (
    CDR_STREAM,
    QUALITY_STREAM,
    STORY_STREAM,
    CallEvent,
    Cdr,
    Measured,
    Quality,
    Story,
    write,
)
from tandem.records.query import CdrQuery
from tandem.records.service import CONSUMER, Consumer, DeadLetter, KeepFailed, Kept
from tandem.records.why import why

GOLDEN = Path(__file__).parents[1] / "golden" / "why"
T = 1_795_248_000_000_000  # 2026-11-21T08:00:00Z
CDR = Cdr(
    id="0a0000000000a",
    tenant="demo",
    caller="alice@demo.example",
    callee="+4930555",
    caller_number="+4930100",
    caller_call_id="x@phone",
    answered_by="trunk:two",
    trunk_in="",
    trunk_out="two",
    route="de",
    invited_at=T,
    ringing_at=T + 1_100_000,
    answered_at=T + 4_000_000,
    ended_at=T + 66_500_000,
    seconds=62.5,
    status=200,
    ended_by="caller",
    why="hung up",
    tried=("trunk:one 503", "trunk:two 200"),
    takeovers=0,
    proof=False,
)


def cdr(n: int, **fields: object) -> Cdr:
    return replace(CDR, id=f"c{n:03}", invited_at=T + n * 1_000_000, **fields)


def event(seconds: float, what: str, text: str = "", node: int = 1) -> CallEvent:
    return CallEvent(T + round(seconds * 1e6), CDR.id, "demo", what, text, node)


@pytest.fixture
def database(tmp_path: Path):
    made = Database(tmp_path / "tandem.db")
    yield made
    made.close()


def store_with(*records: bytes, stream: str = CDR_STREAM) -> MemoryStore:
    store = MemoryStore(lambda: T)
    store.append(stream, records)
    return store


async def test_a_cdr_comes_out_of_the_database_as_it_went_into_the_stream(database) -> None:
    consumer = Consumer(store_with(write(CDR)), keeper(database, lambda: T))

    await consumer.drain()

    assert CDR == database.do_now(get_cdr, CDR.id)
    assert database.do_now(get_cdr, CDR.id, tenant="other") is None


async def test_records_that_come_again_after_a_crash_change_nothing(database) -> None:
    """The consumer dies after the commit and before the checkpoint: all comes once more."""
    store = store_with(write(cdr(1)), write(cdr(2)))
    story = Story(CDR.id, "demo", (event(0, "invited"), event(1, "rang")))
    store.append(STORY_STREAM, [write(story)])
    real = keeper(database, lambda: T)

    async def dies_after_commit(stream: str, good: list[Kept], bad: list[DeadLetter]) -> int:
        await real(stream, good, bad)
        raise ConnectionError("killed")

    for _ in range(3):
        with pytest.raises(ConnectionError):
            await Consumer(store, dies_after_commit).drain()
    await Consumer(store, real).drain()

    assert 2 == database.do_now(count_cdrs, CdrQuery())[0]
    assert 2 == len(database.do_now(events_of, CDR.id))
    assert 2 == store.checkpoint(CDR_STREAM, CONSUMER)


async def test_poison_becomes_a_dead_letter_and_the_rest_goes_on(database) -> None:
    unreadable, unstorable = b"\xc1", write(cdr(7, status=2**63))
    store = store_with(
        write(cdr(1)), unreadable, unstorable, write(cdr(2)), msgspec.msgpack.encode({})
    )
    consumer = Consumer(store, keeper(database, lambda: T))

    await consumer.drain()

    assert {"c001", "c002"} == {one.id for one in database.do_now(list_cdrs, CdrQuery()).cdrs}
    letters = [letter for _, letter in database.do_now(list_dead_letters)]
    assert {2, 3, 5} == {letter.place for letter in letters}
    assert {unreadable, unstorable, b"\x80"} == {letter.record for letter in letters}
    assert (2, 3, 0) == (consumer.kept, consumer.dead, consumer.lag())


async def test_a_database_that_fails_loses_nothing(database) -> None:
    store = store_with(write(cdr(1)))
    database.do_now(lambda connection: connection.execute("PRAGMA query_only = ON").close())
    consumer = Consumer(store, keeper(database, lambda: T))

    with pytest.raises(KeepFailed):
        await consumer.drain()
    assert (0, 1) == (store.checkpoint(CDR_STREAM, CONSUMER), consumer.lag())

    database.do_now(lambda connection: connection.execute("PRAGMA query_only = OFF").close())
    await consumer.drain()
    assert 1 == database.do_now(count_cdrs, CdrQuery())[0]


async def test_what_is_kept_is_trimmed_from_the_stream(database) -> None:
    store = store_with(*(write(cdr(n)) for n in range(5)))

    await Consumer(store, keeper(database, lambda: T)).drain()

    assert [] == store.read_log(CDR_STREAM, 0, 10)


@pytest.fixture
def filled(tmp_path: Path):
    connection = open_database(tmp_path / "cdr.db")
    from tandem.adapters.sqlite_records import keep_records

    calls = [cdr(n, caller=f"u{n % 3}@demo.example") for n in range(25)]
    calls += [cdr(n, answered_at=0, seconds=0.0, status=486, why="busy") for n in range(25, 30)]
    calls += [cdr(40, tenant="other", trunk_in="carrier")]
    keep_records(connection, "cdr", [Kept(n, c, b"") for n, c in enumerate(calls)], [], T)
    yield connection
    connection.close()


def test_pages_hold_every_call_once_newest_first(filled) -> None:
    seen, cursor = [], ""
    while True:
        page = list_cdrs(filled, CdrQuery(tenant="demo"), cursor, limit=7)
        seen += [one.id for one in page.cdrs]
        cursor = page.cursor
        if not cursor:
            break

    assert [f"c{n:03}" for n in reversed(range(30))] == seen
    assert seen == [one.id for one in each_cdr(filled, CdrQuery(tenant="demo"))]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (CdrQuery(), 31),
        (CdrQuery(tenant="other"), 1),
        (CdrQuery(caller="u1@demo.example"), 8),
        (CdrQuery(party="u1@demo.example"), 8),
        (CdrQuery(party="trunk:two"), 31),
        (CdrQuery(party="nobody"), 0),
        (CdrQuery(trunk="carrier"), 1),
        (CdrQuery(answered=True), 26),
        (CdrQuery(answered=False), 5),
        (CdrQuery(why="busy", status=486), 5),
        (CdrQuery(since=T + 28_000_000, until=T + 40_000_000), 2),
        (CdrQuery(call_id="x@phone"), 31),
    ],
)
def test_every_filter_narrows(filled, query: CdrQuery, count: int) -> None:
    assert count == count_cdrs(filled, query)[0] == len(list(each_cdr(filled, query)))


@pytest.mark.parametrize("cursor", ["x", "1", "1.", "-1.a", "9" * 30 + ".a"])
def test_a_cursor_of_ones_own_making_is_refused(filled, cursor: str) -> None:
    with pytest.raises(BadField, match="cursor"):
        list_cdrs(filled, CdrQuery(), cursor)


def test_a_cursor_is_a_value_and_never_sql(filled) -> None:
    assert [] == list_cdrs(filled, CdrQuery(), "1.a' OR 1=1 --").cdrs


def test_old_calls_are_forgotten_with_their_events(filled) -> None:
    assert 10 == prune_records(filled, T + 10_000_000)
    assert 21 == count_cdrs(filled, CdrQuery())[0]


def test_an_export_reads_back_and_holds_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO("".join(csv_lines([replace(CDR, callee="=1+1")])))))

    assert ["2026-11-21T08:00:00.000Z"] == [row["invited_at"] for row in rows]
    assert ("'=1+1", "+4930100", "62.5", "no") == tuple(
        rows[0][name] for name in ("callee", "caller_number", "seconds", "proof")
    )
    assert [CDR] == [msgspec.json.decode(line, type=Cdr) for line in json_lines([CDR])]


STORIES = {
    "fail-over": (
        CDR,
        [
            event(0, "invited", "alice@demo.example to +4930555"),
            event(0.002, "routed", "+4930555 by route de (prefix +49): one, then two"),
            event(0.003, "tried", "trunk:one at 192.0.2.1:5060"),
            event(0.2, "failed", "trunk:one 503 Service Unavailable"),
            event(0.201, "tried", "trunk:two at 192.0.2.2:5060"),
            event(1.1, "rang", "trunk:two"),
            event(4, "answered", "trunk:two"),
            event(66.5, "ended", "hung up, by caller"),
        ],
    ),
    "takeover": (
        replace(CDR, takeovers=1, ended_by="callee", tried=("trunk:two 200",)),
        [
            event(0, "invited"),
            event(1.1, "rang", "trunk:two"),
            event(4, "answered", "trunk:two"),
            event(4.8, "adopted", "node 1 does not answer", node=2),
            event(66.5, "ended", "hung up, by callee"),
        ],
    ),
    "busy": (
        replace(CDR, answered_by="", answered_at=0, seconds=0.0, status=486, why="busy",
                ended_by="callee", callee="bob@demo.example", tried=("bob@demo.example 486",),
                ended_at=T + 900_000),
        [],
    ),
    "cancelled": (
        replace(CDR, answered_by="", answered_at=0, seconds=0.0, status=487, why="cancelled",
                ended_at=T + 9_000_000, tried=()),
        [event(0.1, "rang", "bob@demo.example")],
    ),
    "lost": (replace(CDR, proof=True, why="lost", ended_by="nobody", takeovers=2), []),
    "emergency-refused": (
        replace(CDR, emergency=True, callee="112", answered_at=0, answered_by="", seconds=0.0,
                status=503, why="failed", ended_by="tandem", ended_at=T + 70_000, tried=("trunk:one 503",)),
        [event(0.01, "failed", "trunk:one 0 refused"), event(0.05, "moved", "to caf\u00c3\u00a9")],
    ),
    "still-running": (None, [event(0, "invited"), event(4, "held", "caller")]),
    "unknown": (None, []),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_a_call_is_told_as_its_golden_file_says(name: str) -> None:
    record, events = STORIES[name]
    assert (GOLDEN / f"{name}.txt").read_text().strip() == why(record, events)


def test_the_order_in_which_events_arrive_does_not_change_the_story() -> None:
    record, events = STORIES["fail-over"]
    assert why(record, events) == why(record, list(reversed(events)))


QUALITY = (
    Quality("a", "in", 3_100, 31, 4.2, 38.0, 4.31),
    Quality("b0", "in", 3_090, 0, 1.1, 38.5, 4.4),
)


@pytest.mark.parametrize("first", ["cdr", "quality"])
async def test_what_was_measured_of_a_call_stands_beside_its_cdr_whichever_came_first(
    database, first: str
) -> None:
    measured, store = write(Measured(CDR.id, T, QUALITY)), MemoryStore(lambda: T)
    consumer = Consumer(store, keeper(database, lambda: T))
    records = [(CDR_STREAM, write(CDR)), (QUALITY_STREAM, measured)]
    for stream, record in records if first == "cdr" else reversed(records):
        store.append(stream, [record])
        await consumer.drain()
    store.append(QUALITY_STREAM, [measured])  # an heir has asked again
    await consumer.drain()
    found = await database.do(get_cdr, CDR.id)
    assert QUALITY == found.quality
    assert 1 == len([line for line in csv_lines([found])]) - 1
    assert () == (await database.do(list_cdrs, CdrQuery())).cdrs[0].quality


async def test_what_was_measured_goes_with_its_call(database) -> None:
    store = store_with(write(Measured(CDR.id, T, QUALITY)), stream=QUALITY_STREAM)
    await Consumer(store, keeper(database, lambda: T)).drain()
    assert QUALITY == await database.do(quality_of, CDR.id)
    await database.do(prune_records, T + 1)
    assert () == await database.do(quality_of, CDR.id)


async def test_a_measure_that_cannot_be_read_is_set_aside(database) -> None:
    store = store_with(b"\x80", stream=QUALITY_STREAM)
    await Consumer(store, keeper(database, lambda: T)).drain()
    [(_, letter)] = await database.do(list_dead_letters)
    assert QUALITY_STREAM == letter.stream
