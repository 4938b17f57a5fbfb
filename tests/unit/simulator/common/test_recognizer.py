"""The recognizer judges whether speech "arrived intelligibly".

So its threshold is held from both sides: every phrase must be known after what a telephone line
does to it, and refused after what a bug does to it.
"""

from collections.abc import Callable

import numpy as np
import pytest

from fwai.audio.g711 import pcm_to_ulaw, ulaw_to_pcm
from fwai.audio.resample import Resampler
from fwai.simulator.common.clips import Clip, ClipLibrary
from fwai.simulator.common.recognizer import THRESHOLD, Recognizer

LIBRARY = ClipLibrary.load()
RECOGNIZER = Recognizer(LIBRARY)
Line = Callable[[Clip], tuple[bytes, int]]


def samples(pcm: bytes) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def pcm_of(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bytes:
    return np.clip(values, -32_768, 32_767).astype("<i2").tobytes()


def resampled(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    resampler = Resampler(from_hz, to_hz)
    return resampler.feed(pcm) + resampler.flush()


def phone(clip: Clip) -> bytes:
    return ulaw_to_pcm(pcm_to_ulaw(clip.pcm(8_000)))


def with_loss(pcm: bytes, sample_rate: int, share: float) -> bytes:
    size = sample_rate // 50 * 2
    frames = [pcm[at : at + size] for at in range(0, len(pcm), size)]
    lost = np.random.default_rng(len(pcm)).random(len(frames)) < share
    return b"".join(bytes(len(f)) if gone else f for f, gone in zip(frames, lost, strict=True))


def with_gaps(pcm: bytes, length_ms: int, *where: float) -> bytes:
    for share in sorted(where, reverse=True):
        at = int(len(pcm) * share) // 2 * 2
        pcm = pcm[:at] + bytes(32 * length_ms) + pcm[at:]
    return pcm


def without(pcm: bytes, length_ms: int, where: float) -> bytes:
    at = int(len(pcm) * where) // 2 * 2
    return pcm[:at] + pcm[at + 32 * length_ms :]


def with_noise(pcm: bytes, snr_db: float) -> bytes:
    sound = samples(pcm)
    rms = np.sqrt(np.square(sound).mean()) * 10 ** (-snr_db / 20)
    return pcm_of(sound + np.random.default_rng(1).normal(0, rms, len(sound)))


LINES: dict[str, Line] = {
    "as stored": lambda c: (c.pcm(16_000), 16_000),
    "as the agent sends it": lambda c: (c.pcm(24_000), 24_000),
    "mu-law at 8 kHz": lambda c: (phone(c), 8_000),
    "mu-law brought to 16 kHz": lambda c: (resampled(phone(c), 8_000, 16_000), 16_000),
    "2 % of frames lost": lambda c: (with_loss(phone(c), 8_000, 0.02), 8_000),
    "26 dB softer": lambda c: (pcm_of(samples(phone(c)) * 0.05), 8_000),
    "3 dB louder": lambda c: (pcm_of(samples(phone(c)) * 1.4), 8_000),
    "noise 15 dB below": lambda c: (with_noise(phone(c), 15), 8_000),
    "silence around": lambda c: (bytes(24_000) + phone(c) + bytes(16_000), 8_000),
    "5 ms off the grid": lambda c: (bytes(160) + c.pcm(16_000), 16_000),
    "one 20 ms gap": lambda c: (with_gaps(c.pcm(16_000), 20, 0.5), 16_000),
    "two gaps of 40 ms": lambda c: (with_gaps(c.pcm(16_000), 40, 0.3, 0.7), 16_000),
    "playback dry for 160 ms": lambda c: (with_gaps(c.pcm(16_000), 160, 0.4), 16_000),
    "100 ms left out": lambda c: (without(c.pcm(16_000), 100, 0.5), 16_000),
    "cut off after 0.9 s": lambda c: (c.pcm(16_000)[:28_800], 16_000),
    "0.3 s too late": lambda c: (c.pcm(16_000)[9_600:], 16_000),
    "half a sample at the end": lambda c: (c.pcm(16_000) + b"\0", 16_000),
}

BUGS: dict[str, Line] = {
    "8 kHz taken for 16": lambda c: (c.pcm(8_000), 16_000),
    "16 kHz taken for 8": lambda c: (c.pcm(16_000), 8_000),
    "24 kHz taken for 16": lambda c: (c.pcm(24_000), 16_000),
    "16 kHz taken for 24": lambda c: (c.pcm(16_000), 24_000),
    "bytes swapped": lambda c: (samples_swapped(c.pcm(16_000)), 16_000),
    "bytes swapped at 8 kHz": lambda c: (samples_swapped(c.pcm(8_000)), 8_000),
    "one byte off": lambda c: (c.pcm(16_000)[1:-1], 16_000),
    "mu-law taken for samples": lambda c: (pcm_to_ulaw(c.pcm(16_000)), 16_000),
    "mu-law bits inverted": lambda c: (ulaw_to_pcm(inverted(pcm_to_ulaw(c.pcm(8_000)))), 8_000),
    "backwards": lambda c: (pcm_of(samples(c.pcm(16_000))[::-1]), 16_000),
    "every second frame dropped": lambda c: (every_second(c.pcm(16_000)), 16_000),
    "every frame twice": lambda c: (twice(c.pcm(16_000)), 16_000),
    "half of the frames lost": lambda c: (with_loss(c.pcm(16_000), 16_000, 0.5), 16_000),
    "too soft to hear": lambda c: (pcm_of(samples(c.pcm(16_000)) / 8192), 16_000),
    "noise with its rhythm": lambda c: (rhythm(c.pcm(16_000)), 16_000),
    "only 0.3 s of it": lambda c: (c.pcm(16_000)[:9_600], 16_000),
}


def samples_swapped(pcm: bytes) -> bytes:
    return np.frombuffer(pcm, "<i2").byteswap().tobytes()


def inverted(ulaw: bytes) -> bytes:
    return bytes(byte ^ 0x7F for byte in ulaw)


def every_second(pcm: bytes) -> bytes:
    return b"".join(pcm[at : at + 640] for at in range(0, len(pcm), 1_280))


def twice(pcm: bytes) -> bytes:
    return b"".join(pcm[at : at + 640] * 2 for at in range(0, len(pcm), 640))


def rhythm(pcm: bytes) -> bytes:
    sound = samples(pcm)
    return pcm_of(sound * np.random.default_rng(2).normal(0, 1, len(sound)))


@pytest.mark.parametrize("line", LINES)
def test_every_phrase_is_known_after(line: str) -> None:
    for clip in LIBRARY:
        match = RECOGNIZER.identify(*LINES[line](clip))

        assert match is not None, clip.name
        assert match.clip is clip
        assert match.score > THRESHOLD + 0.02, clip.name


@pytest.mark.parametrize("bug", BUGS)
def test_no_phrase_is_known_after(bug: str) -> None:
    for clip in LIBRARY:
        assert RECOGNIZER.identify(*BUGS[bug](clip)) is None, clip.name


@pytest.mark.parametrize("clip", LIBRARY, ids=lambda clip: clip.name)
def test_an_unknown_phrase_is_not_taken_for_another(clip: Clip) -> None:
    others = Recognizer(other for other in LIBRARY if other is not clip)

    assert others.identify(clip.pcm(16_000), 16_000) is None
    assert others.identify(clip.pcm(16_000)[:28_800], 16_000) is None


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(32_000),
        np.zeros(10),
        np.zeros(0),
        np.random.default_rng(3).normal(0, 3_000, 48_000),
        9_000 * np.sin(np.arange(48_000) * 0.2),
        np.random.default_rng(4).normal(0, 8, 48_000),
    ],
    ids=["silence", "a click's length", "nothing", "noise", "a tone", "line noise"],
)
def test_what_is_no_speech_is_refused(
    sound: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> None:
    assert RECOGNIZER.identify(pcm_of(sound), 16_000) is None


def test_how_much_was_heard_is_measured() -> None:
    clip = LIBRARY["courses_answer"]
    whole = RECOGNIZER.identify(bytes(9_000) + clip.pcm(24_000), 24_000)
    cut = RECOGNIZER.identify(clip.pcm(24_000)[: 48 * 3_000], 24_000)

    assert whole is not None
    assert cut is not None
    assert whole.heard_ms == pytest.approx(clip.duration_ms, abs=100)
    assert cut.heard_ms == pytest.approx(3_000, abs=120)


def test_jumps_in_time_are_counted() -> None:
    clip = LIBRARY["courses_answer"]
    smooth = RECOGNIZER.identify(clip.pcm(16_000), 16_000)
    dry = RECOGNIZER.identify(with_gaps(clip.pcm(16_000), 100, 0.3, 0.6), 16_000)

    assert smooth is not None
    assert smooth.slips == 0
    assert dry is not None
    assert dry.slips == 2
    assert dry.heard_ms == pytest.approx(clip.duration_ms, abs=120)


def test_a_silent_phrase_cannot_be_learnt() -> None:
    silent = Clip("silent", "agent", "en-IN", "", bytes([0xFF]) * 16_000)

    with pytest.raises(ValueError, match="silent"):
        Recognizer([silent])
