"""What a provider's media stream codec offers. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from fwai.domain.events import CallerEvent

LEAD_MS: Final = 200.0
"""The usual lead, where a message may be of any length."""


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """The provider's first message: which call this stream belongs to.

    Attributes:
        provider_call_id: The provider's id of the call.
        stream_id: The provider's id of the stream.
        account_id: The provider account it claims to be of.
    """

    provider_call_id: str
    stream_id: str
    account_id: str


class MediaCodec(Protocol):
    """One stream's wire format: pure, no I/O, made anew for each stream."""

    @property
    def sample_rate(self) -> int:
        """Samples per second both ways, in Hz; known once the stream has started."""
        ...

    @property
    def bytes_per_ms(self) -> int:
        """Bytes of raw wire audio per millisecond."""
        ...

    @property
    def lead_ms(self) -> float:
        """How far ahead of the caller's ear speech must be encoded; grows with the messages."""
        ...

    def decode(self, message: memoryview) -> bytes | StreamStarted | CallerEvent | None:
        """Read one message: raw wire audio, a start, an event, or None for nothing of use.

        Raises:
            WireError: The message is malformed.
        """
        ...

    def to_pcm(self, payload: bytes) -> bytes:
        """Expand raw wire audio to s16le."""
        ...

    def encode_audio(self, pcm: bytes) -> Sequence[bytes]:
        """Write the messages that play ``pcm``; what does not fill a message may be held back."""
        ...

    def encode_tail(self) -> Sequence[bytes]:
        """Write the messages that play what was held back."""
        ...

    def encode_clear(self) -> bytes:
        """Write the message that drops what is queued but not played; forget what is held back."""
        ...

    def encode_mark(self, name: str) -> bytes | None:
        """Write the message that asks for a receipt; None when the provider has none."""
        ...
