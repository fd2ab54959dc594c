"""`tandem top`: rates between two looks, and a screen that fits every terminal."""

from typing import Any

import pytest
from msgspec.structs import replace

from tandem.edge.model.times import Times
from tandem.edge.model.view import (
    EdgeView,
    FrontView,
    MemberView,
    PoolView,
    ResourceView,
    WorkerView,
    joined,
)
from tandem.watch.board import bar, figure, milliseconds, one_frame, screen, span, sparks
from tandem.watch.rates import Moment, Shown, plain, shown


def member(name: str, n: int, **more: Any) -> MemberView:
    return MemberView(
        name=name, address="10.0.0.1:5060", resources={"call": ResourceView(40, 50)}, calls=40, replies=(100 * n, 0, 10 * n, 0, 0), **more
    )  # fmt: skip


def look(at: float, n: int, **more: Any) -> Moment:
    """`n` seconds after the start of everything."""
    farm = PoolView(
        "farm",
        members=(member("fs1", n), member("fs2-with-a-name-that-is-far-too-long", n, state="down", why="3 probes failed", no_answer=5 * n)),
        times={"answer": Times(0, (0, 0, 100 * n, n))},
    )  # fmt: skip
    counters = {
        "received_udp": 1000 * n,
        "sent_udp": 990 * n,
        "refused_rate": 3 * n,
        "malformed": 2,
    }
    worker = WorkerView(
        edge=1, pid=7, incarnation=1, at=n * 1_000_000, counters=counters, connections={"tls": 20},
        front=FrontView(pools=(farm,), calls=80),
    )  # fmt: skip
    view = joined(n * 1_000_000, [worker], {"2": "worker 2 does not answer"})
    view = replace(view, bans=({"source": "192.0.2.1\x1b[2J"},), banned=1)
    return Moment(at=at, view=view, name="edge 1", cpu={7: at / 2}, **more)


def seen(**more: Any) -> Shown:
    return shown(look(10.0, 10), look(12.0, 12, **more), look(10.0, 10))


def test_rates_are_those_between_two_looks() -> None:
    row = seen()
    assert (1000.0, 990.0, 80) == (row.received, row.sent, row.calls)
    fs1, fs2 = row.pools[0].members
    assert (110.0, 0.0, 5.0) == (fs1.replies, fs1.failed, fs2.failed)
    assert ({"2xx": 200.0, "4xx": 20.0}, (3.0, 36)) == (
        {k: v for k, v in row.replies.items() if v},
        row.refused["rate"],
    )
    assert 0.5 == row.workers[0].cpu
    p50 = row.pools[0].p50
    assert p50 is not None and 0.096 < p50 < 0.112


def test_a_counter_that_began_anew_is_no_negative_rate() -> None:
    row = shown(look(10.0, 10), look(11.0, 1), look(10.0, 10))
    assert 1000.0 == row.received
    assert all(one.replies >= 0 for one in row.pools[0].members)


def test_programs_get_the_same_figures() -> None:
    told = plain(seen())
    assert (1000.0, "down") == (told["received"], told["pools"][0]["members"][1]["state"])


@pytest.mark.parametrize("width", [40, 60, 80, 100, 110, 130, 200])
@pytest.mark.parametrize("height", [8, 16, 24, 50])
def test_the_screen_fits(width: int, height: int) -> None:
    lines = screen(seen(), [1.0, 5.0, 3.0] * 50, width, height)
    assert len(lines) == height
    assert all(line.cell_len <= width for line in lines)


def test_80_by_24_shows_what_matters() -> None:
    text = "\n".join(line.plain for line in screen(seen(), [], 80, 24))
    for words in (
        "edge 1",
        "1/2 up",
        "p99",
        "fs1",
        "down",
        "█",
        "refused",
        "rate",
        "does not answer",
        "192.0.2.1?[2J",
    ):
        assert words in text
    lines = text.split("\n")
    assert next(n for n, x in enumerate(lines) if "fs2" in x) < next(
        n for n, x in enumerate(lines) if "fs1" in x
    )


def test_what_is_wrong_stands_at_the_top() -> None:
    row = seen(ready=False, reasons=("pool farm has no server up",))
    assert "NOT READY  pool farm has no server up" in one_frame(row, 80)[0].plain


def test_an_edge_without_anything_has_a_screen_too() -> None:
    empty = Moment(at=1.0, view=EdgeView())
    text = "\n".join(line.plain for line in screen(shown(empty, empty, empty), [], 80, 24))
    assert "nothing yet" in text


def test_figures_are_short() -> None:
    assert ["0", "0.1", "7.2", "812", "9999", "10.0k", "123k", "4.5M"] == [
        figure(n) for n in (0, 0.1, 7.2, 812, 9999, 10_000, 123_456, 4_500_000)
    ]
    assert ["-", "0.25 ms", "3.2 ms", "48 ms", "12.0 s"] == [
        milliseconds(n) for n in (None, 0.25, 3.2, 48.3, 12_000)
    ]
    assert ["59 s", "1m 01s", "2h 29m", "3d 04h"] == [span(n) for n in (59, 61, 8_950, 273_600)]
    assert ("███▌ ", "▁▄█") == (bar(0.7, 5), sparks([0, 5, 10]))
