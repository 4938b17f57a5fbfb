"""Queue of the agent's speech, cut into 20 ms frames, with marks. PURE.

What does not fill a frame waits for more until `pad` says that no more follows. Marks lie between
samples; they are reached when everything before them has left. It is bounded: what does not fit is
refused, so that what was promised first stays whole; the session paces, so that does not happen.
"""

from collections import deque
from typing import Final

import numpy as np

from fwai.audio.pcm import BYTES_PER_SAMPLE, SAMPLE, duration_ms, samples_in

FRAME_MS: Final = 20
FADE_MS: Final = 5
CAPACITY_MS: Final = 2_000


class SpeechQueue:
    """Queues s16le mono at ``sample_rate`` Hz and returns it in frames."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._frame = BYTES_PER_SAMPLE * samples_in(FRAME_MS, sample_rate)
        self._capacity = BYTES_PER_SAMPLE * samples_in(CAPACITY_MS, sample_rate)
        self._held = bytearray()
        self._taken = 0  # bytes that left, since the start
        self._marks: deque[tuple[int, str]] = deque()
        self._refused = 0
        fade = BYTES_PER_SAMPLE * samples_in(FADE_MS, sample_rate)
        self._fade = np.linspace(1.0, 0.0, fade // BYTES_PER_SAMPLE, endpoint=False)

    @property
    def held_ms(self) -> float:
        """Queued speech in milliseconds."""
        return duration_ms(len(self._held), self._rate)

    @property
    def refused_ms(self) -> float:
        """Speech that did not fit since the start, in milliseconds."""
        return duration_ms(self._refused, self._rate)

    def push(self, pcm: bytes) -> None:
        """Append speech, as far as it fits."""
        room = self._capacity - len(self._held)
        self._refused += max(len(pcm) - room, 0)
        self._held += pcm[:room]

    def pad(self) -> None:
        """Pad the last frame with silence, as no more speech follows for now."""
        self._held += bytes(-len(self._held) % self._frame)

    def mark(self, name: str) -> None:
        """Put a mark after everything queued."""
        self.pad()
        self._marks.append((self._taken + len(self._held), name))

    def clear(self) -> None:
        """Drop queued speech and marks, except 5 ms that fade out."""
        samples = np.frombuffer(bytes(self._held[: 2 * len(self._fade)]), SAMPLE)
        faded = samples * self._fade[: len(samples)]
        self._held = bytearray(faded.astype(SAMPLE).tobytes())
        self._marks.clear()
        self.pad()

    def frame(self) -> bytes | None:
        """Take the next frame, or None when there is no whole one."""
        if len(self._held) < self._frame:
            return None
        pcm = bytes(self._held[: self._frame])
        del self._held[: self._frame]
        self._taken += self._frame
        return pcm

    def reached(self) -> list[str]:
        """Take the marks before which everything was taken."""
        names = []
        while self._marks and self._marks[0][0] <= self._taken:
            names.append(self._marks.popleft()[1])
        return names
