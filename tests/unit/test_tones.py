"""A tone is found where it is, and not where it is not."""

import random

from tandem.testing.tones import AMPLITUDE, measure, tone


def test_a_tone_is_found_and_the_other_one_is_not() -> None:
    window = measure(tone(440, 8000, 123, 800), 8000, (440, 1000))
    assert window.has(440)
    assert not window.has(1000)
    assert 0.95 < window.shares[440]
    assert 0.05 > window.shares[1000]


def test_silence_and_noise_have_no_tone() -> None:
    dice = random.Random(7)
    noise = b"".join(
        dice.randint(-AMPLITUDE, AMPLITUDE).to_bytes(2, "little", signed=True) for _ in range(800)
    )
    for pcm in (bytes(1600), noise, b""):
        window = measure(pcm, 8000, (440, 1000))
        assert not window.has(440)
        assert not window.has(1000)


def test_pieces_of_a_tone_join_without_a_click() -> None:
    assert tone(440, 8000, 0, 320) == tone(440, 8000, 0, 160) + tone(440, 8000, 160, 160)
