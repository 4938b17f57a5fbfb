import numpy as np
import pytest

from fwai.audio.resample import Resampler
from fwai.domain.sentence import Sentence
from fwai.faults.hearing import MODEL, runs
from fwai.faults.line import RATE, Samples
from fwai.faults.sentences import HZ, LabSentences
from fwai.simulator.common.clips import ClipLibrary

CLIPS = ClipLibrary.load()
SECOND = np.zeros(RATE, np.int16)


def on_the_line(sentence: Sentence) -> Samples:
    resampler = Resampler(HZ, RATE)
    pcm = resampler.feed(LabSentences().of("asha", sentence).pcm) + resampler.flush()
    return np.frombuffer(pcm, "<i2")


def speech(name: str) -> Samples:
    return np.frombuffer(CLIPS[name].pcm(RATE), "<i2")


@pytest.mark.parametrize("sentence", Sentence)
def test_every_sentence_is_told_from_the_others_and_from_speech(sentence: Sentence) -> None:
    heard = runs(np.concatenate([SECOND, on_the_line(sentence), SECOND, speech("ai_answer")]))

    assert [run.what for run in heard] == [sentence.value, MODEL]
    assert heard[0].begin == pytest.approx(1.08, abs=0.05)


@pytest.mark.parametrize("clip", [clip.name for clip in CLIPS.by_role("agent")])
def test_speech_is_one_run_of_the_model(clip: str) -> None:
    heard = runs(np.concatenate([SECOND, speech(clip), SECOND]))

    assert {run.what for run in heard} == {MODEL}
    assert heard[-1].end - heard[0].begin == pytest.approx(CLIPS[clip].duration_ms / 1000, abs=0.2)


def test_what_is_too_quiet_or_a_steady_tone_is_silence() -> None:
    at = np.arange(RATE * 3) / RATE
    tone = (6_000 * np.sin(2 * np.pi * 440 * at)).astype(np.int16)
    quiet = (speech("greeting") // 8192).astype(np.int16)

    assert [run for run in runs(tone) if run.end - run.begin > 0.1] == []
    assert runs(quiet) == []
    assert runs(np.zeros(0, np.int16)) == []
