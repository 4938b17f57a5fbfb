import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwai.audio import g711
from fwai.audio.speech import SpeechDetector

RATE = 8000
FRAME = RATE // 50

Floats = npt.NDArray[np.float64]


def noise(ms: int, dbfs: float, seed: int = 1) -> Floats:
    count = ms * RATE // 1000
    return np.random.default_rng(seed).normal(0, 32768 * 10 ** (dbfs / 20), count)


def voice(ms: int, dbfs: float) -> Floats:
    """A buzz of 120 Hz whose loudness follows four syllables a second, with gaps between them."""
    at_s = np.arange(ms * RATE // 1000) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * at_s + k * k) / k for k in range(1, 20))
    shaped = buzz * np.maximum(0, np.sin(2 * np.pi * 4 * at_s))
    return np.asarray(shaped * 32768 * 10 ** (dbfs / 20) / np.sqrt((shaped**2).mean()))


def to_pcm(*parts: Floats) -> bytes:
    return np.clip(np.rint(np.concatenate(parts)), -32768, 32767).astype("<i2").tobytes()


def listen(detector: SpeechDetector, pcm: bytes, run_bytes: int = 2 * FRAME) -> list[bool]:
    return [detector.feed(pcm[at : at + run_bytes]) for at in range(0, len(pcm), run_bytes)]


def test_digital_silence_is_silent() -> None:
    detector = SpeechDetector(RATE)

    assert not any(listen(detector, g711.ulaw_to_pcm(b"\xff" * RATE)))
    assert detector.last_start_ms is None
    assert detector.last_end_ms is None
    assert not detector.speaking


@pytest.mark.parametrize("dbfs", [-70, -60, -55, -50])
def test_line_noise_is_silent(dbfs: float) -> None:
    detector = SpeechDetector(RATE)
    pcm = g711.ulaw_to_pcm(g711.pcm_to_ulaw(to_pcm(noise(10_000, dbfs))))

    assert not any(listen(detector, pcm))


@pytest.mark.parametrize("dbfs", [-35, -25, -15, -10])
@pytest.mark.parametrize("background_dbfs", [-100, -60])
def test_speech_is_heard_from_the_first_syllable_on(dbfs: float, background_dbfs: float) -> None:
    detector = SpeechDetector(RATE)
    speech = voice(8000, dbfs) + noise(8000, background_dbfs)

    heard = listen(detector, to_pcm(speech))

    per_second = np.array(heard).reshape(8, 50).sum(axis=1)
    assert per_second.min() >= 12  # half of the time is gaps
    assert detector.last_start_ms is not None
    assert detector.last_start_ms <= 40


def test_start_and_end_are_told_in_stream_time() -> None:
    detector = SpeechDetector(RATE)
    quiet = noise(500, -60)
    listen(detector, to_pcm(quiet, noise(600, -30), quiet))

    assert detector.last_start_ms == 500
    assert detector.last_end_ms == 1100
    assert detector.stream_ms == 1600
    assert not detector.speaking


def test_a_pause_shorter_than_the_hangover_belongs_to_speech() -> None:
    detector = SpeechDetector(RATE, hangover_ms=240)
    loud, pause = noise(200, -30), noise(200, -60)
    heard = listen(detector, to_pcm(loud, pause, loud))

    assert heard == [False, *[True] * 9, *[False] * 10, *[True] * 10]
    assert detector.last_start_ms == 0
    assert detector.speaking


def test_speech_ends_after_the_hangover() -> None:
    detector = SpeechDetector(RATE, hangover_ms=240)
    listen(detector, to_pcm(noise(200, -30), noise(220, -60)))
    still_speaking = detector.speaking
    listen(detector, to_pcm(noise(20, -60)))

    assert (still_speaking, detector.speaking) == (True, False)
    assert detector.last_end_ms == 200


def test_a_click_is_not_speech() -> None:
    detector = SpeechDetector(RATE)
    heard = listen(detector, to_pcm(noise(100, -60), noise(20, -10), noise(100, -60)))

    assert not any(heard)
    assert detector.last_start_ms is None


def test_steady_noise_becomes_the_floor_and_speech_still_stands_out() -> None:
    """A loud street: after 5 s it is no longer taken for speech, but the caller is."""
    detector = SpeechDetector(RATE)
    listen(detector, to_pcm(noise(2000, -70), noise(5200, -40)))

    assert not any(listen(detector, to_pcm(noise(5000, -40, seed=2))))
    assert any(listen(detector, to_pcm(voice(500, -22) + noise(500, -40, seed=3))))


def test_the_floor_falls_at_once() -> None:
    detector = SpeechDetector(RATE)
    listen(detector, to_pcm(noise(6000, -38)))

    assert not any(listen(detector, to_pcm(noise(40, -65))))
    assert any(listen(detector, to_pcm(noise(100, -35))))


def test_very_loud_sound_never_becomes_the_floor() -> None:
    detector = SpeechDetector(RATE)

    assert all(listen(detector, to_pcm(noise(15_000, -15)))[1:])


PCM = to_pcm(noise(300, -60), voice(700, -25), noise(400, -60))


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, len(PCM) // 2), max_size=30))
def test_the_verdict_does_not_depend_on_how_the_stream_arrives(cuts: list[int]) -> None:
    regular, cut = SpeechDetector(RATE), SpeechDetector(RATE)
    expected = any(listen(regular, PCM))
    ends = [0, *sorted(cuts), len(PCM) // 2]

    heard = [cut.feed(PCM[2 * start : 2 * end]) for start, end in itertools.pairwise(ends)]

    assert any(heard) == expected
    assert cut.last_start_ms == regular.last_start_ms
    assert cut.last_end_ms == regular.last_end_ms
    assert cut.stream_ms == regular.stream_ms


@pytest.mark.parametrize("sample_rate", [8000, 16000, 24000, 48000])
def test_every_rate_uses_the_same_levels(sample_rate: int) -> None:
    rng = np.random.default_rng(4)
    loud = to_pcm(rng.normal(0, 32768 * 10 ** (-35 / 20), sample_rate))
    quiet = to_pcm(rng.normal(0, 32768 * 10 ** (-55 / 20), sample_rate))
    detector = SpeechDetector(sample_rate)

    assert not detector.feed(quiet)
    assert detector.feed(loud)
    assert detector.last_start_ms == 1000
    assert detector.last_end_ms == 2000


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="element size"):
        SpeechDetector(RATE).feed(b"\0\0\0")
