"""What the caller said and the model has not answered, as sound. No I/O, no clock.

Theory of operation. Audio handed to an open socket is gone with it, and the service's handle covers
only turns that are over. So what the caller says is kept, with the moment before it, until the
model acts on it; a new connection gets it again, faster than it was spoken. Words that were
transcribed a while ago need not be heard again: they are given as text, and what is kept begins
with the next thing the caller says.
"""

from typing import Final

BYTES_PER_S: Final = 16_000 * 2
KEPT_S: Final = 20.0  # of one unanswered utterance; what is older is dropped
BEFORE_S: Final = 0.4  # of what came before the speech was noticed
SETTLED_S: Final = 1.0  # after the last transcribed words nothing more of them is due
ANSWERED_OVER_S: Final = 2.0
"""Of what is kept when the model answers while the caller can be heard: it waits for a pause, so
what is older it has heard. Where a radio plays the caller's line is never silent."""
FORGOTTEN_S: Final = 20.0  # after speech that nobody answered: it needed none

_KEPT: Final = int(KEPT_S * BYTES_PER_S)
_BEFORE: Final = int(BEFORE_S * BYTES_PER_S)
_ANSWERED_OVER: Final = int(ANSWERED_OVER_S * BYTES_PER_S)


class CallerBuffer:
    """Keeps the caller's unanswered speech, s16le at 16 kHz; ``now`` is the loop's time."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._unanswered = False
        self._spoke_at = 0.0
        self._words_at = -1.0

    def add(self, pcm: bytes, *, speech: bool, now: float) -> bool:
        """Add what was heard; True when something new begins that is to be answered.

        Args:
            pcm: Any whole number of samples.
            speech: Whether they are audible speech.
            now: The loop's time.
        """
        began = speech and (not self._unanswered or self._settled(now))
        if speech:
            self._spoke_at = now
        elif self._unanswered and now - self._spoke_at > FORGOTTEN_S:
            self._unanswered = False
        if began:
            self._trim(_BEFORE)
            self._unanswered = True
        self._kept += pcm
        self._trim(_KEPT if self._unanswered else _BEFORE)
        return began

    def words_came(self, now: float) -> None:
        """Some of it was transcribed."""
        self._words_at = now

    def answered(self, now: float) -> None:
        """The model acts on what it heard; not on what the caller is saying at this moment."""
        if self._unanswered and now - self._spoke_at >= 0.2:
            self._unanswered = False
        elif self._unanswered:
            self._trim(_ANSWERED_OVER)

    def unanswered(self, now: float) -> bytes:
        """Return what another connection must hear again; nothing when words stand for it."""
        if not self._unanswered or self._settled(now):
            return b""
        return bytes(self._kept)

    def _settled(self, now: float) -> bool:
        return self._words_at >= self._spoke_at and now - self._words_at >= SETTLED_S

    def _trim(self, size: int) -> None:
        if (over := len(self._kept) - size) > 0:
            del self._kept[:over]  # moves the start of the array, not its content
