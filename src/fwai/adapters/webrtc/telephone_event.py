"""Keys that the caller presses, as RTP events. PURE.

An event is sent in many packets with the timestamp of its start, and its end three times. It is
told once: at its end, or, when all packets of the end are lost, when something else follows.

Source: RFC 4733, sections 2.3 and 2.5.
"""

from typing import Final

KEYS: Final = "0123456789*#ABCD"
_END: Final = 0x80


class TelephoneEvents:
    """Follows the events of one source."""

    def __init__(self) -> None:
        self._open: tuple[int, str] | None = None
        self._told: int | None = None

    def feed(self, payload: bytes, timestamp: int) -> list[str]:
        """Take a packet and return the keys that are known to be pressed now, mostly none."""
        if len(payload) < 4 or payload[0] >= len(KEYS) or timestamp == self._told:
            return []
        keys = self.interrupt() if self._open is not None and self._open[0] != timestamp else []
        self._open = (timestamp, KEYS[payload[0]])
        if payload[1] & _END:
            keys += self.interrupt()
        return keys

    def interrupt(self) -> list[str]:
        """Something else follows: return the key whose end did not come."""
        if self._open is None:
            return []
        self._told, key = self._open
        self._open = None
        return [key]
