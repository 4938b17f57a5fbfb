"""Silence at the ends of a recording is cut off, and nothing else."""

import numpy as np
import pytest

from fwai.audio.pcm import silence
from fwai.audio.trim import trim_silence

RATE = 24_000


def tone(ms: float, level_dbfs: float = -20.0) -> bytes:
    peak = 32768 * 10 ** (level_dbfs / 20) * 2**0.5
    at = np.arange(round(RATE * ms / 1000)) / RATE
    return (peak * np.sin(2 * np.pi * 440 * at)).astype("<i2").tobytes()


def ms_of(pcm: bytes) -> float:
    return len(pcm) * 1000 / (2 * RATE)


@pytest.mark.parametrize(("before", "after"), [(500, 900), (0, 0), (30, 2000), (1000, 20)])
def test_only_a_little_silence_stays_around_the_sound(before: int, after: int) -> None:
    recording = silence(before, RATE) + tone(300) + silence(after, RATE)

    trimmed = trim_silence(recording, RATE)

    assert ms_of(trimmed) == pytest.approx(300 + min(before, 60) + min(after, 60), abs=10)
    assert trimmed in recording


def test_a_pause_within_stays() -> None:
    spoken = tone(200) + silence(700, RATE) + tone(200)

    assert trim_silence(spoken, RATE) == spoken


@pytest.mark.parametrize(
    "pcm", [b"", b"\1", silence(5, RATE), silence(2000, RATE), tone(2000, -60.0)]
)
def test_of_what_nobody_hears_nothing_is_left(pcm: bytes) -> None:
    assert trim_silence(pcm, RATE) == b""


def test_half_a_sample_is_dropped() -> None:
    assert trim_silence(tone(300) + b"\1", RATE) == tone(300)
