"""Sentences without words, each with a sound of its own that can be told apart in what was heard.

Two tones in turn, with pauses as between syllables: neither speech nor a steady tone.
"""

import functools
from typing import Final

import numpy as np

from fwai.domain.sentence import Sentence, SpokenSentence

HZ: Final = 24_000
FIRST_HZ: Final = 700
STEP_HZ: Final = 200
_SYLLABLE_S: Final = 0.16
_PAUSE_S: Final = 0.08
_SYLLABLES: Final = 6
_LEVEL: Final = 8_000


def pitch(sentence: Sentence) -> int:
    """Return the lower of a sentence's two tones, in Hz; the other is 100 Hz higher."""
    return FIRST_HZ + STEP_HZ * list(Sentence).index(sentence)


@functools.cache
def spoken(sentence: Sentence) -> SpokenSentence:
    """Return a sentence's sound, 1.4 s."""
    at = np.arange(int(HZ * _SYLLABLE_S)) / HZ
    pause = np.zeros(int(HZ * _PAUSE_S))
    low = pitch(sentence)
    tones = [_LEVEL * np.sin(2 * np.pi * hz * at) for hz in (low, low + STEP_HZ // 2)]
    parts = [part for n in range(_SYLLABLES) for part in (pause, tones[n % 2])]
    pcm = np.concatenate([*parts, pause]).astype("<i2").tobytes()
    return SpokenSentence(f"[{sentence.value}]", pcm)


class LabSentences:
    """Implements ``Sentences``."""

    def of(self, agent: str, sentence: Sentence) -> SpokenSentence:  # noqa: ARG002
        """Return a sentence; every agent has the same."""
        return spoken(sentence)
