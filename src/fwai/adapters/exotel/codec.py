"""Codec of Exotel's media stream messages. No I/O.

Source: Exotel's articles on the Stream and Voicebot applets, developer.exotel.com's AgentStream
pages, and the samples of exotel/Agent-Stream, read 2026-11-22. They differ in spelling
(``stream_sid`` here, ``streamSid`` there), so a key counts whatever its case and underscores, and
what we send carries both. One source of truth for the audio: what ``start`` says, then what the URL
asked for, then 8 kHz.

Theory of operation of the sending side: Exotel wants messages of a multiple of 320 bytes and of at
least 3200; shorter ones jitter. So speech is held back until a message is full, and what is left at
the end of a reply is padded with silence. A stream's time is the audio that came in: it needs no
clock and is what Exotel itself counts by.
"""

import json
from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from fwai.adapters.media_codec import StreamStarted
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
    read_object,
    text,
)
from fwai.audio import g711
from fwai.domain.events import CallerEvent, CallerHungUp, DtmfPressed, MarkReached
from fwai.errors import WireError

SAMPLE_RATES: Final = (8000, 16000, 24000)
ALIGNMENT_BYTES: Final = 320  # every message is a multiple of it
MIN_BYTES: Final = 3200
MAX_BYTES: Final = 100_000
CHUNK_BYTES: Final[Mapping[int, int]] = {8000: 3200, 16000: 3200, 24000: 3840}
SLACK_MS: Final = 160.0  # a top-up of the carrier, one tick of the clock, and some lateness
_DIGITS: Final = frozenset("0123456789*#")
_READABLE: Final = frozenset({"", "base64", LINEAR, MULAW})  # base64 is how Exotel names linear


class _MediaBody(msgspec.Struct):
    payload: bytes
    track: str = ""


class _Message(msgspec.Struct):
    """Fast path: enough fields to recognise caller audio, which is nearly every message."""

    event: str
    media: _MediaBody | None = None
    stream_sid: str = ""


_decode = msgspec.json.Decoder(_Message, strict=False).decode


@dataclass(frozen=True, slots=True)
class ExotelStarted(StreamStarted):
    """Exotel's ``start`` message: the call, its numbers and parameters.

    ``provider_call_id`` is empty when the message does not say it: then the stream's token does.

    Attributes:
        from_number: As Exotel writes it; which side is the customer is not certain on calls out.
        to_number: Likewise.
        parameters: The applet's own parameters, keys in lower case and without underscores.
    """

    from_number: str = ""
    to_number: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


class ExotelCodec:
    """Codec of one stream; its ``start`` message sets the audio format. Implements ``MediaCodec``.

    Args:
        requested_rate: What the stream's URL asked for, in Hz; used when ``start`` says nothing.
        chunk_bytes: Raw bytes of one message of ours; 0 takes what suits the rate.

    Attributes:
        started: What ``start`` said; empty before.
    """

    def __init__(self, requested_rate: int = 8000, chunk_bytes: int = 0) -> None:
        self.started = ExotelStarted("", "", "")
        self.sample_rate = requested_rate
        self._requested_chunk_bytes = chunk_bytes
        self._ulaw = False
        self._partial_sample = b""  # of a sample that a message cut in two
        self._pending = bytearray()
        self._ids = b""
        self._begun = False
        self._chunks = 0
        self._messages = 0
        self._received_bytes = 0
        self._sent_until = 0  # bytes, on the axis of `_received_bytes`
        self._set_format(requested_rate, ulaw=False)

    def _set_format(self, sample_rate: int, *, ulaw: bool) -> None:
        width = 1 if ulaw else 2
        self._ulaw = ulaw
        self.sample_rate = sample_rate
        self.bytes_per_ms = sample_rate * width // 1000
        # The rules are written for linear samples; half as many bytes of mu-law last as long.
        self._chunk_bytes = self._requested_chunk_bytes or CHUNK_BYTES[sample_rate] * width // 2
        self._least_bytes = min(MIN_BYTES * width // 2, self._chunk_bytes)
        self.lead_ms = self._chunk_bytes / self.bytes_per_ms + SLACK_MS

    # ---- from Exotel --------------------------------------------------------------------------

    def decode(self, message: memoryview) -> bytes | ExotelStarted | CallerEvent | None:
        """Decode one message of the stream.

        Raises:
            WireError: It is not JSON, or a field it must have is missing or malformed.
        """
        try:
            body = _decode(message)
        except UNREADABLE:
            return self._decode_any(message)
        if body.event == "media" and body.media is not None:
            if not self.started.stream_id and body.stream_sid:
                self._set_stream(body.stream_sid)
            return self._count_audio(body.media.payload, body.media.track)
        return self._decode_any(message)

    def _count_audio(self, payload: bytes, track: str) -> bytes | None:
        if track.lower().startswith("outbound"):
            return None
        self._received_bytes += len(payload)
        return payload

    def _decode_any(self, message: memoryview) -> bytes | ExotelStarted | CallerEvent | None:
        """Decode a message with any spelling of its keys, and of its event."""
        if is_blank(message):
            return None
        try:
            body = read_object(message)
        except UNREADABLE as exc:
            raise WireError("exotel: unreadable stream message") from exc
        match event_name(body):
            case "":
                raise WireError("exotel: a stream message without an event")
            case "media":
                return self._any_media(body)
            case "start":
                return self._start(body)
            case "dtmf":
                keys = (mapping(body.get("dtmf")), body)
                digit = first_text(keys, "digit", "dtmf").strip()
                return DtmfPressed(digit) if digit in _DIGITS else None
            case "mark":
                # One without a name tells nothing of what was played.
                name = first_text((mapping(body.get("mark")), body), "name")
                return MarkReached(name) if name else None
            case "stop":
                return CallerHungUp()  # the same as a closed socket
        return None

    def _any_media(self, body: Mapping[str, Any]) -> bytes | None:
        media = mapping(body.get("media")) or body
        payload = audio_bytes(media.get("payload"))
        if payload is None:
            raise WireError("exotel: malformed media message")
        if not self.started.stream_id and (sid := first_text((body,), "streamsid")):
            self._set_stream(sid)
        return self._count_audio(payload, first_text((media,), "track"))

    def _start(self, body: Mapping[str, Any]) -> ExotelStarted | None:
        said = mapping(body.get("start"))
        both = (said, body)
        call_sid = first_text(both, "callsid")
        kind, rate = audio_format(said.get("mediaformat") or body.get("mediaformat"))
        ulaw = kind == MULAW
        rate = 8000 if ulaw else rate or self.sample_rate  # mu-law is 8 kHz by its nature
        if self._begun:
            same_call = call_sid in ("", self.started.provider_call_id)
            if not same_call or (ulaw, rate) != (self._ulaw, self.sample_rate):
                raise WireError("exotel: a second start message, with something else")
            return None
        if kind not in _READABLE:
            raise WireError("exotel: a stream in an encoding that is not read")
        if rate not in SAMPLE_RATES:
            raise WireError("exotel: a stream at a rate that does not exist")
        parameters = mapping(said.get("customparameters") or body.get("customparameters"))
        self._begun = True
        self.started = ExotelStarted(
            provider_call_id=call_sid,
            stream_id="",
            account_id=first_text(both, "accountsid"),
            from_number=first_text(both, "from"),
            to_number=first_text(both, "to"),
            parameters={key: text(value) for key, value in parameters.items()},
        )
        self._set_stream(first_text(both, "streamsid"))
        self._set_format(rate, ulaw=ulaw)
        return self.started

    def _set_stream(self, stream_sid: str) -> None:
        """Keep the stream's id, which a sender may leave to its later messages."""
        self.started = replace(self.started, stream_id=stream_sid)
        name = json.dumps(stream_sid)
        self._ids = f'"stream_sid":{name},"streamSid":{name},'.encode() if stream_sid else b""

    def to_pcm(self, payload: bytes) -> bytes:
        """Decode mu-law, or join linear samples that were split between messages."""
        if self._ulaw:
            return g711.ulaw_to_pcm(payload)
        payload = self._partial_sample + payload
        whole = payload[: len(payload) & ~1]
        self._partial_sample = payload[len(whole) :]
        return whole

    # ---- to Exotel ----------------------------------------------------------------------------

    def encode_audio(self, pcm: bytes) -> list[bytes]:
        """Encode the full media messages; the rest of ``pcm`` is held back."""
        pending, size = self._pending, self._chunk_bytes
        pending += g711.pcm_to_ulaw(pcm) if self._ulaw else pcm
        full = len(pending) - len(pending) % size
        messages = [self._media(bytes(pending[at : at + size])) for at in range(0, full, size)]
        del pending[:full]
        return messages

    def encode_tail(self) -> tuple[bytes, ...]:
        """Encode what is held back, padded with silence to a size that Exotel plays well."""
        if not self._pending:
            return ()
        size = max(-(-len(self._pending) // ALIGNMENT_BYTES) * ALIGNMENT_BYTES, self._least_bytes)
        silence = b"\xff" if self._ulaw else b"\0"
        payload = bytes(self._pending).ljust(size, silence)
        self._pending.clear()
        return (self._media(payload),)

    def encode_clear(self) -> bytes:
        """Encode ``clear``, and drop what is held back."""
        self._pending.clear()
        return b'{"event":"clear",%b"sequence_number":"%d"}' % (self._ids, self._next_message())

    def encode_mark(self, name: str) -> bytes:
        """Encode ``mark``; Exotel returns it once everything before it was played."""
        mark = json.dumps({"name": name}).encode()
        return b'{"event":"mark",%b"sequence_number":"%d","mark":%b}' % (
            self._ids,
            self._next_message(),
            mark,
        )

    def _media(self, payload: bytes) -> bytes:
        self._chunks += 1
        starts = max(self._sent_until, self._received_bytes)
        self._sent_until = starts + len(payload)
        return (
            b'{"event":"media",%b"sequence_number":"%d",'
            b'"media":{"chunk":"%d","timestamp":"%d","payload":"%b"}}'
        ) % (
            self._ids,
            self._next_message(),
            self._chunks,
            starts // self.bytes_per_ms,
            b2a_base64(payload, newline=False),
        )

    def _next_message(self) -> int:
        self._messages += 1
        return self._messages
