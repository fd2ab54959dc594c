"""Who is let in when the node is full, late or draining."""

from tandem.calls.model.admission import DRAIN_SECONDS, RETRY_SECONDS, Admission, retry_after
from tandem.routing.model.plan import Plan, Refusal

CALL = Plan("t", "a@t", "a", "a", "b@t", ())
EMERGENCY = Plan("t", "a@t", "a", "a", "112", (), emergency=True)


def test_the_limit_of_calls_holds_to_the_call() -> None:
    door = Admission(calls_most=2)
    assert ["", "calls"] == [door.refuses(CALL, 1), door.refuses(CALL, 2)]
    assert {"calls": 1, "lag": 0, "draining": 0} == door.refused


def test_one_long_turn_is_no_overload_and_two_are() -> None:
    door = Admission(lag_seconds=0.5)
    door.sampled(2.0)
    assert "" == door.refuses(CALL, 0)
    door.sampled(0.6)
    assert "lag" == door.refuses(CALL, 0)
    door.sampled(0.1)
    assert "" == door.refuses(CALL, 0)


def test_emergency_calls_pass_everything() -> None:
    door = Admission(calls_most=0)
    door.draining = True
    door.sampled(9.0)
    door.sampled(9.0)
    assert ["", "draining"] == [door.refuses(EMERGENCY, 9), door.refuses(CALL, 9)]
    assert "draining" == door.refuses(Refusal(404, "", ""), 0)


def test_retry_after_is_spread_over_as_much_again() -> None:
    def seconds(why: str) -> set[int]:
        return {int(retry_after(why, hash).split(": ")[1]) for hash in range(1000)}

    assert set(range(RETRY_SECONDS, 2 * RETRY_SECONDS)) == seconds("calls") == seconds("lag")
    assert set(range(DRAIN_SECONDS, 2 * DRAIN_SECONDS)) == seconds("draining")
