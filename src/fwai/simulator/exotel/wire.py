"""Encodes and decodes the messages of Exotel's media stream, from Exotel's side.

Source: Exotel's articles on the Stream and Voicebot applets, developer.exotel.com and the samples
of exotel/Agent-Stream (read 2026-11-22). No I/O.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from fwai.errors import WireError
from fwai.simulator.common.wire import (
    MULAW,
    Checkpoint,
    ClearAudio,
    PlayAudio,
    StreamFormat,
    read_object,
    read_payload,
    unknown_event,
)

Spelling = Literal["snake", "camel"]
"""Exotel's documents write ``stream_sid``, its newer samples ``streamSid``."""

GRAIN_BYTES: Final = 320
MIN_BYTES: Final = 3200
MAX_BYTES: Final = 100_000

Command = PlayAudio | Checkpoint | ClearAudio


def camel(name: str) -> str:
    """Return ``stream_sid`` as ``streamSid``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """Content of the ``start`` message.

    Attributes:
        stream_id: The stream's id.
        call_sid: The call's id.
        account_id: The account's SID.
        from_number: As Exotel writes it.
        to_number: Likewise.
        parameters: The applet's own parameters.
    """

    stream_id: str
    call_sid: str
    account_id: str
    from_number: str
    to_number: str
    parameters: Mapping[str, str]


class Encoder:
    """Writes Exotel's messages of one stream and counts them."""

    def __init__(self, facts: StreamFacts, audio: StreamFormat, spelling: Spelling) -> None:
        self._facts = facts
        self._audio = audio
        self._camel = spelling == "camel"
        self._sequence = 0
        self._chunk = 0
        self._sent_bytes = 0

    def _key(self, name: str) -> str:
        return camel(name) if self._camel else name

    def _object(self, **fields: object) -> dict[str, object]:
        return {self._key(name): value for name, value in fields.items()}

    def _event(self, event: str, **fields: object) -> str:
        self._sequence += 1
        head = self._object(sequence_number=str(self._sequence), stream_sid=self._facts.stream_id)
        return json.dumps({"event": event, **head, **fields})

    def connected(self) -> str:
        """Say that the socket is open."""
        return json.dumps({"event": "connected"})

    def start(self) -> str:
        """Open the stream."""
        facts, rate = self._facts, self._audio.sample_rate
        mulaw = self._audio.encoding == MULAW
        sound = self._object(
            encoding="audio/x-mulaw" if mulaw else "base64",
            sample_rate=rate if self._camel else str(rate),
            bit_rate="128kbps",
        )
        body = self._object(
            stream_sid=facts.stream_id,
            call_sid=facts.call_sid,
            account_sid=facts.account_id,
            to=facts.to_number,
            custom_parameters=dict(facts.parameters) or "",
            media_format=sound,
        )
        return self._event("start", start={**body, "from": facts.from_number})

    def media(self, wire: bytes) -> str:
        """Carry the caller's voice."""
        self._chunk += 1
        width = 1 if self._audio.encoding == MULAW else 2
        at_ms = self._sent_bytes * 1000 // (width * self._audio.sample_rate)
        self._sent_bytes += len(wire)
        payload = base64.b64encode(wire).decode("ascii")
        media = {"chunk": str(self._chunk), "timestamp": str(at_ms), "payload": payload}
        return self._event("media", media=media)

    def dtmf(self, digit: str) -> str:
        """Carry one key press."""
        return self._event("dtmf", dtmf={"digit": digit, "duration": "100"})

    def mark(self, name: str) -> str:
        """Tell that everything before the mark was played."""
        return self._event("mark", mark={"name": name})

    def stop(self, reason: str) -> str:
        """Close the stream: ``callended`` when the caller hung up, else ``stopped``."""
        ids = self._object(call_sid=self._facts.call_sid, account_sid=self._facts.account_id)
        return self._event("stop", stop={**ids, "reason": reason})


class Decoder:
    """Reads the server's messages of one stream, as strictly as the rules are written.

    Attributes:
        doubts: Rules that the last message bent; Exotel plays it nevertheless.
    """

    def __init__(self, stream_id: str, audio: StreamFormat, spelling: Spelling) -> None:
        self.doubts: list[str] = []
        self._stream_id = stream_id
        self._audio = audio
        self._id_key = camel("stream_sid") if spelling == "camel" else "stream_sid"
        self._least = MIN_BYTES // (2 if audio.encoding == MULAW else 1)
        self._chunk = 0
        self._sequence = 0
        self._timestamp = -1

    def decode(self, message: str | bytes) -> Command:
        """Read one message.

        Raises:
            WireError: A rule is broken; the text says which one and never quotes the payload.
        """
        self.doubts = []
        body = read_object(message)
        event = body.get("event")
        if event not in ("media", "mark", "clear"):
            raise unknown_event(event)
        if body.get(self._id_key) != self._stream_id:
            raise WireError(f"{event}: {self._id_key} is missing or not this stream's")
        if event == "clear":
            return ClearAudio()
        if event == "mark":
            mark = body.get("mark")
            name = mark.get("name") if isinstance(mark, dict) else None
            if not isinstance(name, str) or not name:
                raise WireError("mark: name is missing")
            return Checkpoint(name)
        return PlayAudio(self._media(body))

    def _media(self, body: dict[str, Any]) -> bytes:
        media = body.get("media")
        if not isinstance(media, dict) or not isinstance(media.get("payload"), str):
            raise WireError("media: payload is missing")
        wire = read_payload("media", media["payload"])
        self._count(body, media)
        if len(wire) % GRAIN_BYTES:
            self.doubts.append("media: not a multiple of 320 bytes")
        if len(wire) < self._least:
            self.doubts.append(f"media: less than {self._least} bytes")
        if len(wire) > MAX_BYTES:
            raise WireError("media: more than 100,000 bytes")
        return self._audio.decode(wire)

    def _count(self, body: dict[str, Any], media: dict[str, Any]) -> None:
        """Doubt a message that is not counted as Exotel's newer paths want it."""
        chunk = _number(media.get("chunk"))
        sequence = _number(body.get("sequence_number"))
        timestamp = _number(media.get("timestamp"))
        if chunk != self._chunk + 1:
            self.doubts.append("media: chunk does not count up from 1")
        if sequence <= self._sequence:
            self.doubts.append("media: sequence_number does not count up")
        if timestamp <= self._timestamp:
            self.doubts.append("media: timestamp does not count up")
        self._chunk, self._sequence, self._timestamp = chunk, sequence, timestamp


def _number(value: object) -> int:
    return int(value) if isinstance(value, str) and value.isdecimal() else -1
