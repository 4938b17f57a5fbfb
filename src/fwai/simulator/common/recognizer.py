"""Recognises which of the known phrases some audio is, and so whether it is intelligible.

How it works: the audio becomes a picture of its speech, 20 mel-spaced bands from 200 to 3400 Hz
every 16 ms, in decibels above a floor that follows the loudest speech, so that level does not
matter. Windows of 32 ms have the same 31.25 Hz bins at every sample rate: nothing is resampled.
Each phrase's picture is slid along the heard one, and where they overlap the normalised
correlation is the score, lowered by the share of the phrase's sound that is missing there. All
phrases and offsets are tried at once by FFT along time. Speech that was cut off is a shorter
overlap and scores as well as a whole phrase; sound that the phrase does not explain lowers the
score. When no phrase is found that way, the likeliest are tried once more with an offset that may
slip on the way, at a price: playback that ran dry or skipped is still the same speech. Wrong
pitch, speed or byte order change the picture and are refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fwai.simulator.common.clips import STORED_HZ, Clip

Floats = npt.NDArray[np.float64]

THRESHOLD = 0.7
"""Least score of a match. Measured over all phrases: after a telephone line 0.89 and more, when
playback stutters too 0.73 and more; other phrases and broken audio 0.52 and less, speech of which
half is lost 0.67."""

MIN_HEARD_MS = 400
"""Speech shorter than this is not judged."""

MAX_HEARD_MS = 16_000
"""Only this much of a run of audio is looked at, from its first speech on."""

_BANDS = 20
_HOP_MS = 16
_WINDOW_MS = 32
_RANGE_DB = 40.0  # what lies further below the loudest speech is floor
_EDGE_DB = 30.0  # silence at both ends is what lies further below the loudest speech
_SILENCE_RMS = 30.0  # of 32768: nobody hears speech this quiet on a telephone
_SOUND_DB = 15.0  # a phrase's frames this near its loudest must be there ...
_MISSING_DB = 12.0  # ... and are missing when heard this much weaker
_FFT_FRAMES = 2048
_CANDIDATES = 2  # phrases that are tried with slips
_REACH = 16  # frames the offset may slip either way, 256 ms
_SLIP_COST = 6.0  # what a slip costs, in frames of perfect likeness


@dataclass(frozen=True, slots=True)
class Match:
    """A phrase that was recognised.

    Attributes:
        clip: The phrase.
        score: 0 to 1; about 1 when it arrived unharmed.
        heard_ms: How much of the phrase's speech was there; within 100 ms of the clip's
            ``duration_ms`` when it was heard from beginning to end.
        slips: How often the sound jumped in time, because something was left out or put in.
    """

    clip: Clip
    score: float
    heard_ms: int
    slips: int = 0


class _Picture(NamedTuple):
    """Spectrogram of speech, one row per 16 ms.

    Attributes:
        shape: Frames x bands: the spectrum's form, free of level and of the line's colouring.
        level: Loudness of each frame in dB, 0 at the loudest speech.
    """

    shape: Floats
    level: Floats


class _Known(NamedTuple):
    """A phrase and its picture; ``energy`` is that before each frame, so runs are differences."""

    clip: Clip
    picture: _Picture
    energy: Floats


class _Likeness(NamedTuple):
    """How well a phrase explains what was heard when it begins at frame ``offset`` of it."""

    known: _Known
    score: float
    offset: int
    frames: int
    slips: int = 0


def _filters() -> Floats:
    """Triangular filters over the 31.25 Hz bins of a window, one row per band."""
    low, high = (float(1127.0 * np.log1p(hz / 700.0)) for hz in (200.0, 3400.0))
    edges = 700.0 * np.expm1(np.linspace(low, high, _BANDS + 2) / 1127.0)
    hz = np.arange(4000 * _WINDOW_MS // 1000) * (1000.0 / _WINDOW_MS)
    rising = (hz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hz) / (edges[2:] - edges[1:-1])[:, None]
    weights = np.clip(np.minimum(rising, falling), 0.0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


_FILTERS = _filters()


def _look(pcm: bytes, sample_rate: int) -> _Picture | None:
    """Draw the picture of the speech in ``pcm``, from its first to its last; None if silent."""
    window = sample_rate * _WINDOW_MS // 1000
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float64)
    if len(samples) < window:
        return None
    hops = np.lib.stride_tricks.sliding_window_view(samples, window)
    frames = hops[:: sample_rate * _HOP_MS // 1000]
    mean_square = np.square(frames).mean(axis=1)
    loud = float(np.quantile(mean_square, 0.95))
    if mean_square.max() < _SILENCE_RMS**2:
        return None
    loud = max(loud, float(mean_square.max()) / 10)
    speech = np.flatnonzero(mean_square > loud * 10 ** (-_EDGE_DB / 10))
    frames = frames[speech[0] : speech[-1] + 1][: MAX_HEARD_MS // _HOP_MS]
    spectrum = np.fft.rfft(frames * np.hanning(window), axis=1)[:, : _FILTERS.shape[1]]
    bands = (spectrum.real**2 + spectrum.imag**2) @ _FILTERS.T
    floor = float(np.quantile(bands, 0.98)) * 10 ** (-_RANGE_DB / 10)
    decibels = 10.0 * np.log10(np.maximum(bands, max(floor, 1e-9)))
    shape = decibels - decibels.mean(axis=1, keepdims=True)
    total = 10.0 * np.log10(np.maximum(bands.sum(axis=1), 1e-9))
    return _Picture(shape - shape.mean(axis=0), total - float(np.quantile(total, 0.95)))


def _running_energy(shape: Floats) -> Floats:
    """Energy before each frame, so that that of any run is a difference."""
    return np.concatenate([[0.0], np.cumsum(np.square(shape).sum(axis=1))])


class Recognizer:
    """Recognises a set of phrases.

    Args:
        clips: The phrases, all of which must differ.
        threshold: Least score of a match.
    """

    def __init__(self, clips: Iterable[Clip], threshold: float = THRESHOLD) -> None:
        self._threshold = threshold
        self._known: list[_Known] = []
        spectra = []
        for clip in clips:
            picture = _look(clip.pcm(STORED_HZ), STORED_HZ)
            if picture is None:
                raise ValueError(f"clip {clip.name} is silent")
            self._known.append(_Known(clip, picture, _running_energy(picture.shape)))
            spectra.append(np.conj(np.fft.rfft(picture.shape, _FFT_FRAMES, axis=0)))
        self._spectra = np.stack(spectra)

    def identify(self, pcm: bytes, sample_rate: int) -> Match | None:
        """Say which phrase ``pcm`` (s16le mono) is.

        It may begin late, be cut off, and have silence before and after. Audio beyond the first
        16 s of speech is not looked at.

        Returns:
            The best match, or None for silence, noise, unknown or unintelligible speech.
        """
        heard = _look(pcm, sample_rate)
        if heard is None or len(heard.level) * _HOP_MS < MIN_HEARD_MS:
            return None
        found = sorted(self._compare(heard), key=lambda each: each.score, reverse=True)
        best = found[0]
        if best.score < self._threshold:
            tried = [_follow(heard, each) for each in found[:_CANDIDATES]]
            best = max(tried, key=lambda each: each.score)
        if best.score < self._threshold:
            return None
        return Match(best.known.clip, best.score, best.frames * _HOP_MS, best.slips)

    def _compare(self, heard: _Picture) -> Iterable[_Likeness]:
        """Yield every phrase at its best offset."""
        spectrum = np.fft.rfft(heard.shape, _FFT_FRAMES, axis=0)
        products = np.einsum("tb,ctb->ct", spectrum, self._spectra)
        correlations = np.fft.irfft(products, _FFT_FRAMES, axis=1)
        energy = float(np.square(heard.shape).sum())
        length = len(heard.level)
        for known, correlation in zip(self._known, correlations, strict=True):
            frames = len(known.picture.level)
            offsets = np.arange(1 - frames, length)
            begin = np.clip(-offsets, 0, None)
            end = np.clip(length - offsets, None, frames)
            norm = np.sqrt((known.energy[end] - known.energy[begin]) * energy)
            score = correlation[offsets % _FFT_FRAMES] / np.maximum(norm, 1e-9)
            score[(end - begin) * _HOP_MS < MIN_HEARD_MS] = 0.0
            best = int(score.argmax())
            span = slice(int(begin[best]), int(end[best]))
            offset = int(offsets[best])
            present = _present(known.picture.level[span], heard.level[max(0, offset) :])
            value = max(0.0, min(1.0, float(score[best]) * present))
            yield _Likeness(known, value, offset, span.stop - span.start)


def _present(known: Floats, heard: Floats) -> float:
    """Return the share of the phrase's sound that is really there, 0 to 1."""
    sound = known > -_SOUND_DB
    if not sound.any():
        return 0.0
    missing = known[sound] - heard[: len(known)][sound] > _MISSING_DB
    return 1.0 - float(missing.mean())


def _follow(heard: _Picture, likeness: _Likeness) -> _Likeness:
    """Judge a phrase again with an offset that may slip on the way.

    The best path through (frame, offset) is found frame by frame; a slip from the best offset so
    far to any other costs as much as some frames of perfect likeness. Along each path its length,
    its energy and the sound that is missing are added up.
    """
    shape, level = likeness.known.picture
    offsets = likeness.offset + np.arange(-_REACH, _REACH + 1)
    at = np.arange(len(heard.level))[:, None] - offsets
    inside = (at >= 0) & (at < len(level))
    at = np.clip(at, 0, len(level) - 1)
    energy = np.square(shape).sum(axis=1)[at] * inside
    likely = np.take_along_axis(heard.shape @ shape.T, at, axis=1) * inside
    sound = (level[at] > -_SOUND_DB) & inside
    missing = sound & (level[at] - heard.level[:, None] > _MISSING_DB)
    facts = np.stack([energy, inside, sound, missing], axis=-1)
    heard_energy = float(np.square(heard.shape).sum())
    cost = _SLIP_COST * float(np.sqrt(heard_energy / len(at) * np.square(shape).sum() / len(level)))
    value, path = np.zeros(len(offsets)), np.zeros_like(facts[0])
    begun, slipped = offsets.copy(), np.zeros_like(offsets)
    for step, fact in zip(likely, facts, strict=True):
        leader = int(value.argmax())
        slips = value < value[leader] - cost
        value = np.where(slips, value[leader] - cost, value) + step
        path[slips] = path[leader]
        begun[slips], slipped[slips] = begun[leader], slipped[leader] + 1
        path += fact
    best = int(value.argmax())
    energy_sum, inside_sum, sound_sum, missing_sum = path[best]
    frames = int(inside_sum) - int(offsets[best] - begun[best])
    score = float(value[best]) / float(np.sqrt(max(energy_sum, 1e-9) * heard_energy))
    score *= 1.0 - float(missing_sum) / max(float(sound_sum), 1.0)
    if frames * _HOP_MS < MIN_HEARD_MS:
        score = 0.0
    clamped = max(0.0, min(1.0, score))
    return likeness._replace(score=clamped, frames=frames, slips=int(slipped[best]))
