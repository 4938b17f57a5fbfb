import numpy as np

from fwai.audio.resample import Resampler
from fwai.faults.line import RATE, Samples
from fwai.faults.words import MODEL_HZ, heard_clips
from fwai.simulator.common.clips import ClipLibrary

CLIPS = ClipLibrary.load()
PAUSE = np.zeros(RATE // 2, np.int16)


def said(name: str, share: float = 1.0) -> Samples:
    resampler = Resampler(MODEL_HZ, RATE)
    pcm = resampler.feed(CLIPS[name].pcm(MODEL_HZ)) + resampler.flush()
    samples: Samples = np.frombuffer(pcm, "<i2")
    return samples[: int(len(samples) * share)]


def test_a_clip_that_was_heard_twice_has_its_words_twice() -> None:
    heard = np.concatenate([PAUSE, said("greeting"), PAUSE, said("greeting"), PAUSE])

    (greeting,) = heard_clips(heard, [CLIPS["greeting"], CLIPS["fallback"]])

    assert greeting.times == greeting.mostly == 2
    assert greeting.words(whole=True)["asha"] == 2


def test_a_clip_that_was_cut_has_the_words_before_the_cut_and_not_all() -> None:
    heard = np.concatenate([said("courses_answer", 0.3), said("fallback")])

    clips = {
        clip.clip.name: clip
        for clip in heard_clips(heard, [CLIPS["courses_answer"], CLIPS["fallback"]])
    }

    assert set(clips) == {"courses_answer", "fallback"}
    assert clips["courses_answer"].times == clips["courses_answer"].mostly == 0
    assert clips["courses_answer"].words(whole=True).total() == 0
    assert clips["courses_answer"].words(whole=False)["three"] == 1
    assert clips["courses_answer"].words(whole=False)["weekend"] == 0
    assert clips["fallback"].words(whole=True)["sorry"] == 1


def test_a_clip_with_a_gap_in_it_is_heard_all_the_same() -> None:
    speech = said("courses_answer")
    half = len(speech) // 2
    heard = np.concatenate([speech[:half], PAUSE, speech[half:]])

    (clip,) = heard_clips(heard, [CLIPS["courses_answer"]])

    assert clip.mostly == 1


def test_nothing_is_found_in_silence_or_in_hours() -> None:
    assert heard_clips(np.zeros(100, np.int16), CLIPS) == []
    assert heard_clips(np.zeros(RATE * 500, np.int16), CLIPS) == []
    assert heard_clips(np.zeros(RATE, np.int16), CLIPS) == []
