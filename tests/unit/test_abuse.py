"""Reports of several workers as one, and the words for them."""

from pathlib import Path
from typing import Any

import pytest

from tandem.accounts.model.fields import BadField
from tandem.cli.abuse import seconds_of, show, span_of
from tandem.edge.bans import Bans
from tandem.edge.model.abuse import Report, joined, read


def report(**parts: Any) -> Report:
    return read(parts)


def ban(source: str, until: int, why: str = "rate", note: str = "") -> dict[str, Any]:
    return {"source": source, "why": why, "until_us": until, "seconds": 5, "note": note}


def test_a_source_that_several_workers_ban_is_one_line_with_the_longest_end() -> None:
    one = report(banned=[ban("192.0.2.1", 7, "rate"), ban("192.0.2.2", 9)], banned_all=2, bans=2)
    two = report(banned=[ban("192.0.2.1", 8, "asked", "toll fraud")], banned_all=1, bans=1)
    all = joined({1: one, 2: two}, {"3": "away"}, 20)
    assert ["192.0.2.2", "192.0.2.1"] == [line.source for line in all.banned]
    assert (8, "asked", "toll fraud", (1, 2)) == (
        all.banned[1].until_us,
        all.banned[1].why,
        all.banned[1].note,
        all.banned[1].workers,
    )
    assert (2, 3, {"3": "away"}) == (all.banned_all, all.bans, all.missing)


def test_hearsay_is_no_reason_where_another_worker_knows_one() -> None:
    heard, knows = (report(banned=[ban("192.0.2.1", n, why)]) for n, why in ((9, "told"), (8, "scanner")))  # fmt: skip
    assert "scanner" == joined({1: heard, 2: knows}, {}, 20).banned[0].why


def test_counts_are_added_and_the_worst_comes_first() -> None:
    one = report(suspects=[{"source": "192.0.2.1", "refused": 90}], refused={"rate": 90})
    two = report(
        suspects=[
            {"source": "192.0.2.9", "guesses": 1, "silent_seconds": 4},
            {"source": "192.0.2.1", "refused": 5},
        ],
        refused={"rate": 5, "guessing": 100},
        kernel={"holds": 1},
    )
    all = joined({1: one, 2: two}, {}, 1)
    assert ["192.0.2.9"] == [line.source for line in all.suspects]
    assert {"guessing": 100, "rate": 95} == all.refused
    assert ["guessing", "rate"] == list(all.refused)
    assert {"holds": 1} == all.kernel


def test_a_report_says_what_it_means(capsys: pytest.CaptureFixture[str]) -> None:
    show(joined({1: report(banned=[ban("192.0.2.1", 10**15, "scanner")])}, {"2": "it is gone"}, 9), as_json=False)  # fmt: skip
    told = capsys.readouterr()
    assert "banned now: 1" in told.out and "names itself as a scanner" in told.out
    assert "worker 2 was not reached: it is gone" in told.err


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("1h", 3_600), ("1d", 86_400)]
)
def test_a_time_is_a_number_with_a_unit(text: str, seconds: int) -> None:
    assert seconds == seconds_of(text)


@pytest.mark.parametrize("text", ["0", "2d", "1w", "-5", "h", "1.5h", "9999999999"])
def test_a_wrong_time_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(BadField, match="a time like 90s, 15m, 1h, at most 1d"):
        seconds_of(text)


def test_spans_have_two_units_at_most() -> None:
    assert ["5 s", "1 m", "1 m 30 s", "1 h 1 m", "1 d"] == [
        span_of(n) for n in (5, 60, 90, 3_690, 86_400)
    ]


def test_asked_bans_are_kept_until_they_end(tmp_path: Path) -> None:
    path = tmp_path / "bans.json"
    kept = Bans(path)
    kept.keep("192.0.2.1", 60, "spam")
    kept.keep("192.0.2.2", 60, "")
    kept.keep("192.0.2.3", -1, "over")
    kept.end("192.0.2.2")
    assert [{"source": "192.0.2.1", "seconds": 60, "note": "spam"}] == Bans(path).left()
    path.write_bytes(b"{")
    assert [] == Bans(path).left()
