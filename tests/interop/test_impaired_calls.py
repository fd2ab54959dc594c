"""A call through a bad network beside one through a good one, in one relay: what it measures, and what is still heard."""

import asyncio
import itertools
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from rtp_phone import RtpPhone
from tandem.testing.g711 import PCMA, PCMU
from tandem.testing.impairer import Fate, Impairer, Weather
from tandem.testing.relay import RunningRelay

pytestmark = pytest.mark.slow
BAD = Weather(loss=0.05, jitter_ms=30)
SEED = 5
TALK_SECONDS = 12.0
A, B = 440, 1000
ON_THE_WAY = 8  # datagrams between the impairer and the relay's count
BUSY_JITTER_US = 15_000
CONCEALED = 0.9  # of the windows of a tenth of a second: a lost packet is a fifth of one


def test_the_same_seed_has_the_same_fates_and_another_one_others() -> None:
    def fates(seed: int) -> list[float | None]:
        fate = Fate(BAD, seed)
        return [fate.next() for _ in range(4_000)]

    assert fates(1) == fates(1) != fates(2)
    late = [seconds for seconds in fates(1) if seconds is not None]
    assert 0.045 < 1 - len(late) / 4_000 < 0.055
    differences = [abs(one - other) for one, other in itertools.pairwise(late)]
    assert 0.028 < sum(differences) / len(differences) < 0.032


async def call(relay: RunningRelay, name: str, a: RtpPhone, b: RtpPhone) -> tuple[int, int]:
    """The ports where the relay takes what they say."""
    names = {"call_id": name, "from_tag": "a"}
    wanted = {"codec": {"transcode": ["PCMA"], "mask": ["PCMU"]}}
    ports = []
    for answer in (
        relay.ask("offer", sdp=a.description(), **names, **wanted),
        relay.ask("answer", sdp=b.description(), to_tag="b", **names),
    ):
        assert "ok" == answer["result"], answer
        line = next(line for line in answer["sdp"].splitlines() if line.startswith("m=audio"))
        ports.append(int(line.split()[1]))
    return ports[1], ports[0]


def heard(answer: Any) -> dict[str, Any]:
    """Of what the relay got from a."""
    [one] = [q for q in answer["quality"] if (q["leg"], q["direction"]) == ("a", "in")]
    return dict(one)


async def test_loss_and_jitter_are_measured_lower_the_score_and_are_concealed(
    tmp_path: Path,
) -> None:
    with RunningRelay(tmp_path) as relay:
        async with AsyncExitStack() as stack:
            good, bad = [
                [
                    await stack.enter_async_context(RtpPhone(hz, listens_to=(other,), codec=codec))
                    for hz, other, codec in ((A, B, PCMU), (B, A, PCMA))
                ]
                for _ in range(2)
            ]
            for name, (a, b) in (("good", good), ("bad", bad)):
                to_a, to_b = await call(relay, name, a, b)
                a.aim, b.aim = ("127.0.0.1", to_a), ("127.0.0.1", to_b)
            assert bad[0].aim is not None
            network = await stack.enter_async_context(Impairer(to=bad[0].aim, out=BAD, seed=SEED))
            bad[0].aim = network.address
            await asyncio.sleep(TALK_SECONDS)
            shares = [
                sum(w.has(hz) for _, w in phone.ear.windows[10:]) / len(phone.ear.windows[10:])
                for phone, hz in ((good[1], A), (bad[1], A), (bad[0], B))
            ]
            asked = heard(relay.ask("query", call_id="bad"))
            dropped, passed = network.out.dropped, network.out.passed
            clean, poor = [
                heard(relay.ask("delete", call_id=name, from_tag="a")) for name in ("good", "bad")
            ]
    assert 0 == clean["lost"], clean
    assert abs(dropped - poor["lost"]) <= ON_THE_WAY, (dropped, poor)
    assert abs(passed - poor["packets"]) <= ON_THE_WAY, (passed, poor)
    # a phone in Python on a busy machine adds to both
    assert max(20_000, clean["jitter_us"]) < poor["jitter_us"] < 30_000 + 2 * BUSY_JITTER_US, poor
    assert poor["mos_hundredths"] < clean["mos_hundredths"] - 20, (clean, poor)
    assert abs(asked["mos"] - poor["mos_hundredths"] / 100) < 0.2, (asked, poor)
    assert min(shares) > CONCEALED, shares
