"""Tells which of the known phrases a run of audio is; the judge of "it arrived intelligibly".

How it works: the audio becomes a picture of its speech, 20 mel-spaced bands from 200 to 3400 Hz
every 16 ms, in decibels above a floor that follows the loudest speech, so that level does not
matter. Windows of 32 ms have the same 31.25 Hz bins at every sample rate: nothing is resampled.
Each phrase's picture is slid along the heard one, and where they overlap the normalised
correlation is the score, lowered by the share of the phrase's sound that is missing there. All
phrases and offsets are tried at once by FFT along time. Speech that was cut off is a shorter
overlap and scores as well as a whole phrase; sound that the phrase does not explain lowers the
score. Wrong pitch, speed or byte order change the picture and are refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fwai.simulator.clips import STORED_HZ, Clip

Floats = npt.NDArray[np.float64]

THRESHOLD = 0.7
"""Least score of a match. Calibrated by tests: a telephone line scores 0.84 and more, anything
else 0.6 and less."""

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


@dataclass(frozen=True, slots=True)
class Match:
    """What was heard.

    Attributes:
        clip: The phrase.
        score: 0 to 1; about 1 when it arrived unharmed.
        heard_ms: How much of the phrase's speech was there; within 100 ms of the clip's
            ``duration_ms`` when it was heard from beginning to end.
    """

    clip: Clip
    score: float
    heard_ms: int


class _Picture(NamedTuple):
    """Speech as the recognizer sees it, one row per 16 ms.

    Attributes:
        shape: Frames x bands: the spectrum's form, free of level and of the line's colouring.
        level: Loudness of each frame in dB, 0 at the loudest speech.
    """

    shape: Floats
    level: Floats


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
    """Knows a set of phrases by heart.

    Args:
        clips: The phrases, all of which must differ.
        threshold: Least score of a match.
    """

    def __init__(self, clips: Iterable[Clip], threshold: float = THRESHOLD) -> None:
        self._threshold = threshold
        self._known: list[tuple[Clip, _Picture, Floats]] = []
        spectra = []
        for clip in clips:
            picture = _look(clip.pcm(STORED_HZ), STORED_HZ)
            if picture is None:
                raise ValueError(f"clip {clip.name} is silent")
            self._known.append((clip, picture, _running_energy(picture.shape)))
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
        match = max(self._compare(heard), key=lambda match: match.score)
        return match if match.score >= self._threshold else None

    def _compare(self, heard: _Picture) -> Iterable[Match]:
        """Yield every phrase at its best offset."""
        spectrum = np.fft.rfft(heard.shape, _FFT_FRAMES, axis=0)
        products = np.einsum("tb,ctb->ct", spectrum, self._spectra)
        correlations = np.fft.irfft(products, _FFT_FRAMES, axis=1)
        energy = float(np.square(heard.shape).sum())
        length = len(heard.level)
        for (clip, known, known_energy), correlation in zip(self._known, correlations, strict=True):
            offsets = np.arange(1 - len(known.level), length)
            begin = np.clip(-offsets, 0, None)
            end = np.clip(length - offsets, None, len(known.level))
            norm = np.sqrt((known_energy[end] - known_energy[begin]) * energy)
            score = correlation[offsets % _FFT_FRAMES] / np.maximum(norm, 1e-9)
            score[(end - begin) * _HOP_MS < MIN_HEARD_MS] = 0.0
            best = int(score.argmax())
            span = slice(int(begin[best]), int(end[best]))
            present = _present(known.level[span], heard.level[max(0, int(offsets[best])) :])
            found = max(0.0, min(1.0, float(score[best]) * present))
            yield Match(clip, found, (span.stop - span.start) * _HOP_MS)


def _present(known: Floats, heard: Floats) -> float:
    """Return the share of the phrase's sound that is really there, 0 to 1."""
    sound = known > -_SOUND_DB
    if not sound.any():
        return 0.0
    missing = known[sound] - heard[: len(known)][sound] > _MISSING_DB
    return 1.0 - float(missing.mean())
