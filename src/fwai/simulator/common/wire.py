"""Audio formats and server messages that the media streams of several providers share. No I/O."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Final

from fwai.audio.g711 import pcm_to_ulaw, ulaw_to_pcm
from fwai.errors import WireError

FRAME_MS: Final = 20
MULAW: Final = "audio/x-mulaw"
L16: Final = "audio/x-l16"


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """How audio is encoded on a media stream.

    Attributes:
        encoding: ``audio/x-mulaw`` or ``audio/x-l16`` (little-endian).
        sample_rate: Hz.
    """

    encoding: str
    sample_rate: int

    @property
    def frame_samples(self) -> int:
        """Samples in one 20 ms frame."""
        return self.sample_rate * FRAME_MS // 1000

    def encode(self, pcm: bytes) -> bytes:
        """Turn s16le samples into wire bytes."""
        return pcm_to_ulaw(pcm) if self.encoding == MULAW else pcm

    def decode(self, wire: bytes) -> bytes:
        """Turn wire bytes into s16le samples.

        Raises:
            WireError: Half a sample is left over.
        """
        if self.encoding == MULAW:
            return ulaw_to_pcm(wire)
        if len(wire) % 2:
            raise WireError("an odd number of bytes in 16-bit audio")
        return wire

    def silence(self) -> str:
        """Return the base64 payload of one silent frame."""
        frame = b"\xff" if self.encoding == MULAW else b"\0\0"
        return base64.b64encode(frame * self.frame_samples).decode("ascii")

    def frames(self, pcm: bytes) -> tuple[str, ...]:
        """Cut s16le samples into base64 payloads of 20 ms; the last one is filled with silence."""
        size = self.frame_samples * 2
        padded = pcm + bytes(-len(pcm) % size)
        return tuple(
            base64.b64encode(self.encode(padded[at : at + size])).decode("ascii")
            for at in range(0, len(padded), size)
        )


# ---- what a server asks for ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlayAudio:
    """The server wants the caller to hear this: s16le."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The server asks to be told when everything before was played."""

    name: str


@dataclass(frozen=True, slots=True)
class ClearAudio:
    """The server wants what is not played yet to be dropped."""


def read_object(message: str | bytes) -> dict[str, Any]:
    """Read a text message that is a JSON object.

    Raises:
        WireError: It is not.
    """
    if isinstance(message, bytes):
        raise WireError("a binary message: the stream is JSON text")
    try:
        body = json.loads(message)
    except ValueError as exc:
        raise WireError("a message that is not JSON") from exc
    if not isinstance(body, dict):
        raise WireError("a message that is not a JSON object")
    return body


def unknown_event(event: object) -> WireError:
    """Return the error for an event that no server may send."""
    return WireError("an unknown event" if isinstance(event, str) else "no event name")


def read_payload(event: str, payload: str) -> bytes:
    """Decode the base64 audio of a message.

    Raises:
        WireError: It is not base64, or has the header of a file.
    """
    try:
        wire = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise WireError(f"{event}: payload is not base64") from exc
    if wire[:4] == b"RIFF":
        raise WireError(f"{event}: a WAV header inside the audio")
    return wire
