"""Playout buffer: paces the agent's speech ahead of the caller's ear, and tracks what was heard.

Theory of operation. The model speaks faster than real time, and what the carrier already holds can
be taken back only by asking it; so speech is held here and handed on a short *lead* ahead of the
caller's ear. The carrier is assumed to play what it gets at once and without gap: a *run* is speech
sent so that it plays contiguously, and ``heard_until`` is the instant at which it will be over.
  - Nothing is playing: send at once what there is, up to the lead. A new run starts.
  - Playing: wait until a chunk fits below the lead, then fill up to the lead (few, large messages).
    Less than a chunk waits for more of its turn, until less than a chunk is ahead of the caller.
A run that starts although the turn had begun and not ended means that the caller heard a gap: an
underrun. Everything is counted in samples from the run's start, so no rounding adds up.
"""

import math

from fwai.audio.pcm import BYTES_PER_SAMPLE, duration_ms, samples_in

# Far below a sample, far above the rounding of an instant: keeps a full chunk from losing one.
_ROUNDING_SAMPLES = 1e-3


class PlayoutBuffer:
    """Paces s16le mono; ``now`` is any monotonic clock in seconds and must not go back.

    ``lead_ms`` is the most that is ahead at the carrier, ``chunk_ms`` the usual least of a message
    while playing, and ``capacity_ms`` the most that is held here; each to the nearest sample.

    Attributes:
        underruns: Runs that started because the carrier ran dry in the middle of a turn.

    Raises:
        ValueError: Not 0 < chunk <= lead, in whole samples.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        lead_ms: float = 200.0,
        chunk_ms: float = 80.0,
        capacity_ms: float = 120_000.0,
    ) -> None:
        self._rate = sample_rate
        self._lead = samples_in(lead_ms, sample_rate)
        self._chunk = samples_in(chunk_ms, sample_rate)
        self._capacity_bytes = samples_in(capacity_ms, sample_rate) * BYTES_PER_SAMPLE
        if not 0 < self._chunk <= self._lead:
            raise ValueError(f"need 0 < chunk_ms <= lead_ms, not {chunk_ms} and {lead_ms}")
        # What must be ahead at most for a message to go out: a whole chunk, or less than that.
        self._low_s = (self._lead - self._chunk) / sample_rate
        self._very_low_s = min(self._low_s, self._chunk / sample_rate)
        self.underruns = 0
        self._held = bytearray()
        self._pushed_bytes = 0
        self._dropped_bytes = 0
        self._turn_open = False
        self._turn_sent = False
        self._heard_before_run = 0.0  # samples; a cleared run may end within one
        self._run_start = 0.0
        self._run_sent = 0  # samples
        self._heard_until = -math.inf

    @property
    def pushed_ms(self) -> float:
        """All speech that was ever accepted."""
        return duration_ms(self._pushed_bytes, self._rate)

    @property
    def dropped_ms(self) -> float:
        """All speech that was ever refused because the buffer was full."""
        return duration_ms(self._dropped_bytes, self._rate)

    def push(self, pcm: bytes) -> int:
        """Append speech; the first after ``end_turn`` or ``clear`` opens a turn.

        Returns:
            How many bytes were accepted. When the buffer is full the end of ``pcm`` is refused and
            counted, so that what was promised first stays whole.

        Raises:
            ValueError: ``pcm`` is not a whole number of samples.
        """
        size = len(pcm)
        if size % BYTES_PER_SAMPLE:
            raise ValueError("pcm is not a whole number of samples")
        if not self._turn_open:
            self._turn_open = True
            self._turn_sent = False
        room = self._capacity_bytes - len(self._held)
        if size > room:
            self._dropped_bytes += size - room
            pcm, size = pcm[:room], room
        self._held += pcm
        self._pushed_bytes += size
        return size

    def end_turn(self) -> None:
        """Mark the reply as completely pushed: its tail waits for no more."""
        self._turn_open = False

    def take(self, now: float, *, flush: bool = False) -> bytes:
        """Take what must be sent to the carrier now, as whole samples; possibly nothing.

        What is returned counts as sent. ``flush`` fills up to the lead without waiting for a chunk.
        """
        held = len(self._held) // BYTES_PER_SAMPLE
        if not held:
            return b""
        if now >= self._heard_until:
            self._start_run(now)
            room = self._lead
        elif flush or now >= self._due():
            ahead = (self._heard_until - now) * self._rate
            room = int(self._lead - ahead + _ROUNDING_SAMPLES)
        else:
            return b""
        count = min(room, held)
        if count <= 0:
            return b""
        self._run_sent += count
        self._heard_until = self._run_start + self._run_sent / self._rate
        self._turn_sent = True
        size = count * BYTES_PER_SAMPLE
        pcm = bytes(self._held[:size])
        del self._held[:size]  # moves the start of the array, not its content
        return pcm

    def next_due(self, now: float) -> float | None:
        """Return the instant at which ``take`` will return something; None if nothing is held."""
        return max(now, self._due()) if self._held else None

    def clear(self, now: float) -> float:
        """Barge-in: drop all that is held, forget what the carrier has not played, end the turn.

        Returns:
            How much speech the caller will not hear: held here and ahead at the carrier, in ms.
        """
        unheard_ms = self.unheard_ms(now)
        self._held = bytearray()
        self._heard_before_run += self._heard_of_run(now)
        self._run_start = self._heard_until = now
        self._run_sent = 0
        self._turn_open = False
        return unheard_ms

    def heard_ms(self, now: float) -> float:
        """Return how much speech the caller has heard since the start; never decreases."""
        return (self._heard_before_run + self._heard_of_run(now)) * 1000 / self._rate

    def unheard_ms(self, now: float) -> float:
        """Return how much speech is held here or ahead at the carrier."""
        ahead_ms = (self._run_sent - self._heard_of_run(now)) * 1000 / self._rate
        return duration_ms(len(self._held), self._rate) + ahead_ms

    def idle(self, now: float) -> bool:
        """Whether the caller has heard everything: nothing is held and nothing is ahead."""
        return not self._held and now >= self._heard_until

    def _due(self) -> float:
        """Return the instant at which what is held may be sent while a run is playing."""
        waits_for_more = self._turn_open and len(self._held) < self._chunk * BYTES_PER_SAMPLE
        return self._heard_until - (self._very_low_s if waits_for_more else self._low_s)

    def _start_run(self, now: float) -> None:
        if self._turn_open and self._turn_sent:
            self.underruns += 1
        self._heard_before_run += self._run_sent
        self._run_start = now
        self._run_sent = 0

    def _heard_of_run(self, now: float) -> float:
        """Return how many samples of this run were played; the carrier may be long done."""
        return min(max(0.0, (now - self._run_start) * self._rate), float(self._run_sent))
