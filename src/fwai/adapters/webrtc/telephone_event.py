"""Parses DTMF telephone events (RFC 4733) from RTP payloads. PURE.

An event is sent in many packets with the timestamp of its start, and its end three times. It is
reported once: at its end, or, when all packets of the end are lost, when something else follows.

Source: RFC 4733, sections 2.3 and 2.5.
"""

from typing import Final

KEYS: Final = "0123456789*#ABCD"
_END: Final = 0x80


class TelephoneEvents:
    """Tracks the telephone events of one source."""

    def __init__(self) -> None:
        self._open: tuple[int, str] | None = None
        self._reported: int | None = None

    def feed(self, payload: bytes, timestamp: int) -> list[str]:
        """Process a packet and return the keys that it completes, mostly none."""
        if len(payload) < 4 or payload[0] >= len(KEYS) or timestamp == self._reported:
            return []
        keys = self.interrupt() if self._open is not None and self._open[0] != timestamp else []
        self._open = (timestamp, KEYS[payload[0]])
        if payload[1] & _END:
            keys += self.interrupt()
        return keys

    def interrupt(self) -> list[str]:
        """Complete the open event, because something else follows."""
        if self._open is None:
            return []
        self._reported, key = self._open
        self._open = None
        return [key]
