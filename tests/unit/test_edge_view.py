"""What is shown of an edge: times as percentiles, several workers as one, and the same as metrics."""

from typing import Any

from tandem.edge.model.times import Times, added, ends_us, percentiles_us, since
from tandem.edge.model.view import joined, worker_view
from tandem.watch.edge_metrics import render


def member(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "state": "up",
        "replies": [10, 0, 1, 0, 0],
        "resources": {"call": {"used": 9, "capacity": 50}},
        "calls": 3,
        **more,
    }


def worker(edge: int, *members: dict[str, Any], **more: Any) -> dict[str, Any]:
    farm = {"name": "farm", "members": list(members)}
    times = {"farm": {"answer": {"sum_us": 3_000, "counts": [0, 0, 4]}}}
    return {
        "edge": edge, "pid": 1, "incarnation": 1_000_000, "counters": {"received_udp": 5, "refused_rate": 1},
        "connections": {"tcp": 2}, "front": {"pools": [farm], "calls": 3, "times": times, "new": 1, "counters": {"requests": 4, "finals": [7, 0, 0, 0, 0]}}, "new": True, **more,
    }  # fmt: skip


def test_percentiles_lie_in_their_bucket() -> None:
    times = Times(0, (0, 10, 0, 30))
    low, high = percentiles_us(times, (0.1, 0.99))
    assert low is not None and high is not None
    assert 80 < low < ends_us(1) and ends_us(2) < high <= ends_us(3)
    assert [None] == percentiles_us(Times(), (0.5,))


def test_times_of_a_span_are_differences_and_a_restart_begins_anew() -> None:
    before, after = Times(10, (1, 2)), Times(40, (1, 5, 1))
    assert Times(30, (0, 3, 1)) == since(before, after)
    assert Times(5, (1,)) == since(after, Times(5, (1,)))
    assert Times(50, (2, 7, 1)) == added((before, after))


def test_workers_are_one_edge() -> None:
    one = worker_view(worker(1, member("fs1"), member("fs2", state="down", answer_ms=4.0)))
    two = worker_view(worker(2, member("fs1"), member("fs2", state="down", answer_ms=6.0)))
    three = worker_view(worker(3, member("fs1", state="grey"), member("fs2", state="down")))
    seen = joined(7, [one, two, three], {"4": "it does not answer"})
    assert (15, 6, 9) == (seen.counters["received_udp"], seen.connections["tcp"], seen.calls)
    fs1, fs2 = seen.pools[0].members
    assert ("up", 9, (30, 0, 3, 0, 0), 9) == (
        fs1.state,
        fs1.calls,
        fs1.replies,
        fs1.resources["call"].used,
    )
    assert ("down", 5.0) == (fs2.state, fs2.answer_ms)
    assert (1, 12) == (seen.pools[0].up, seen.pools[0].times["answer"].count)


def test_metrics_have_members_replies_and_histograms() -> None:
    seen = joined(
        7, [worker_view(worker(1, member("fs1"), member("fs2", state="down")))], {"2": "dead"}
    )
    text = render(seen).decode()
    for line in (
        'tandem_edge_up{edge="1"} 1.0',
        'tandem_edge_up{edge="2"} 0.0',
        'tandem_sip_received_total{edge="1",transport="udp"} 5.0',
        'tandem_proxy_requests_total{edge="1"} 4.0',
        'tandem_proxy_finals_total{class="2xx",edge="1"} 7.0',
        'tandem_pool_members_up{pool="farm"} 1.0',
        'tandem_member_up{member="fs2",pool="farm"} 0.0',
        'tandem_member_replies_total{class="4xx",member="fs1",pool="farm"} 1.0',
        'tandem_pool_answer_seconds_bucket{le="0.000128",pool="farm"} 4.0',
        'tandem_pool_answer_seconds_count{pool="farm"} 4.0',
        'tandem_pool_answer_seconds_sum{pool="farm"} 0.003',
    ):
        assert line in text.split("\n"), line
