"""Caller audio on its way to the model: gathered, held without a connection, heard again."""

from typing import Final

from fwai.gemini import messages
from fwai.gemini.caller_buffer import CallerBuffer
from fwai.gemini.connection import LiveConnection
from fwai.gemini.setup import INPUT_HZ

MESSAGE_BYTES: Final = INPUT_HZ * 2 * 40 // 1000  # 40 ms: half the messages of 20 ms
HELD_S: Final = 3.0
HELD_BYTES: Final = int(INPUT_HZ * 2 * HELD_S)
REPLAY_BYTES: Final = INPUT_HZ * 2  # a second in each message of what is heard again


class Uplink(CallerBuffer):
    """What the caller says, s16le mono at 16 kHz.

    Attributes:
        dropped: Audio that no connection got, in bytes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting = bytearray()
        self.dropped = 0

    def send(self, connection: LiveConnection | None, pcm: bytes) -> None:
        """Send audio in messages of at least `MESSAGE_BYTES`, or hold it."""
        if connection is None or not connection.is_open:
            self._waiting += pcm
            if (over := len(self._waiting) - HELD_BYTES) > 0:
                del self._waiting[:over]
                self.dropped += over
        elif not self._waiting and len(pcm) >= MESSAGE_BYTES:
            self._send(connection, pcm)
        else:
            self._waiting += pcm
            if len(self._waiting) >= MESSAGE_BYTES:
                self._flush(connection)

    def begin(self, connection: LiveConnection, unanswered: bytes) -> None:
        """Give a new connection what waits for it.

        Args:
            connection: The new one.
            unanswered: What it must hear again, up to now; what waits is part of it.
        """
        if unanswered:
            self._waiting.clear()
            for at in range(0, len(unanswered), REPLAY_BYTES):
                connection.send(messages.audio(unanswered[at : at + REPLAY_BYTES]))
        elif self._waiting:
            self._flush(connection)

    def _flush(self, connection: LiveConnection) -> None:
        if connection.is_open:
            self._send(connection, bytes(self._waiting))
            self._waiting.clear()

    def _send(self, connection: LiveConnection, pcm: bytes) -> None:
        if not connection.send_audio(messages.audio(pcm)):
            self.dropped += len(pcm)
