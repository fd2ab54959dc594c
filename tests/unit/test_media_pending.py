"""Questions to the relay: one outcome each, repeats with patience, limits."""

import json

from tandem.media.model import pending
from tandem.media.model.ng import Question
from tandem.media.model.pending import LEAST_MICROSECONDS, RELAY_MICROSECONDS, Pending

START = 1_700_000_000_000_000
MS = 1_000


def question(n: int = 1, verb: str = "offer", call: str = "c", since: int = START) -> Question:
    return Question(f"{call}/{n}", call, n, {"command": verb, "id": f"{call}/{n}"}, since)


def cookie(datagram: bytes | None) -> bytes:
    assert datagram is not None
    return datagram.partition(b" ")[0]


def test_an_answer_belongs_to_its_question_once() -> None:
    asked = Pending("1.1")
    first, second = asked.ask(question(1), START), asked.ask(question(2), START)
    found = asked.heard(cookie(second) + b' {"result": "ok", "sdp": "v=0"}')
    assert found is not None and found[0] is not None
    assert (2, "v=0") == (found[0].n, found[1].sdp)
    assert asked.heard(cookie(second) + b' {"result": "ok"}') is None
    assert asked.heard(b'nobody {"result": "ok"}') is None
    assert asked.heard(cookie(first) + b' {"result": "ok"}') is not None
    assert (0, {}, {}) == (asked.wake_at(), asked.open, asked.calls)


def test_a_question_is_repeated_after_twice_the_time_and_then_given_up() -> None:
    asked = Pending("1.1")
    datagram = asked.ask(question(), START)
    said, lapsed = [], []
    for now in range(START, START + 3_000 * MS, MS):
        again, over = asked.tick(now)
        said += [(now - START) // MS for one in again if one == datagram]
        lapsed += [(now - START) // MS for _ in over]
    assert ([100, 300, 700, 1500], [RELAY_MICROSECONDS // MS]) == (said, lapsed)


def test_while_the_relay_is_away_others_wait_less_until_it_answers() -> None:
    asked = Pending("1.1")
    asked.ask(question(1), START)
    asked.tick(START + 3_000 * MS)
    now = START + 4_000 * MS
    second = asked.ask(question(2, since=now), now)
    assert [] == asked.tick(now + LEAST_MICROSECONDS - MS)[1]
    third = asked.ask(question(3, since=now), now)
    assert [2] == [one.n for one in asked.tick(now + LEAST_MICROSECONDS)[1]] or third
    asked.ask(question(4, since=now), now)
    assert second is not None
    asked.heard(cookie(third) + b' {"result": "ok"}')
    assert not asked.away


def test_an_heir_waits_only_what_is_left() -> None:
    asked = Pending("1.2")
    asked.ask(question(since=START - 1_800 * MS), START)
    assert [] == asked.tick(START + LEAST_MICROSECONDS - MS)[1]
    assert [1] == [one.n for one in asked.tick(START + LEAST_MICROSECONDS)[1]]


def test_what_was_asked_of_an_ended_call_is_not_said_again() -> None:
    asked = Pending("1.1")
    asked.ask(question(1), START)
    other = asked.ask(question(1, call="d"), START)
    ending = asked.ask(question(2, "delete"), START)
    again, lapsed = asked.tick(START + 150 * MS)
    assert ({other, ending}, []) == (set(again), lapsed)


def test_the_end_of_a_call_is_told_for_long_without_making_the_relay_away() -> None:
    asked = Pending("1.1")
    asked.ask(question(2, "delete"), START)
    said, now = 0, START
    while now < START + 40_000 * MS:
        now += 50 * MS
        again, lapsed = asked.tick(now)
        said += len(again)
        if lapsed:
            break
    assert 30_000 == (now - START) // MS
    assert 8 < said < 16


def test_more_questions_than_the_limit_are_not_asked(monkeypatch: object) -> None:
    asked = Pending("1.1")
    for n in range(pending.PENDING_MOST):
        asked.open[str(n)] = None  # type: ignore[assignment]
    assert asked.ask(question(), START) is None


def test_what_the_relay_says_unasked_is_heard() -> None:
    asked = Pending("1.1")
    told = {"event": "timeout", "call": "c", "leg": "b0"}
    found = asked.heard(json.dumps(told).encode())
    assert found is not None
    assert (None, "timeout", "c", "b0") == (
        found[0],
        found[1].event,
        found[1].call,
        found[1].leg,
    )
