"""The messages of Plivo's audio stream, seen from Plivo's side.

Source: https://www.plivo.com/docs/voice/xml/the-stream-element and the Audio Streaming Protocol
Reference (read 2026-11-22). All functions are pure.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from fwai.audio.g711 import pcm_to_ulaw, ulaw_to_pcm
from fwai.errors import WireError

FRAME_MS = 20
MAX_MESSAGE_BYTES = 64 * 1024
MAX_PAYLOAD_BYTES = 16 * 1024
DTMF_DIGITS = frozenset("0123456789*#ABCD")
MULAW = "audio/x-mulaw"
L16 = "audio/x-l16"


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """How audio looks on the wire.

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
            raise WireError("playAudio: odd number of bytes in 16-bit audio")
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


FORMATS = {
    "audio/x-mulaw;rate=8000": StreamFormat(MULAW, 8000),
    "audio/x-l16;rate=8000": StreamFormat(L16, 8000),
    "audio/x-l16;rate=16000": StreamFormat(L16, 16000),
}


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


@dataclass(frozen=True, slots=True)
class SendDtmf:
    """The server presses keys."""

    digits: str


Command = PlayAudio | Checkpoint | ClearAudio | SendDtmf


class FormatMismatchError(WireError):
    """``playAudio`` names another format than the stream's."""


def decode(message: str | bytes, stream_id: str, audio: StreamFormat) -> Command:
    """Read one message from the server, as strictly as its rules are written.

    Raises:
        WireError: A rule is broken; the text says which one and never quotes the payload.
    """
    if isinstance(message, bytes):
        raise WireError("a binary message: the stream is JSON text")
    if len(message.encode()) > MAX_MESSAGE_BYTES:
        raise WireError("a message of more than 64 KB")
    try:
        body = json.loads(message)
    except ValueError as exc:
        raise WireError("a message that is not JSON") from exc
    if not isinstance(body, dict):
        raise WireError("a message that is not a JSON object")
    event = body.get("event")
    match event:
        case "playAudio":
            return PlayAudio(_audio(body.get("media"), audio))
        case "checkpoint":
            _check_stream(event, body, stream_id)
            return Checkpoint(_text(event, body, "name"))
        case "clearAudio":
            _check_stream(event, body, stream_id)
            return ClearAudio()
        case "sendDTMF":
            digits = _text(event, body, "dtmf")
            if not set(digits) <= DTMF_DIGITS:
                raise WireError("sendDTMF: a key that no telephone has")
            return SendDtmf(digits)
        case _:
            raise WireError("an unknown event" if isinstance(event, str) else "no event name")


def _text(event: str, body: dict[str, Any], field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not value:
        raise WireError(f"{event}: {field} is missing")
    return value


def _check_stream(event: str, body: dict[str, Any], stream_id: str) -> None:
    if body.get("streamId") != stream_id:
        raise WireError(f"{event}: streamId is missing or not this stream's")


def _audio(media: object, audio: StreamFormat) -> bytes:
    if not isinstance(media, dict):
        raise WireError("playAudio: media is missing")
    if media.get("contentType") != audio.encoding:
        raise FormatMismatchError("playAudio: contentType is not the stream's")
    if str(media.get("sampleRate")) != str(audio.sample_rate):
        raise FormatMismatchError("playAudio: sampleRate is not the stream's")
    payload = media.get("payload")
    if not isinstance(payload, str) or not payload:
        raise WireError("playAudio: payload is missing")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise WireError("playAudio: a payload of more than 16 KB")
    try:
        wire = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise WireError("playAudio: payload is not base64") from exc
    if wire[:4] == b"RIFF":
        raise WireError("playAudio: a WAV header inside the audio")
    return audio.decode(wire)


class Encoder:
    """Writes Plivo's messages of one stream and counts them."""

    def __init__(self, stream_id: str, extra_headers: str = "") -> None:
        self.stream_id = stream_id
        self._extra = extra_headers
        self._sequence = 0
        self._chunk = 0
        self._media_head = f',"streamId":{json.dumps(stream_id)},"media":'
        self._media_tail = f'"}},"extra_headers":{json.dumps(extra_headers)}}}'

    def _number(self) -> int:
        self._sequence += 1
        return self._sequence

    def start(self, call_id: str, account_id: str, audio: StreamFormat) -> str:
        """Open the stream."""
        return json.dumps(
            {
                "event": "start",
                "sequenceNumber": self._number(),
                "start": {
                    "callId": call_id,
                    "streamId": self.stream_id,
                    "accountId": account_id,
                    "tracks": ["inbound"],
                    "mediaFormat": {"encoding": audio.encoding, "sampleRate": audio.sample_rate},
                },
                "extra_headers": self._extra,
            }
        )

    def media(self, payload: str) -> str:
        """Carry 20 ms of the caller's voice, given as base64; by hand, for 50 times a second."""
        self._sequence += 1
        self._chunk += 1
        return (
            f'{{"event":"media","sequenceNumber":{self._sequence}{self._media_head}'
            f'{{"track":"inbound","timestamp":"{(self._chunk - 1) * FRAME_MS}",'
            f'"chunk":{self._chunk},"payload":"{payload}{self._media_tail}'
        )

    def dtmf(self, digit: str, at_ms: int) -> str:
        """Carry one key press."""
        return self._event(
            "dtmf",
            dtmf={"track": "inbound", "digit": digit, "timestamp": str(at_ms)},
            extra_headers=self._extra,
        )

    def played(self, name: str) -> str:
        """Tell that everything before checkpoint ``name`` was played."""
        return self._event("playedStream", name=name)

    def cleared(self) -> str:
        """Tell that the playback buffer was emptied."""
        return self._event("clearedAudio")

    def error(self, reason: str) -> str:
        """Complain; ``buffer_overflow`` and ``invalid_content_type`` are the documented words."""
        return self._event("error", reason=reason)

    def stop(self) -> str:
        """Close the stream; not in the reference, but seen in Plivo's own samples."""
        return self._event("stop", reason="hangup")

    def _event(self, event: str, **fields: object) -> str:
        return json.dumps(
            {
                "event": event,
                "sequenceNumber": self._number(),
                "streamId": self.stream_id,
                **fields,
            }
        )
