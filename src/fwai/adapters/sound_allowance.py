"""How much sound a stream may bring. No I/O, no clock.

A carrier sends sound as it is spoken, and in one go what a stall has held up: never more than time
has passed. Whoever sends more, or minutes in one message, would stall every call of the process
with the work of hearing it.
"""

from typing import Final

MESSAGE_S: Final = 2.1
"""Most sound of one message. Carriers send 20 to 200 ms, but Exotel's largest, 100,000 bytes, are
2.08 s at 24 kHz, and senders of two seconds exist: one second would cut real speech."""

AHEAD_S: Final = 2.0
"""How much more sound than time since the stream began: clocks that differ, and a start message
that was late."""


class SoundAllowance:
    """Counts one stream's sound against the time that has passed; what is too much is dropped.

    Args:
        bytes_per_ms: Raw wire audio per millisecond.
        now: When the stream began, in seconds of a monotonic clock.

    Attributes:
        left: Bytes that may still be taken without a look at the clock, which need not be asked
            for each frame: subtract what was taken, and call `take` when it is too little.
        dropped_bytes: All that was dropped.
    """

    __slots__ = ("_began", "_bytes_per_s", "_granted", "_most", "dropped_bytes", "left")

    def __init__(self, bytes_per_ms: int, now: float) -> None:
        self._began = now
        self._bytes_per_s = bytes_per_ms * 1000
        self._most = int(MESSAGE_S * self._bytes_per_s)
        self._granted = 0  # what was taken, and `left`
        self.left = 0
        self.dropped_bytes = 0

    @property
    def dropped_ms(self) -> int:
        """All that was dropped, in milliseconds of sound."""
        return self.dropped_bytes * 1000 // self._bytes_per_s

    def take(self, sound: bytes, now: float) -> bytes:
        """Return what of a message's sound may be heard; the rest is dropped and counted.

        Samples stay whole: as many halves of one are dropped as there are.
        """
        if self.dropped_bytes & 1:
            self.dropped_bytes += len(sound[:1])
            sound = sound[1:]
        taken = self._granted - self.left
        allowed = int((now - self._began + AHEAD_S) * self._bytes_per_s) - taken
        allowed = min(allowed, self._most)
        if len(sound) > allowed:
            allowed &= ~1
            self.dropped_bytes += len(sound) - allowed
            sound = sound[:allowed]
        self._granted = taken + allowed
        self.left = allowed - len(sound)
        return sound
