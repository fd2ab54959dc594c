"""What every Store promises, run against each adapter; and what the journal promises beyond it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tandem.adapters.journal import open_journal
from tandem.adapters.memory import MemoryStore
from tandem.ports import Save, Store


def microseconds() -> int:
    return time.time_ns() // 1000


def save(
    key: str = "k",
    *,
    epoch: int = 0,
    version: int = 1,
    writer: int = 7,
    expires_at: int = 0,
    row: bytes | None = b"row",
    logs: tuple[tuple[str, bytes], ...] = (),
) -> Save:
    return key, epoch, version, writer, expires_at, row, logs


@pytest.fixture(params=["memory", "journal"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    make: dict[str, Callable[[], Store]] = {
        "memory": lambda: MemoryStore(microseconds),
        "journal": lambda: open_journal(tmp_path / "journal"),
    }
    made = make[request.param]()
    yield made
    made.close()


def test_a_saved_row_is_loaded(store: Store) -> None:
    assert [True] == store.save([save(epoch=3, version=9, writer=2**64 - 1)])
    assert (3, 9, 2**64 - 1, b"row") == store.load("k")
    assert store.load("other") is None


def test_a_save_needs_the_next_version(store: Store) -> None:
    said = [
        store.save([save(version=version, writer=writer)])[0]
        for version, writer in [(1, 7), (3, 7), (1, 8), (2, 7), (2, 8), (3, 8)]
    ]
    assert [True, False, False, True, False, True] == said


def test_an_unknown_key_takes_any_version(store: Store) -> None:
    assert [True] == store.save([save(version=2**64 - 1)])
    assert [False] == store.save([save(version=0, writer=8)])


def test_a_repeated_save_has_succeeded_and_its_logs_are_not_doubled(store: Store) -> None:
    once = save(logs=(("cdr", b"bill"),))
    assert [True, True] == store.save([once, once])
    assert [True] == store.save([once])
    assert [(1, b"bill")] == store.read_log("cdr", 0, 10)


def test_a_stale_save_writes_no_log(store: Store) -> None:
    store.save([save()])
    assert [False] == store.save([save(version=5, writer=8, logs=(("cdr", b"bill"),))])
    assert [] == store.read_log("cdr", 0, 10)


def test_saves_of_one_call_see_each_other(store: Store) -> None:
    batch = [
        save(),
        save(writer=8),
        save(version=2),
        save(version=3, row=None),
        save(writer=9),
    ]
    assert [True, False, True, True, True] == store.save(batch)
    assert (0, 1, 9, b"row") == store.load("k")


def test_a_claim_makes_lower_epochs_stale(store: Store) -> None:
    assert (0, 1, 8) == (store.epoch, store.claim(), store.claim(7))
    assert 8 == store.epoch
    said = store.save([save(epoch=7), save("l", epoch=8), save("l", epoch=7, version=2)])
    assert [False, True, False] == said


def test_a_repeated_save_has_succeeded_even_after_a_claim(store: Store) -> None:
    store.save([save(epoch=0)])
    store.claim()
    assert [True, False] == store.save([save(epoch=0), save(epoch=0, version=2)])


def test_a_row_of_a_higher_epoch_stays(store: Store) -> None:
    said = store.save([save(epoch=5), save(epoch=4, version=2, writer=1), save(epoch=6, version=2)])
    assert [True, False, True] == said


def test_a_deleted_row_is_unknown(store: Store) -> None:
    store.save([save(), save(version=2, row=None, logs=(("cdr", b"end"),))])
    assert store.load("k") is None
    assert [(1, b"end")] == store.read_log("cdr", 0, 10)
    assert [True] == store.save([save(version=1, writer=8)])


def test_an_expired_row_is_gone(store: Store) -> None:
    soon = microseconds() + 60_000
    store.save([save("a", expires_at=soon), save("b", expires_at=soon + 10**9), save("c")])
    store.put([("d", b"binding", soon), ("e", b"binding", 0)])
    time.sleep(0.08)
    assert store.load("a") is None
    assert {"b", "c", "e"} == {key for key, _ in store.scan("")}
    assert [True] == store.save([save("a", version=1, writer=9)])


def test_put_does_not_compare(store: Store) -> None:
    store.save([save(epoch=2, version=4)])
    store.claim(9)
    store.put([("k", b"new", 0), ("l", b"x", 0), ("l", None, 0)])
    assert (0, 0, 0, b"new") == store.load("k")
    assert store.load("l") is None


def test_scan_gives_the_rows_of_a_prefix(store: Store) -> None:
    store.save([save("call/1", row=b"1"), save("call/2", row=b"2"), save("bind/1", row=b"3")])
    assert [("call/1", b"1"), ("call/2", b"2")] == sorted(store.scan("call/"))


def test_a_log_is_read_in_pieces(store: Store) -> None:
    assert 3 == store.append("cdr", [b"a", b"b", b"c"])
    store.save([save(logs=(("cdr", b"d"), ("events", b"x"), ("cdr", b"e")))])
    assert [(1, b"a"), (2, b"b")] == store.read_log("cdr", 0, 2)
    assert [(4, b"d"), (5, b"e")] == store.read_log("cdr", 3, 100)
    assert [] == store.read_log("cdr", 5, 10)
    assert [(1, b"x")] == store.read_log("events", 0, 10)
    assert [] == store.read_log("unknown", 0, 10)


def test_a_log_is_trimmed_no_further_than_its_slowest_consumer(store: Store) -> None:
    store.append("cdr", [b"a", b"b", b"c"])
    store.set_checkpoint("cdr", "files", 3)
    store.set_checkpoint("cdr", "hooks", 1)
    store.trim_log("cdr", 3)
    assert [(2, b"b"), (3, b"c")] == store.read_log("cdr", 0, 10)
    assert (3, 1, 0) == tuple(store.checkpoint("cdr", c) for c in ("files", "hooks", "none"))
    store.set_checkpoint("cdr", "hooks", 3)
    store.trim_log("cdr", 100)
    assert [] == store.read_log("cdr", 0, 10)
    assert 4 == store.append("cdr", [b"d"])


def test_an_empty_append_says_where_the_stream_ends(store: Store) -> None:
    assert 0 == store.append("cdr", [])
    store.append("cdr", [b"a"])
    assert 1 == store.append("cdr", [])


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("key", save("k" * 1025)),
        ("row", save(row=bytes(2**20 + 1))),
        ("record", save(logs=(("cdr", bytes(2**20 + 1)),))),
        ("save", save(logs=(("cdr", bytes(2**20)),) * 4)),
        ("stream:", save(logs=(("s" * 65, b""),))),
        ("streams", save(logs=tuple((str(n), b"") for n in range(65)))),
    ],
)
def test_over_a_limit_nothing_is_saved(store: Store, field: str, bad: Save) -> None:
    with pytest.raises(ValueError, match=f"^{field}.* over the limit of"):
        store.save([save("good"), bad])
    assert store.load("good") is None


def test_consumers_are_limited(store: Store) -> None:
    for n in range(64):
        store.set_checkpoint("cdr", str(n), 0)
    with pytest.raises(ValueError, match=r"^consumers: 65 is over the limit of 64"):
        store.set_checkpoint("cdr", "more", 0)
    store.set_checkpoint("cdr", "0", 1)


def test_a_journal_opened_again_holds_everything(tmp_path: Path) -> None:
    store = open_journal(tmp_path, sync="before")
    store.claim(4)
    store.save([save(epoch=5, logs=(("cdr", b"bill"),)), save("gone", epoch=5)])
    store.put([("gone", None, 0)])
    store.set_checkpoint("cdr", "files", 1)
    store.close()
    store = open_journal(tmp_path)
    assert (5, (5, 1, 7, b"row"), None) == (store.epoch, store.load("k"), store.load("gone"))
    assert ([(1, b"bill")], 1) == (store.read_log("cdr", 0, 9), store.checkpoint("cdr", "files"))
    assert (1, 1) == (store.stats()["opened_rows"], store.stats()["opened_logs"])
    store.close()
    with pytest.raises(RuntimeError, match="closed"):
        store.load("k")


def test_a_journal_has_one_user(tmp_path: Path) -> None:
    store = open_journal(tmp_path)
    with pytest.raises(OSError, match=r"in use by process \d+"):
        open_journal(tmp_path)
    store.close()
    open_journal(tmp_path).close()


def test_a_bounded_stream_in_memory_loses_its_oldest_records() -> None:
    store = MemoryStore(microseconds, bounded={"events": 10})
    store.append("events", [b"aaaa", b"bbbb", b"cccc"])
    assert [(2, b"bbbb"), (3, b"cccc")] == store.read_log("events", 0, 10)
