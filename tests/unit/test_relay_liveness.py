"""When a relay is given up, and that one which is started again is not."""

from tandem.media.model.liveness import (
    GIVEN_UP_SECONDS,
    LONE_PING_SECONDS,
    PING_SECONDS,
    PROBE_SECONDS,
    TRIAL_SECONDS,
    UNANSWERED_LEAST,
    Liveness,
)


def run(state: Liveness, now: float, until: float, *, answers: bool) -> tuple[float, float]:
    """Pings as the fleet does; (time, when it was given up or 0)."""
    over = 0.0
    while now < until:
        state.asked(now)
        if answers:
            state.heard(now + 0.001, answers=True)
        if state.is_over(now):
            over = over or now
        now += state.wait(lone=False)
    return now, over


def test_one_that_answers_stays_up() -> None:
    state = Liveness(0.0)
    assert 0 == run(state, 0.0, 60.0, answers=True)[1] and state.up
    assert 0.001 == round(state.round_trip, 6)
    assert (PING_SECONDS, LONE_PING_SECONDS) == (state.wait(lone=False), state.wait(lone=True))


def test_one_that_is_silent_is_given_up_in_time_and_once() -> None:
    state = Liveness(0.0)
    now, _ = run(state, 0.0, 1.0, answers=True)
    _, over = run(state, now, now + 5, answers=False)
    assert GIVEN_UP_SECONDS <= over - now <= GIVEN_UP_SECONDS + PROBE_SECONDS + PING_SECONDS
    assert not state.up and not state.is_over(now + 9) and PING_SECONDS == state.wait(lone=False)
    assert state.heard(now + 10, answers=True) and state.up
    assert not state.heard(now + 10.1, answers=True)
    assert not state.is_trusted(now + 10 + 0.9 * TRIAL_SECONDS)
    assert state.is_trusted(now + 10 + TRIAL_SECONDS)


def test_a_node_that_stood_still_itself_gives_nobody_up() -> None:
    state = Liveness(0.0)
    now, _ = run(state, 0.0, 1.0, answers=True)
    state.asked(now)
    now += 30.0  # it was stopped, with the answer in its socket
    state.asked(now)
    assert not state.is_over(now) and state.up
    state.heard(now + 0.001, answers=False)
    assert 0 == run(state, now + 0.1, now + 5, answers=True)[1]


def test_one_that_misses_a_ping_is_doubted_until_it_answers() -> None:
    state = Liveness(0.5)
    state.asked(0.5)
    assert not state.is_trusted(0.5)  # it has never answered
    state.heard(0.6, answers=True)
    state.asked(1.0)
    assert state.is_trusted(1.05)
    state.asked(1.1)
    assert state.up and not state.is_trusted(1.1)
    state.heard(1.12, answers=True)
    assert state.is_trusted(1.12)


def test_its_first_answer_is_told() -> None:
    state = Liveness(0.0)
    state.asked(0.0)
    assert state.heard(0.01, answers=True)
    state.asked(0.1)
    assert not state.heard(0.11, answers=True)


def test_one_that_is_started_again_is_not_given_up() -> None:
    state = Liveness(0.0)
    now, _ = run(state, 0.0, 1.0, answers=True)
    now, over = run(state, now, now + 0.4, answers=False)
    assert 0 == over
    assert 0 == run(state, now, now + 5, answers=True)[1] and state.up


def test_one_to_which_nothing_can_be_sent_is_missed_at_once() -> None:
    state = Liveness(0.0)
    for _ in range(UNANSWERED_LEAST):
        state.asked(1.0)
        state.failed(1.0)
    assert PROBE_SECONDS == state.wait(lone=False)
    assert not state.is_over(1.0 + GIVEN_UP_SECONDS - 0.01)
    assert state.is_over(1.0 + GIVEN_UP_SECONDS)


def test_any_word_of_it_is_a_sign_of_life() -> None:
    state = Liveness(0.0)
    state.asked(0.0)
    state.asked(0.1)
    state.heard(0.2, answers=False)
    assert 0 == state.missing and 0 == state.round_trip
