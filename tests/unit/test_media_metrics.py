"""What relays measured, as Prometheus has it."""

from tandem.node.tally import Tally
from tandem.records.model import Quality
from tandem.watch.metrics import render

ROW = {
    "name": "own", "region": "eu", "state": "down", "calls": 2, "milliseconds": 0.4, "kernel": None, "userspace": 3,
}  # fmt: skip


def test_streams_from_phones_are_summed_and_unknown_values_left_out() -> None:
    tally = Tally()
    tally.add(
        [
            Quality("a", "in", 990, 10, 4.0, 60.0, 3.9),
            Quality("b0", "in", 1_000, 0, 30.0),
            Quality("a", "out", 1_000, 500, 90.0, 0.0, 1.0),
            Quality("b0", "in", 0),
        ]
    )
    text = render({}, {"media": tally.plain(), "relays": [ROW]}).decode()
    assert "tandem_media_packets_total 1990.0" in text
    assert "tandem_media_lost_total 10.0" in text
    assert 'tandem_media_mos_bucket{le="3.5"} 0.0' in text
    assert 'tandem_media_mos_bucket{le="4.0"} 1.0' in text
    assert "tandem_media_mos_count 1.0" in text
    assert 'tandem_media_loss_percent_bucket{le="1.0"} 2.0' in text
    assert 'tandem_media_jitter_milliseconds_bucket{le="20.0"} 1.0' in text
    assert "tandem_media_jitter_milliseconds_sum 34.0" in text
    assert "tandem_media_round_trip_milliseconds_count 1.0" in text
    assert 'tandem_relay_up{region="eu",relay="own"} 0.0' in text
    assert 'tandem_relay_userspace{region="eu",relay="own"} 3.0' in text
    assert "tandem_relay_kernel{" not in text
