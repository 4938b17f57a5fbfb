"""Reads the fields of a media stream's messages however a sender spells and types them. No I/O.

Documents, samples and live streams of one carrier differ in spelling (``stream_sid``,
``streamSid``), in types (numbers as text, text as numbers), in what is null or missing and in the
alphabet of base64. Where a field can have one meaning only, it is read; nothing is guessed.
"""

import json
import re
from binascii import a2b_base64
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from fwai.domain.plain_text import readable

MAX_TEXT_CHARS: Final = 4_000
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises; the last two for bytes that are no UTF-8 and for deep nesting."""

_KEEPALIVE_BYTES: Final = 16
_MAX_FORMAT_CHARS: Final = 200
_MAX_PAIRS: Final = 100  # of a message's largest, 65,000, would take a tenth of a second to read
_BOM: Final = b"\xef\xbb\xbf"
_PLAIN_BASE64: Final = str.maketrans("-_", "+/", " \t\r\n\f\v")
_BLANKS: Final = re.compile(r"\s+")
_MULAW: Final = ("mulaw", "ulaw", "pcmu", "audiobasic")
_LINEAR: Final = ("l16", "linear", "lin16", "slin", "pcm", "raw", "s16le")  # codespell:ignore slin
_OTHERS: Final = ("alaw", "pcma", "opus", "g722", "g729", "amr", "mp3", "wav", "ogg", "webm")
_decode = msgspec.json.Decoder(dict[str, Any]).decode

MULAW: Final = "mulaw"
LINEAR: Final = "linear"


def read_object(message: memoryview) -> dict[str, Any]:
    """Parse a message to an object whose keys are lower case without underscores.

    Raises:
        msgspec.MsgspecError, UnicodeDecodeError, RecursionError: It is no JSON object; see
            `UNREADABLE`.
    """
    if bytes(message[:3]) == _BOM:
        message = message[3:]
    return normalize_keys(_decode(message))


def is_blank(message: memoryview) -> bool:
    """Whether a message says nothing at all, as those that only keep a connection open."""
    return not bytes(message[:_KEEPALIVE_BYTES]).strip() and len(message) <= _KEEPALIVE_BYTES


def normalize_keys(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with its keys in lower case and without underscores."""
    return {key.replace("_", "").lower(): value for key, value in body.items()}


def event_name(body: Mapping[str, Any]) -> str:
    """Return the name of a message's event, lower case without underscores; empty when missing."""
    event = body.get("event")
    return event.strip().replace("_", "").lower() if isinstance(event, str) else ""


def mapping(value: object) -> dict[str, Any]:
    """Parse an object that may be written as JSON text or as ``k=v&k=v``."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = _form(str(value))
    return normalize_keys(value) if isinstance(value, dict) else {}


def _form(text: str) -> dict[str, str]:
    """Parse ``k=v&k=v``; nothing when there are more pairs than anybody means."""
    try:
        return dict(parse_qsl(text, max_num_fields=_MAX_PAIRS))
    except ValueError:
        return {}


def text(value: object) -> str:
    """Return text, without what is none, or a whole number as text; empty for anything else."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    return readable(str(value), MAX_TEXT_CHARS)


def first_text(bodies: tuple[Mapping[str, Any], ...], *keys: str) -> str:
    """Return the first text that is not blank, going through ``bodies`` in their order."""
    for body in bodies:
        for key in keys:
            found = text(body.get(key))
            if found.strip():
                return found
    return ""


def number(value: object) -> int | None:
    """Return a whole number of at most nine digits, given as a number or as text."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    digits = text(value).strip().removesuffix(".0")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else None


def audio_format(body: object) -> tuple[str, int | None]:
    """Read a media format: `MULAW`, `LINEAR`, another name, or empty when not said; rate in Hz.

    Args:
        body: An object with ``encoding`` and ``sampleRate`` or ``type`` and ``rate``, or a content
            type such as ``audio/x-mulaw;rate=8000``; either may hold the rate.
    """
    fields = mapping(body) if not isinstance(body, str) or body.lstrip()[:1] == "{" else {}
    said = body if isinstance(body, str) and not fields else ""
    said = first_text((fields,), "encoding", "type", "contenttype", "codec") or said
    kind, _, parameters = said[:_MAX_FORMAT_CHARS].partition(";")
    rate = number(fields.get("samplerate")) or number(fields.get("rate"))
    if rate is None:
        given = _form(_BLANKS.sub("", parameters.lower()).replace(";", "&"))
        rate = number(given.get("rate"))
    word = "".join(filter(str.isalnum, kind.lower()))
    if any(law in word for law in _MULAW):
        return MULAW, rate
    if any(other in word for other in _OTHERS):
        return word, rate
    if any(name in word for name in _LINEAR):
        return LINEAR, rate
    return word, rate


def audio_bytes(value: object) -> bytes | None:
    """Decode base64 of either alphabet, with or without padding and line breaks.

    Returns:
        None when it is no base64; nothing for a null, as senders write silence.
    """
    if value is None:
        return b""
    if not isinstance(value, str):
        return None
    plain = value.translate(_PLAIN_BASE64).rstrip("=")
    try:
        return a2b_base64(plain + "=" * (-len(plain) % 4), strict_mode=True)
    except ValueError:  # binascii's own error is one, and so is text that is not ASCII
        return None
