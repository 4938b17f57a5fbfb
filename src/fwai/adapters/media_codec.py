"""Protocol of a provider's media stream codec. No I/O."""

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
    """Encodes and decodes one stream's messages; no I/O, one instance per stream."""

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
        """Decode one message: raw wire audio, a start, an event, or None to ignore it.

        Raises:
            WireError: The message is malformed.
        """
        ...

    def to_pcm(self, payload: bytes) -> bytes:
        """Decode raw wire audio to s16le."""
        ...

    def encode_audio(self, pcm: bytes) -> Sequence[bytes]:
        """Encode the messages that play ``pcm``; what does not fill a message may be held back."""
        ...

    def encode_tail(self) -> Sequence[bytes]:
        """Encode the messages that play what was held back."""
        ...

    def encode_clear(self) -> bytes:
        """Encode the message that drops what is queued but not played; drop what is held back."""
        ...

    def encode_mark(self, name: str) -> bytes | None:
        """Encode the message that requests a mark; None when the provider has none."""
        ...
