"""Whether the agent's audio is speech that can be heard: neither near-silence nor a steady tone."""

import math
from typing import Final

import numpy as np

from fwai.audio.pcm import SAMPLE

FRAME_MS: Final = 20
LEAST_DBFS: Final = -50.0
LEAST_FRAMES: Final = 12
"""Loud frames that are needed: a quarter of a second."""
SHORTEST_FRAMES: Final = 4
"""That are enough for a reply that is over."""
LEAST_VARIATION_DB: Final = 0.7
"""Of the loudness of speech, from frame to frame; a tone or a howl has none."""
MOST_FRAMES: Final = 100

_FULL_SCALE: Final = 32768.0**2
_LEAST: Final = 10 ** (LEAST_DBFS / 10) * _FULL_SCALE


class AudibleSpeech:
    """Judges one reply, s16le mono.

    Args:
        sample_rate: In Hz.

    Attributes:
        heard: It is speech.
    """

    def __init__(self, sample_rate: int) -> None:
        self._size = sample_rate * FRAME_MS // 1000
        self._rest = b""
        self._levels: list[float] = []
        self.heard = False

    def add(self, pcm: bytes) -> bool:
        """Judge more of it; True once it is speech, from then on at no cost."""
        if self.heard:
            return True
        whole = self._rest + pcm
        count = len(whole) // 2 // self._size
        self._rest = whole[count * self._size * 2 :]
        if count:
            samples = np.frombuffer(whole, SAMPLE, count * self._size).astype(np.float32)
            frames = samples.reshape(count, self._size)
            powers = np.einsum("ij,ij->i", frames, frames) / self._size
            self._levels += [10 * math.log10(one) for one in powers if one > _LEAST]
            del self._levels[:-MOST_FRAMES]
        self.heard = len(self._levels) >= LEAST_FRAMES and self._varies()
        return self.heard

    def ended(self) -> bool:
        """Judge it as a whole: nothing follows."""
        self.heard |= len(self._levels) >= SHORTEST_FRAMES and self._varies()
        return self.heard

    def reset(self) -> None:
        """Another reply begins."""
        self._rest = b""
        self._levels.clear()
        self.heard = False

    def _varies(self) -> bool:
        return float(np.std(self._levels)) >= LEAST_VARIATION_DB
