"""Encodes and decodes the messages of Plivo's audio stream, from Plivo's side.

Source: https://www.plivo.com/docs/voice/xml/the-stream-element and the Audio Streaming Protocol
Reference (read 2026-11-22). All functions are pure.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from fwai.errors import WireError
from fwai.simulator.common.wire import (
    FRAME_MS,
    L16,
    MULAW,
    Checkpoint,
    ClearAudio,
    PlayAudio,
    StreamFormat,
    read_object,
    read_payload,
    unknown_event,
)

MAX_MESSAGE_BYTES: Final = 64 * 1024
MAX_PAYLOAD_BYTES: Final = 16 * 1024
DTMF_DIGITS: Final = frozenset("0123456789*#ABCD")
FORMATS: Final = {
    "audio/x-mulaw;rate=8000": StreamFormat(MULAW, 8000),
    "audio/x-l16;rate=8000": StreamFormat(L16, 8000),
    "audio/x-l16;rate=16000": StreamFormat(L16, 16000),
}


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
    if isinstance(message, str) and len(message.encode()) > MAX_MESSAGE_BYTES:
        raise WireError("a message of more than 64 KB")
    body = read_object(message)
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
            raise unknown_event(event)


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
    return audio.decode(read_payload("playAudio", payload))


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
