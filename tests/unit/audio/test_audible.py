"""What counts as speech of the agent's."""

import numpy as np
import pytest

from fwai.audio.audible import AudibleSpeech
from fwai.simulator.common.clips import ClipLibrary

RATE = 24_000
CLIPS = ClipLibrary.load()
AGENT = [clip for clip in CLIPS if clip.role == "agent"]


def tone(ms: int, amplitude: float = 8_000.0, hz: float = 440.0) -> bytes:
    at = np.arange(ms * RATE // 1000) / RATE
    return (amplitude * np.sin(2 * np.pi * hz * at)).astype("<i2").tobytes()


def quieter(pcm: bytes, by: int) -> bytes:
    return (np.frombuffer(pcm, "<i2") // by).astype("<i2").tobytes()


@pytest.mark.parametrize("clip", AGENT, ids=lambda clip: clip.name)
@pytest.mark.parametrize("piece", [2, 480, 1_920, 9_600, 100_000])
def test_speech_is_heard_within_its_first_half_second(clip: object, piece: int) -> None:
    judge = AudibleSpeech(RATE)
    pcm = clip.pcm(RATE)  # type: ignore[attr-defined]
    half = pcm[:RATE]
    assert any(judge.add(half[at : at + piece]) for at in range(0, len(half), piece))


@pytest.mark.parametrize(
    "pcm",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(RATE * 2 * 3), id="silence"),
        pytest.param(quieter(CLIPS["greeting"].pcm(RATE), 4_096), id="near-silence"),
        pytest.param(b"\x00\x40" * RATE * 3, id="a constant"),
        pytest.param(tone(3_000), id="a tone"),
        pytest.param(tone(3_000, 32_000, 2_900.0), id="a howl"),
        pytest.param(b"\xff\x7f\x00\x80" * RATE, id="full scale"),
        pytest.param(b"\x00\x40" * 200 + bytes(RATE * 4), id="a click"),
    ],
)
def test_what_is_no_speech(pcm: bytes) -> None:
    judge = AudibleSpeech(RATE)

    assert not any(judge.add(pcm[at : at + 1_920]) for at in range(0, len(pcm), 1_920))
    assert not judge.ended()


def test_a_short_word_is_speech_once_it_is_over() -> None:
    word = CLIPS["fallback"].pcm(RATE)[2_000 : 2_000 + 10 * 960]
    judge = AudibleSpeech(RATE)

    assert not judge.add(word)
    assert judge.ended()


def test_each_reply_is_judged_anew() -> None:
    judge = AudibleSpeech(RATE)
    assert judge.add(CLIPS["greeting"].pcm(RATE))
    judge.reset()

    assert not judge.add(tone(1_000))
