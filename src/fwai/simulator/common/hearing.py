"""Cuts what the caller heard into utterances, by energy.

Theory of operation: audio comes as pieces with a place on the time axis, in order, with holes
where nothing was played. It is looked at in 10 ms windows; a window louder than the threshold is
audible. An utterance begins with the first audible window and ends with the last one before
``silence_ms`` of quiet. Holes count as quiet. No clock is read: ``advance`` is told the time.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fwai.simulator.common.playback import BYTES_PER_SAMPLE, Piece

SILENCE_MS = 400.0
WINDOW_MS = 10
THRESHOLD_RMS = 200.0
"""About -44 dB below full scale: far above line noise, far below speech."""

MAX_UTTERANCE_S = 60.0
"""Audio kept of one utterance; its times go on being measured."""


def audible_windows(pcm: bytes, window: int) -> npt.NDArray[np.bool_]:
    """Tell of each whole window of ``window`` samples whether it is audible."""
    samples = np.frombuffer(pcm, dtype="<i2")
    whole = len(samples) // window * window
    windows = samples[:whole].reshape(-1, window).astype(np.float32)
    loud: npt.NDArray[np.bool_] = np.square(windows).mean(axis=1) > THRESHOLD_RMS**2
    return loud


def audible_span_ms(pcm: bytes, sample_rate: int) -> tuple[float, float]:
    """Return where speech begins and ends within ``pcm``, in ms; ``(0, 0)`` when there is none."""
    window = sample_rate * WINDOW_MS // 1000
    loud = np.flatnonzero(audible_windows(pcm, window))
    if not len(loud):
        return 0.0, 0.0
    return float(loud[0] * WINDOW_MS), float((loud[-1] + 1) * WINDOW_MS)


@dataclass(slots=True)
class Utterance:
    """An utterance that the caller heard.

    Attributes:
        start_ms: When the first sound was heard, on the time axis.
        end_ms: When the last sound so far was heard.
        sample_rate: Hz of ``pcm``.
        pcm: What was heard from ``start_ms`` on, holes filled with silence.
        over: Whether it has ended.
        unheard_ms: Speech that was dropped behind it, when it ended by that.
    """

    start_ms: float
    end_ms: float
    sample_rate: int
    pcm: bytearray = field(default_factory=bytearray, repr=False)
    over: bool = False
    unheard_ms: float = 0.0


class Segmenter:
    """Finds utterances in heard audio; ``current`` is the one that is going on, if any."""

    def __init__(self, sample_rate: int, silence_ms: float = SILENCE_MS) -> None:
        self.current: Utterance | None = None
        self._rate = sample_rate
        self._silence_ms = silence_ms
        self._window = sample_rate * WINDOW_MS // 1000
        self._limit = int(MAX_UTTERANCE_S * sample_rate) * BYTES_PER_SAMPLE
        self._rest = b""
        self._next = 0

    def _ms(self, place: int) -> float:
        return place * 1000 / self._rate

    def feed(self, piece: Piece) -> list[Utterance]:
        """Hear one piece; return the utterances that had ended before it."""
        ended: list[Utterance] = []
        if piece.start != self._next + len(self._rest) // BYTES_PER_SAMPLE:
            self._rest = b""
            self._next = piece.start
            ended += self.advance(self._ms(piece.start))
        pcm = self._rest + piece.pcm
        loud = audible_windows(pcm, self._window)
        size = self._window * BYTES_PER_SAMPLE
        for index, audible in enumerate(loud.tolist()):
            ended += self._hear(pcm[index * size : (index + 1) * size], audible)
        self._rest = pcm[len(loud) * size :]
        return ended

    def _hear(self, window: bytes, audible: bool) -> list[Utterance]:
        start = self._next
        self._next = start + self._window
        ended = self.advance(self._ms(start)) if not audible else []
        if audible:
            if self.current is None:
                self.current = Utterance(self._ms(start), self._ms(start), self._rate)
            self.current.end_ms = self._ms(self._next)
        if self.current is not None:
            self._keep(self.current, start, window)
        return ended

    def _keep(self, utterance: Utterance, start: int, window: bytes) -> None:
        """Add a window at its place; what lies between was silence."""
        offset = (start - round(utterance.start_ms * self._rate / 1000)) * BYTES_PER_SAMPLE
        if offset + len(window) > self._limit:
            return
        utterance.pcm += bytes(max(0, offset - len(utterance.pcm))) + window

    def advance(self, now_ms: float) -> list[Utterance]:
        """Let time pass; return the utterance that has ended by it, if any."""
        if self.current is None or now_ms - self.current.end_ms < self._silence_ms:
            return []
        return self.finish()

    def finish(self, unheard_ms: float = 0.0) -> list[Utterance]:
        """End the utterance that is going on, because the rest of it will never be heard."""
        ended, self.current = self.current, None
        if ended is None:
            return []
        heard = round((ended.end_ms - ended.start_ms) * self._rate / 1000) * BYTES_PER_SAMPLE
        del ended.pcm[heard:]
        ended.over = True
        ended.unheard_ms = unheard_ms
        return [ended]
