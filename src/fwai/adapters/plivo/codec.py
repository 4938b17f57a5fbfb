"""Codec of Plivo's media stream messages. No I/O.

Source: Plivo's Audio Streaming guide and protocol reference, and its own stream SDKs, read
2026-11-22; senders that differ from them, tests/contract/plivo/variants.json. One source of truth
for the audio format: what ``start`` says, not what was asked for.

Two lanes in. Caller audio as the documents write it, which is nearly every message, takes a typed
decoder; whatever that refuses is read field by field, in any spelling.
"""

from binascii import b2a_base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from fwai.adapters.media_codec import LEAD_MS, StreamStarted
from fwai.adapters.stream_fields import (
    LINEAR,
    MULAW,
    UNREADABLE,
    audio_bytes,
    audio_format,
    event_name,
    first_text,
    is_blank,
    mapping,
    number,
    read_object,
)
from fwai.audio import g711
from fwai.audio.pcm import swap_bytes
from fwai.domain.events import CallerEvent, CallerHungUp, DtmfPressed, MarkReached
from fwai.errors import WireError

MAX_PAYLOAD_BYTES: Final = 12_000  # 16 KB of base64, the most one playAudio may carry
_DIGITS: Final = frozenset("0123456789*#ABCD")
_CONTENT_TYPES: Final = {MULAW: "audio/x-mulaw", LINEAR: "audio/x-l16"}
_FORMATS: Final = frozenset({(MULAW, 8000), (LINEAR, 8000), (LINEAR, 16000)})


class _MediaBody(msgspec.Struct):
    payload: bytes
    track: str = "inbound"
    chunk: int | str = 0


class _Message(msgspec.Struct, rename="camel"):
    """Fast lane: enough fields to recognise caller audio, which is nearly every message."""

    event: str
    media: _MediaBody | None = None
    stream_id: str = ""


_decode = msgspec.json.Decoder(_Message, strict=False).decode


class PlivoCodec:
    """Codec of one stream; its ``start`` message sets the audio format. Implements ``MediaCodec``.

    Args:
        asked: Content type the answer asked for, such as ``audio/x-mulaw;rate=8000``; counts only
            when ``start`` does not say what it brings.
        big_endian_l16: L16 samples are in network byte order. Plivo's own transport uses little
            endian; no page of theirs says so.
    """

    def __init__(
        self, *, asked: str = "audio/x-mulaw;rate=8000", big_endian_l16: bool = False
    ) -> None:
        self._asked = asked
        self._big_endian = big_endian_l16
        self._chunk = 0
        self._call_id = ""
        self._stream_id = ""
        self._ulaw = True
        self._media_prefix = b""
        self._partial_sample = b""  # of a sample that a message cut in two
        self.sample_rate = 8000
        self.bytes_per_ms = 8
        self.lead_ms = LEAD_MS

    def decode(self, message: memoryview) -> bytes | StreamStarted | CallerEvent | None:
        """Decode one message of the stream.

        Raises:
            WireError: It is not JSON, or a field it must have is missing or malformed.
        """
        try:
            body = _decode(message)
        except UNREADABLE:
            return self._decode_any(message)
        media = body.media
        if body.event != "media" or media is None:
            return self._decode_any(message)
        if not self._stream_id:
            self._stream_id = body.stream_id
        return self._media(media.payload, media.track, media.chunk)

    def _decode_any(self, message: memoryview) -> bytes | StreamStarted | CallerEvent | None:
        """Decode a message with any spelling of its keys, and of its event."""
        if is_blank(message):
            return None
        try:
            body = read_object(message)
        except UNREADABLE as exc:
            raise WireError("plivo: unreadable stream message") from exc
        match event_name(body):
            case "":
                raise WireError("plivo: a stream message without an event")
            case "media":
                media = mapping(body.get("media")) or body
                payload = audio_bytes(media.get("payload"))
                if payload is None:
                    raise WireError("plivo: malformed media message")
                self._stream_id = self._stream_id or first_text((body,), "streamid")
                chunk = number(media.get("chunk"))
                return self._media(payload, first_text((media,), "track"), chunk)
            case "start":
                return self._start(mapping(body.get("start")), body)
            case "dtmf":
                keys = (mapping(body.get("dtmf")), body)
                digit = first_text(keys, "digit", "dtmf").strip().upper()
                return DtmfPressed(digit) if digit in _DIGITS else None
            case "playedstream":
                # One that does not say which checkpoint was played tells nothing.
                name = first_text((body, mapping(body.get("playedstream"))), "name")
                return MarkReached(name) if name else None
            case "stop":
                return CallerHungUp()  # the same as a closed socket
        return None

    def to_pcm(self, payload: bytes) -> bytes:
        """Decode mu-law, or convert L16 to little endian."""
        if self._ulaw:
            return g711.ulaw_to_pcm(payload)
        payload = self._partial_sample + payload
        whole = payload[: len(payload) & ~1]
        self._partial_sample = payload[len(whole) :]
        return swap_bytes(whole) if self._big_endian else whole

    def encode_audio(self, pcm: bytes) -> list[bytes]:
        """Encode the playAudio messages for ``pcm``, each within Plivo's size limit."""
        if self._ulaw:
            payload = g711.pcm_to_ulaw(pcm)
        else:
            payload = swap_bytes(pcm) if self._big_endian else pcm
        return [
            self._media_prefix
            + b2a_base64(payload[i : i + MAX_PAYLOAD_BYTES], newline=False)
            + b'"}}'
            for i in range(0, len(payload), MAX_PAYLOAD_BYTES)
        ]

    def encode_tail(self) -> tuple[bytes, ...]:
        """Return nothing: a playAudio may be of any length, so nothing is held back."""
        return ()

    def encode_clear(self) -> bytes:
        """Encode clearAudio."""
        return msgspec.json.encode({"event": "clearAudio", "streamId": self._stream_id})

    def encode_mark(self, name: str) -> bytes:
        """Encode checkpoint; Plivo answers with playedStream of the same name."""
        body = {"event": "checkpoint", "streamId": self._stream_id, "name": name}
        return msgspec.json.encode(body)

    def _media(self, payload: bytes, track: str, chunk: int | str | None) -> bytes | None:
        if track.lower().startswith("outbound"):
            return None
        if type(chunk) is int:
            # Counted up from 1. One that is late is dropped; a sender that does not count, or
            # starts anew, is taken as it is.
            late = 1 < chunk < self._chunk
            self._chunk = chunk
            if late:
                return None
        return payload

    def _start(self, start: Mapping[str, Any], body: Mapping[str, Any]) -> StreamStarted | None:
        both = (start, body)
        call_id = first_text(both, "callid", "calluuid")
        stream_id = first_text(both, "streamid")
        if not call_id:
            raise WireError("plivo: a start message without its call")
        kind, rate = self._format(start.get("mediaformat") or body.get("mediaformat"))
        if self._media_prefix:
            if (call_id, kind == MULAW, rate) != (self._call_id, self._ulaw, self.sample_rate):
                raise WireError("plivo: a second start message, with something else")
            return None
        if (kind, rate) not in _FORMATS:
            raise WireError("plivo: a stream in a format that was not asked for")
        self._ulaw = kind == MULAW
        self._call_id = call_id
        self._stream_id = stream_id
        self.sample_rate = rate
        self.bytes_per_ms = rate // 1000 * (1 if self._ulaw else 2)
        self._media_prefix = (
            f'{{"event":"playAudio","media":{{"contentType":"{_CONTENT_TYPES[kind]}",'
            f'"sampleRate":{rate},"payload":"'
        ).encode()
        return StreamStarted(call_id, stream_id, first_text(both, "accountid", "authid"))

    def _format(self, said: object) -> tuple[str, int]:
        """Return encoding and sample rate in Hz: what the stream says, else what was asked for."""
        asked, asked_rate = audio_format(self._asked)
        kind, rate = audio_format(said)
        kind = kind or asked
        if rate is None:
            rate = asked_rate if kind == asked else None
        return kind, rate or 8000
