"""Which words of the agent's clips were heard, and how often: found by their very sound.

A clip is cut into pieces of 200 ms, and each is looked for everywhere in what was heard; so speech
that was cut, stopped for a while, or went over into other speech is told apart.
"""

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from fwai.audio.resample import Resampler
from fwai.faults.line import RATE, Samples
from fwai.simulator.common.clips import Clip

MODEL_HZ: Final = 24_000
LIKE: Final = 0.92  # normalised correlation from which on it is the same sound
MAX_S: Final = 400.0  # of a call; longer ones are not looked through
_THIN: Final = 2
_HZ: Final = RATE // _THIN
_PIECE: Final = _HZ // 5
_APART: Final = _HZ // 10
_EVERY: Final = 2
_QUIET_RMS: Final = 300.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HeardClip:
    """How often each piece of a clip was heard.

    Attributes:
        counts: By piece; None where a piece is too quiet to be found.
    """

    clip: Clip
    counts: tuple[int | None, ...]

    @property
    def times(self) -> int:
        """How often all of it was heard."""
        known = [count for count in self.counts if count is not None]
        return min(known, default=0)

    @property
    def mostly(self) -> int:
        """How often more than half of it was heard."""
        known = sorted(count for count in self.counts if count is not None)
        return known[len(known) // 2] if known else 0

    def words(self, *, whole: bool) -> Counter[str]:
        """Return the words of the times that all was heard, or else all that may have been."""
        found: Counter[str] = Counter()
        step_s = self.clip.duration_ms / 1000 / (len(self.clip.words) + 1)
        for number, word in enumerate(self.clip.words, 1):
            at = int(step_s * number * _HZ / _PIECE)
            near = [c for c in self.counts[max(0, at - 2) : at + 3] if c is not None]
            found[plain(word)] += self.times if whole else max(near, default=0)
        return found


def plain(word: str) -> str:
    """Return a word as it is compared."""
    return word.strip(" .,!?").lower()


def heard_clips(samples: Samples, clips: Iterable[Clip]) -> list[HeardClip]:
    """Look for clips of the agent in what was heard at 8 kHz."""
    if len(samples) > MAX_S * RATE or len(samples) < (_PIECE + 1) * _THIN:
        return []
    heard = [_Spectrum.of(_thin(samples[phase:])) for phase in range(_THIN)]
    found = []
    for clip in clips:
        pieces = _pieces(clip)
        counts = tuple(None if piece is None else _count(piece, heard) for piece in pieces)
        if any(counts):
            found.append(HeardClip(clip, counts))
    return found


@dataclass(frozen=True, slots=True)
class _Spectrum:
    """Something in which pieces are looked for.

    Attributes:
        size: Length of the transform.
        spectrum: The transform.
        energy: Of every stretch as long as a piece, by its beginning.
    """

    size: int
    spectrum: npt.NDArray[np.complex128]
    energy: Floats

    @classmethod
    def of(cls, heard: Floats) -> "_Spectrum":
        size = 1 << int(np.ceil(np.log2(len(heard) + _PIECE)))
        sums = np.concatenate([[0.0], np.cumsum(np.square(heard))])
        energy = np.maximum(sums[_PIECE:] - sums[:-_PIECE], _PIECE * (_QUIET_RMS / 2) ** 2)
        return cls(size, np.fft.rfft(heard, size), energy)

    def places(self, piece: Floats) -> npt.NDArray[np.intp]:
        """Return where a piece is heard."""
        product = np.fft.irfft(self.spectrum * np.conj(np.fft.rfft(piece, self.size)), self.size)
        like = product[: len(self.energy)] / np.sqrt(self.energy * np.square(piece).sum())
        return np.flatnonzero(like > LIKE)


def _count(piece: Floats, heard: Sequence[_Spectrum]) -> int:
    """Return how often a piece is heard; one that begins between two samples is in one of them."""
    places = np.sort(np.concatenate([one.places(piece) for one in heard]))
    return int(1 + (np.diff(places) > _APART).sum()) if len(places) else 0


def _thin(samples: Iterable[int] | Samples) -> Floats:
    """Return every second sample of what was smoothed over two."""
    wave = np.asarray(samples, np.float64)
    wave = wave[: len(wave) // _THIN * _THIN]
    smooth: Floats = wave.reshape(-1, _THIN).mean(axis=1)
    return smooth


@functools.cache
def _pieces(clip: Clip) -> tuple[Floats | None, ...]:
    resampler = Resampler(MODEL_HZ, RATE)
    pcm = resampler.feed(clip.pcm(MODEL_HZ)) + resampler.flush()
    wave = _thin(np.frombuffer(pcm, "<i2"))
    whole = wave[: len(wave) // _PIECE * _PIECE].reshape(-1, _PIECE)
    loud = np.sqrt(np.square(whole).mean(axis=1)) > _QUIET_RMS
    loud[1::_EVERY] = False  # half of them tell enough
    return tuple(piece if is_loud else None for piece, is_loud in zip(whole, loud, strict=True))
