"""Caller leg of Exotel's applets."""

from typing import Final

from fwai.adapters.media_stream import WebSocketLeg

MAX_CALL_S: Final = 55 * 60.0  # Exotel ends a stream after an hour, without a word


class ExotelLeg(WebSocketLeg):
    """Caller leg of a Voicebot or Stream applet.

    Attributes:
        listening: A Stream applet's leg, which only listens: nothing may be sent on it.
    """

    listening = False

    def play(self, pcm: bytes) -> None:
        """Play ``pcm`` to the caller; nothing on a listening leg."""
        if not self.listening:
            super().play(pcm)

    def flush(self) -> None:
        """Play what the codec holds back; nothing on a listening leg."""
        if not self.listening:
            super().flush()

    def clear(self) -> None:
        """Drop what Exotel has buffered; nothing on a listening leg."""
        if not self.listening:
            super().clear()

    def mark(self, name: str) -> bool:
        """Send a mark; False on a listening leg."""
        return not self.listening and super().mark(name)
