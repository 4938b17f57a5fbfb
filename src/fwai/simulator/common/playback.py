"""Simulates a carrier's playback buffer: what the caller hears, and when.

Theory of operation: audio is played in real time from the moment it arrives, one message after
the other without a gap while there is any. A message therefore has a known place on the call's
time axis as soon as it arrives: it starts where the queue ends, or now when the queue is dry.
Nothing has to run for time to pass; ``advance(now)`` hands out what was played up to ``now``.
A checkpoint is due where the queue ended when it arrived. ``clear`` forgets everything that
starts after ``now``, checkpoints included. No clock is read: every method is told the time.
"""

from collections import deque
from dataclasses import dataclass, field

LIMIT_S = 40.0
"""Speech that a carrier holds, as Plivo does; more than that is refused."""

GAP_MIN_MS = 20.0
GAP_MAX_MS = 400.0
"""A buffer that ran dry for longer than this was a pause between two replies, not a gap."""

MAX_CHECKPOINTS = 1000
BYTES_PER_SAMPLE = 2


@dataclass(frozen=True, slots=True)
class Piece:
    """Audio that was played.

    Attributes:
        start: Its first sample's place on the time axis, in samples.
        pcm: s16le mono.
    """

    start: int
    pcm: bytes

    @property
    def end(self) -> int:
        """The place right after the last sample."""
        return self.start + len(self.pcm) // BYTES_PER_SAMPLE


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which the buffer was empty inside a reply.

    Attributes:
        at_ms: When, on the time axis.
        length_ms: For how long the caller heard nothing.
    """

    at_ms: float
    length_ms: float


@dataclass(slots=True)
class Played:
    """Audio and checkpoints that were played between two moments.

    Attributes:
        pieces: Audio, in order, without overlap.
        reached: Names of the checkpoints that were passed.
    """

    pieces: list[Piece] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)


class PlaybackBuffer:
    """Holds speech that was accepted and is not heard yet, at most ``limit_s`` seconds."""

    def __init__(self, sample_rate: int, limit_s: float = LIMIT_S) -> None:
        self.sample_rate = sample_rate
        self._limit = int(limit_s * sample_rate)
        self._queue: deque[Piece] = deque()
        self._tail = 0
        self._started = False
        self._checkpoints: deque[tuple[int, str]] = deque()

    def _place(self, now_s: float) -> int:
        return round(now_s * self.sample_rate)

    def _ms(self, samples: int) -> float:
        return samples * 1000 / self.sample_rate

    def queued_ms(self, now_s: float) -> float:
        """Return how much speech is still to be heard."""
        return self._ms(max(0, self._tail - self._place(now_s)))

    def push(self, pcm: bytes, now_s: float) -> tuple[bool, Gap | None]:
        """Accept a message's audio.

        Returns:
            Whether it fitted (if not, all of it was refused), and the gap it ended, if any.
        """
        now = self._place(now_s)
        start = max(now, self._tail)
        samples = len(pcm) // BYTES_PER_SAMPLE
        if start + samples - now > self._limit:
            return False, None
        gap: Gap | None = None
        dry_ms = self._ms(start - self._tail)
        if self._started and GAP_MIN_MS < dry_ms <= GAP_MAX_MS:
            gap = Gap(self._ms(self._tail), dry_ms)
        self._queue.append(Piece(start, pcm))
        self._tail = start + samples
        self._started = True
        return True, gap

    def checkpoint(self, name: str, now_s: float) -> bool:
        """Note a checkpoint behind everything accepted so far; False when there are too many."""
        if len(self._checkpoints) >= MAX_CHECKPOINTS:
            return False
        self._checkpoints.append((max(self._tail, self._place(now_s)), name))
        return True

    def clear(self, now_s: float) -> float:
        """Forget what was not heard by ``now_s``, checkpoints too; return its length in ms."""
        now = self._place(now_s)
        unheard_ms = self.queued_ms(now_s)
        kept: deque[Piece] = deque()
        for piece in self._queue:
            if piece.start >= now:
                break
            kept.append(Piece(piece.start, piece.pcm[: (now - piece.start) * BYTES_PER_SAMPLE]))
        self._queue = kept
        self._checkpoints = deque(mark for mark in self._checkpoints if mark[0] <= now)
        self._tail = min(self._tail, now)
        self._started = False
        return unheard_ms

    def advance(self, now_s: float) -> Played:
        """Return what was played since the last call."""
        now = self._place(now_s)
        played = Played()
        while self._queue and self._queue[0].start < now:
            piece = self._queue.popleft()
            cut = (now - piece.start) * BYTES_PER_SAMPLE
            played.pieces.append(Piece(piece.start, piece.pcm[:cut]))
            if cut < len(piece.pcm):
                self._queue.appendleft(Piece(now, piece.pcm[cut:]))
        while self._checkpoints and self._checkpoints[0][0] <= now:
            played.reached.append(self._checkpoints.popleft()[1])
        return played
