"""Codec of Plivo's media stream messages. No I/O.

Source: Plivo's Audio Streaming guide and protocol reference, and its own stream SDKs, read
2026-11-22. One source of truth for the audio format: what ``start`` says, not what was asked for.
"""

from binascii import b2a_base64
from typing import Final

import msgspec

from fwai.adapters.media_codec import LEAD_MS, StreamStarted
from fwai.audio import g711
from fwai.audio.pcm import swap_bytes
from fwai.domain.events import CallerEvent, CallerHungUp, DtmfPressed, MarkReached
from fwai.errors import WireError

MAX_PAYLOAD_BYTES: Final = 12_000  # 16 KB of base64, the most one playAudio may carry
_DIGITS: Final = frozenset("0123456789*#ABCD")


class _MediaFormat(msgspec.Struct, rename="camel"):
    encoding: str
    sample_rate: int


class _StartBody(msgspec.Struct, rename="camel"):
    call_id: str
    stream_id: str
    media_format: _MediaFormat | None = None
    account_id: str = ""


class _Start(msgspec.Struct, tag="start", tag_field="event"):
    start: _StartBody


class _MediaBody(msgspec.Struct):
    payload: bytes
    track: str = "inbound"
    chunk: int | str = 0


class _Media(msgspec.Struct, tag="media", tag_field="event"):
    media: _MediaBody


class _DtmfBody(msgspec.Struct):
    digit: str


class _Dtmf(msgspec.Struct, tag="dtmf", tag_field="event"):
    dtmf: _DtmfBody


class _PlayedStream(msgspec.Struct, tag="playedStream", tag_field="event"):
    name: str


class _Stop(msgspec.Struct, tag="stop", tag_field="event"):
    pass


class _AnyEvent(msgspec.Struct):
    event: str


_decode = msgspec.json.Decoder(_Start | _Media | _Dtmf | _PlayedStream | _Stop, strict=False).decode
_decode_any = msgspec.json.Decoder(_AnyEvent).decode
_EVENTS: Final = frozenset({"start", "media", "dtmf", "playedStream", "stop"})
# msgspec passes on what Python's own decoder says of bytes that are no UTF-8, and deep nesting.
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


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
        except _UNREADABLE as exc:
            _check_unknown_event(message, exc)
            return None
        if type(body) is _Media:
            return self._media(body.media)
        match body:
            case _Start(start):
                return self._start(start)
            case _Dtmf(dtmf):
                return DtmfPressed(dtmf.digit) if dtmf.digit in _DIGITS else None
            case _PlayedStream(name):
                return MarkReached(name)
            case _Stop():
                pass
        return CallerHungUp()  # stop: the same as a closed socket

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

    def _media(self, media: _MediaBody) -> bytes | None:
        if media.track == "outbound":
            return None
        chunk = media.chunk
        if type(chunk) is int:
            # Counted up from 1; a client that does not count, or starts anew, is taken as it is.
            if 1 < chunk < self._chunk:
                raise WireError("plivo: media out of order")
            self._chunk = chunk
        return media.payload

    def _start(self, start: _StartBody) -> StreamStarted:
        if self._media_prefix:
            raise WireError("plivo: a second start message")
        encoding, rate = _format(start.media_format, self._asked)
        if (encoding, rate) not in {
            ("audio/x-mulaw", 8000),
            ("audio/x-l16", 8000),
            ("audio/x-l16", 16000),
        }:
            raise WireError("plivo: a stream in a format that was not asked for")
        self._ulaw = encoding == "audio/x-mulaw"
        self._stream_id = start.stream_id
        self.sample_rate = rate
        self.bytes_per_ms = rate // 1000 * (1 if self._ulaw else 2)
        self._media_prefix = (
            f'{{"event":"playAudio","media":{{"contentType":"{encoding}",'
            f'"sampleRate":{rate},"payload":"'
        ).encode()
        return StreamStarted(start.call_id, start.stream_id, start.account_id)


def _format(given: _MediaFormat | None, asked: str) -> tuple[str, int]:
    """Return encoding and sample rate in Hz: what the stream says, else what was asked for."""
    content_type = given.encoding if given is not None else asked
    encoding, _, parameter = content_type.partition(";")
    rate = given.sample_rate if given is not None else int(parameter.partition("=")[2] or 8000)
    return encoding.strip().lower(), rate


def _check_unknown_event(message: memoryview, exc: Exception) -> None:
    """Ignore an event of an unknown kind; raise for anything else."""
    try:
        event = _decode_any(message).event
    except _UNREADABLE:
        raise WireError("plivo: unreadable stream message") from exc
    if event in _EVENTS:
        raise WireError(f"plivo: malformed {event} message") from exc
