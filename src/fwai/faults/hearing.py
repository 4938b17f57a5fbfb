"""What the caller heard: runs of sound, each the model's speech or one of the local sentences.

Sound is what a caller takes for somebody: louder than -50 dBFS and no steady tone.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from fwai.domain.sentence import Sentence
from fwai.faults.line import RATE, Samples
from fwai.faults.sentences import STEP_HZ, pitch

MODEL: Final = "model"
FRAME_S: Final = 0.02
_FRAME: Final = int(RATE * FRAME_S)
_SILENCE_RMS: Final = 32768 * 10 ** (-50 / 20)
_STEADY_FRAMES: Final = 20  # 400 ms of unchanged level is a tone: speech has syllables
_STEADY_SHARE: Final = 0.02
_PURE: Final = 0.7  # share of a frame's energy in the bins around its peak
_PAUSE_S: Final = 0.26  # within a phrase

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Run:
    """A run of sound, in seconds of the call.

    Attributes:
        what: ``model``, or the name of a local sentence.
    """

    begin: float
    end: float
    what: str


def runs(samples: Samples) -> list[Run]:
    """Return the runs of sound in what was heard at 8 kHz; pauses within a phrase are in them."""
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float64)
    level = np.sqrt(np.square(frames).mean(axis=1)) if len(frames) else np.zeros(0)
    audible = (level > _SILENCE_RMS) & ~_steady(level)
    found: list[Run] = []
    for first, last in _stretches(audible):
        what = _what(frames[first:last])
        begin, end = first * FRAME_S, last * FRAME_S
        if found and found[-1].what == what and begin - found[-1].end <= _PAUSE_S:
            found[-1] = Run(found[-1].begin, end, what)
        else:
            found.append(Run(begin, end, what))
    return found


def _steady(level: Floats) -> npt.NDArray[np.bool_]:
    """Say of each frame whether it is within a stretch of unchanged level."""
    steady = np.zeros(len(level), np.bool_)
    if len(level) < _STEADY_FRAMES:
        return steady
    windows = np.lib.stride_tricks.sliding_window_view(level, _STEADY_FRAMES)
    mean = windows.mean(axis=1)
    for at in np.flatnonzero((windows.std(axis=1) < _STEADY_SHARE * mean) & (mean > _SILENCE_RMS)):
        steady[at : at + _STEADY_FRAMES] = True
    return steady


def _stretches(audible: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], audible, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _what(frames: Floats) -> str:
    """Say what a stretch of frames is by its tones."""
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(_FRAME), axis=1)))
    power[:, 0] = 0.0
    peak = power.argmax(axis=1)
    bins = (peak[:, None] + np.array([-1, 0, 1])) % power.shape[1]
    around = np.take_along_axis(power, bins, axis=1).sum(axis=1)
    pure = around > _PURE * power.sum(axis=1)
    hz = peak * RATE / _FRAME
    for sentence in Sentence:
        low = pitch(sentence)
        fits = pure & (np.abs(hz - low - STEP_HZ / 4) <= STEP_HZ / 4)
        if fits.mean() > 0.6:
            return sentence.value
    return MODEL
