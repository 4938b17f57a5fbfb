import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.gemini.endpointing import (
    MAX_UTTERANCE_MS,
    Endpointer,
    SpeechEnded,
    SpeechEvent,
    SpeechStarted,
    VadSettings,
)

RATE = 16_000
CLIPS = ClipLibrary.load()


def hum(length_ms: int, rms: float = 3_000.0) -> bytes:
    sound = np.random.default_rng(length_ms).normal(0, rms, RATE * length_ms // 1000)
    return np.clip(sound, -32_768, 32_767).astype("<i2").tobytes()


def hush(length_ms: int) -> bytes:
    return bytes(RATE * length_ms // 1000 * 2)


def kinds(events: list[SpeechEvent]) -> list[type[SpeechEvent]]:
    return [type(event) for event in events]


def test_an_utterance_starts_and_ends() -> None:
    ear = Endpointer(VadSettings(silence_duration_ms=300))

    started, ended = ear.feed(hush(500) + hum(400) + hush(500), RATE)

    assert isinstance(started, SpeechStarted)
    assert isinstance(ended, SpeechEnded)
    assert len(ended.pcm) / 32 == pytest.approx(300 + 400 + 300, abs=40)
    assert not ear.speaking
    assert ear.heard_ms == 1_400


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)
def test_no_phrase_is_cut_in_two_by_a_short_silence_setting(clip: object) -> None:
    name = str(getattr(clip, "name", ""))
    ear = Endpointer(VadSettings(silence_duration_ms=300))

    events = ear.feed(CLIPS[name].pcm(RATE) + hush(400), RATE)

    assert kinds(events) == [SpeechStarted, SpeechEnded]


def test_speech_does_not_end_while_no_samples_come() -> None:
    ear = Endpointer(VadSettings())

    assert kinds(ear.feed(hum(400), RATE)) == [SpeechStarted]
    assert ear.feed(b"", RATE) == []
    assert ear.speaking


def test_the_end_of_the_stream_ends_speech() -> None:
    ear = Endpointer(VadSettings())
    ear.feed(hum(400), RATE)

    assert kinds(ear.stop()) == [SpeechEnded]
    assert ear.stop() == []


def test_a_click_is_no_speech_when_padding_is_asked_for() -> None:
    ear = Endpointer(VadSettings(prefix_padding_ms=200))

    assert ear.feed(hum(100) + hush(400), RATE) == []
    assert kinds(ear.feed(hum(300), RATE)) == [SpeechStarted]


def test_sensitivity_decides_about_soft_speech() -> None:
    soft = hum(400, rms=220.0)

    assert Endpointer(VadSettings()).feed(soft, RATE) == []
    assert Endpointer(VadSettings(start_high=True)).feed(soft, RATE) != []


def test_low_end_sensitivity_keeps_a_fading_voice() -> None:
    fading = hum(400) + hum(800, rms=200.0)

    assert Endpointer(VadSettings()).feed(fading, RATE)[-1:] != []
    assert kinds(Endpointer(VadSettings()).feed(fading, RATE)) == [SpeechStarted, SpeechEnded]
    assert kinds(Endpointer(VadSettings(end_low=True)).feed(fading, RATE)) == [SpeechStarted]


def test_steady_noise_is_no_speech_after_a_while() -> None:
    """A noisy line raises what counts as loud."""
    ear = Endpointer(VadSettings())
    ear.feed(hum(3_000, rms=280.0), RATE)

    assert ear.feed(hum(1_000, rms=500.0), RATE) == []
    assert kinds(ear.feed(hum(400), RATE)) == [SpeechStarted]


def test_the_client_brackets_speech_when_detection_is_off() -> None:
    ear = Endpointer(VadSettings(disabled=True))

    assert ear.feed(hum(400), RATE) == []
    assert kinds(ear.start()) == [SpeechStarted]
    assert ear.start() == []
    assert ear.feed(hum(200) + hush(2_000), RATE) == []
    (ended,) = ear.stop()
    assert isinstance(ended, SpeechEnded)
    assert len(ended.pcm) == 2_200 * 32


def test_an_endless_utterance_is_bounded() -> None:
    ear = Endpointer(VadSettings())
    ear.feed(hum(MAX_UTTERANCE_MS + 2_000), RATE)

    (ended,) = ear.stop()

    assert isinstance(ended, SpeechEnded)
    assert len(ended.pcm) <= (MAX_UTTERANCE_MS + 20) * 32


def test_a_change_of_rate_starts_afresh() -> None:
    ear = Endpointer(VadSettings())
    ear.feed(hush(30), RATE)
    ear.feed(hum(400), 8_000)

    (ended,) = ear.stop()

    assert isinstance(ended, SpeechEnded)
    assert ended.sample_rate == 8_000


@given(st.lists(st.integers(1, 4_000), max_size=20))
def test_how_audio_is_cut_does_not_matter(cuts: list[int]) -> None:
    sound = hush(300) + hum(300) + hush(700) + hum(200) + hush(600)
    whole = Endpointer(VadSettings()).feed(sound, RATE)
    ear, pieces, at = Endpointer(VadSettings()), list[SpeechEvent](), 0

    for cut in [*cuts, len(sound)]:
        pieces += ear.feed(sound[at : at + cut * 2], RATE)
        at += cut * 2

    assert kinds(pieces) == kinds(whole)
    assert [e.pcm for e in pieces if isinstance(e, SpeechEnded)] == [
        e.pcm for e in whole if isinstance(e, SpeechEnded)
    ]
