"""Echo cancellation on a leg: how much quieter the echo becomes, what it does to who speaks meanwhile, what it costs. The example `echo`
of crates/tandem-rtp makes the room and measures; nothing here listens.
"""

from statistics import mean

from scenarios.cargo import built
from scenarios.denoise import TURN_NS, run
from scenarios.figure import Figure, middle
from scenarios.machine import Budget

IDS = ("echo_loss_db", "echo_core_percent")


def measure(_: Budget) -> list[Figure]:
    rows = run(built("example", "echo"))
    losses = [r["removed_db"] for r in rows]
    costs = [100 * r["turn_ns"] / TURN_NS for r in rows]
    both = "; ".join(
        f"echo {loss:g} dB below: {mean(r['both_before_db'] for r in chosen):.1f} before,"
        f" {mean(r['both_after_db'] for r in chosen):.1f} after, level {mean(r['both_level_db'] for r in chosen):+.1f}"
        for loss in sorted({r["loss_db"] for r in rows})
        for chosen in ([r for r in rows if r["loss_db"] == loss],)
    )
    return [
        Figure(
            "echo_loss_db",
            min(losses),
            "read speech through G.711, a way of 60, 180 and 400 ms and a room that rings for 0.2 s, the echo 6 and 20 dB below it, at 8 and"
            " 16 kHz: echo before and after, seconds 6 to 12, the other side silent; the least of twelve. While both speak, who is"
            f" cleaned to the rest (SI-SDR, dB): {both}. Who speaks alone: {mean(r['near_db'] for r in rows):.1f} dB to what the filters"
            f" leave without any echo, level {mean(r['near_level_db'] for r in rows):+.1f} dB",
            runs=tuple(losses),
        ),
        Figure(
            "echo_core_percent",
            middle(costs),
            "the same run on the server's core: time of a turn of 20 ms, both directions; one leg, median of all cases",
            runs=tuple(costs),
        ),
    ]
