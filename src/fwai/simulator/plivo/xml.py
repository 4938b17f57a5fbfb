"""Parses the answer XML of a call by Plivo's rules.

Source: https://www.plivo.com/docs/voice/xml/overview and .../the-stream-element (read 2026-11-22).
All functions are pure.
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from urllib.parse import urlsplit

from fwai.errors import WireError
from fwai.simulator.common.wire import StreamFormat
from fwai.simulator.plivo.wire import FORMATS

MAX_BODY_BYTES = 100 * 1024
MAX_URL_CHARS = 2048
MAX_EXTRA_HEADERS_BYTES = 512
DEFAULT_FORMAT = "audio/x-l16;rate=8000"
_STREAM_ATTRIBUTES = {
    "bidirectional", "keepCallAlive", "contentType", "audioTrack", "streamTimeout",
    "statusCallbackUrl", "statusCallbackMethod", "extraHeaders", "noiseCancellation",
    "noiseCancellationLevel",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StreamInstruction:
    """Open a media stream.

    Attributes:
        url: Where to; ``wss://``, or ``ws://`` on a test machine.
        audio: The format of both directions.
        bidirectional: Whether the server may play audio.
        keep_call_alive: Whether later instructions wait until the stream ends.
        timeout_s: After this time the stream is stopped.
        status_url: Where stream events are reported, or None.
        status_method: ``POST`` or ``GET``.
        extra_headers: Handed through to every message, as ``k=v;k=v``.
        doubts: What a careful server would have said differently.
    """

    url: str
    audio: StreamFormat
    bidirectional: bool
    keep_call_alive: bool
    timeout_s: float
    status_url: str | None
    status_method: str
    extra_headers: str
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HangUpInstruction:
    """End the call."""


@dataclass(frozen=True, slots=True)
class RedirectInstruction:
    """Fetch further instructions from another URL."""

    url: str
    method: str


@dataclass(frozen=True, slots=True)
class DialInstruction:
    """Connect the caller with somebody else."""

    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SpeakInstruction:
    """Say something to the caller; this telephone notes it and hears nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class OtherInstruction:
    """An element that this telephone passes over, such as ``Record``."""

    name: str


Instruction = (
    StreamInstruction
    | HangUpInstruction
    | RedirectInstruction
    | DialInstruction
    | SpeakInstruction
    | OtherInstruction
)


def read_instructions(content_type: str, body: bytes) -> list[Instruction]:
    """Return the XML's instructions, in order; an empty list ends the call.

    Raises:
        WireError: Plivo would hang up with code 8011; the text says why.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in {"application/xml", "text/xml"}:
        raise WireError(f"the answer's content type is {kind or 'missing'}, not application/xml")
    if len(body) >= MAX_BODY_BYTES:
        raise WireError("the answer has 100 KB or more")
    if not body.startswith(b"<"):
        raise WireError("the answer does not begin with XML")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise WireError("the answer declares a document type")
    try:
        root = ET.fromstring(body)  # noqa: S314 (no document type, at most 100 KB)
    except ET.ParseError as exc:
        raise WireError("the answer is not well-formed XML") from exc
    if root.tag != "Response":
        raise WireError(f"the answer is <{root.tag}>, not <Response>")
    return [_instruction(element) for element in root]


def _instruction(element: ET.Element) -> Instruction:
    text = (element.text or "").strip()
    match element.tag:
        case "Stream":
            return _stream(element, text)
        case "Hangup":
            return HangUpInstruction()
        case "Redirect":
            return RedirectInstruction(text, _method(element, "method"))
        case "Dial":
            return DialInstruction(tuple((child.text or "").strip() for child in element))
        case "Speak":
            return SpeakInstruction(text)
        case "Play" | "Wait" | "Record" | "DTMF" | "GetInput" | "GetDigits":
            return OtherInstruction(element.tag)
        case _:
            raise WireError(f"the answer has an unknown element <{element.tag}>")


def _stream(element: ET.Element, url: str) -> StreamInstruction:
    content_type = element.get("contentType", DEFAULT_FORMAT)
    audio = FORMATS.get(content_type)
    if audio is None:
        raise WireError("<Stream>: contentType is not one of " + ", ".join(FORMATS))
    bidirectional = _flag(element, "bidirectional")
    track = element.get("audioTrack", "inbound")
    if track not in {"inbound", "outbound", "both"} or (bidirectional and track != "inbound"):
        raise WireError("<Stream>: audioTrack does not go with bidirectional")
    extra = element.get("extraHeaders", "")
    if len(extra.encode()) > MAX_EXTRA_HEADERS_BYTES:
        raise WireError("<Stream>: extraHeaders has more than 512 bytes")
    return StreamInstruction(
        url=_stream_url(url),
        audio=audio,
        bidirectional=bidirectional,
        keep_call_alive=_flag(element, "keepCallAlive"),
        timeout_s=_number(element, "streamTimeout", 86400, 1, 86400),
        status_url=element.get("statusCallbackUrl"),
        status_method=_method(element, "statusCallbackMethod"),
        extra_headers=extra.replace(",", ";"),
        doubts=tuple(_doubts(element)),
    )


def _stream_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"ws", "wss"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise WireError("<Stream>: the address is not a wss:// URL")
    if len(url) > MAX_URL_CHARS:
        raise WireError("<Stream>: the address has more than 2048 characters")
    return url


def _doubts(element: ET.Element) -> list[str]:
    """Say what is allowed and still a mistake."""
    found = [
        f"<Stream>: unknown attribute {key}" for key in set(element.keys()) - _STREAM_ATTRIBUTES
    ]
    if "contentType" not in element.keys():  # noqa: SIM118 (not a mapping)
        found.append("<Stream>: contentType is not given, and its default is not certain")
    if not _flag(element, "bidirectional"):
        found.append("<Stream>: bidirectional is not true, so the caller hears nothing")
    if not _flag(element, "keepCallAlive"):
        found.append("<Stream>: keepCallAlive is not true, so the call ends in seconds")
    if _flag(element, "noiseCancellation"):
        _number(element, "noiseCancellationLevel", 85, 60, 100)
    return found


def _flag(element: ET.Element, name: str) -> bool:
    value = element.get(name, "false")
    if value not in {"true", "false"}:
        raise WireError(f"<Stream>: {name} is neither true nor false")
    return value == "true"


def _method(element: ET.Element, name: str) -> str:
    value = element.get(name, "POST").upper()
    if value not in {"GET", "POST"}:
        raise WireError(f"<{element.tag}>: {name} is neither GET nor POST")
    return value


def _number(element: ET.Element, name: str, default: int, low: int, high: int) -> int:
    text = element.get(name, str(default))
    if not text.isdecimal() or not low <= int(text) <= high:
        raise WireError(f"<{element.tag}>: {name} is not a number from {low} to {high}")
    return int(text)
