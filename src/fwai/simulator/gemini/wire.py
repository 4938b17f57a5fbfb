"""Decodes client frames and encodes server frames of the Live API, as the service does.

Source: Google's Live API reference as used by google-genai 3.4.0 (read 2026-11-22). The service
takes camelCase and snake_case, standard and URL-safe base64; it sends binary UTF-8 JSON with
camelCase keys.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

Json = dict[str, Any]

INPUT_HZ: Final = 16_000
"""Rate of caller audio whose mime type does not say."""

OUTPUT_HZ: Final = 24_000
"""Rate of the agent's audio."""

CLIENT_KINDS: Final = ("setup", "realtimeInput", "clientContent", "toolResponse", "contextUpdate")

# What lies under these keys is the user's own JSON, whose spelling is not the wire's.
_OPAQUE = frozenset(
    {"args", "response", "properties", "default", "example", "parametersJsonSchema", "labels"}
)
_AUDIO_MIME = re.compile(r"audio/pcm(?:\s*;\s*rate=(?P<rate>\d+))?\s*")
_MAX_REASON_BYTES = 123  # what a WebSocket close frame has room for


class LiveClose(Exception):  # noqa: N818 - an order to close, not an error of this program
    """The session must be closed with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")


def invalid(reason: str) -> LiveClose:
    """Return what the service does about an invalid argument: close with 1007."""
    return LiveClose(1007, reason)


def camel(key: str) -> str:
    """Return the camelCase spelling of a snake_case key; camelCase stays as it is."""
    first, *rest = key.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _normalise(value: object) -> object:
    if isinstance(value, dict):
        pairs = ((camel(key), item) for key, item in value.items())
        return {key: item if key in _OPAQUE else _normalise(item) for key, item in pairs}
    if isinstance(value, list):
        return [_normalise(item) for item in value]
    return value


def read_client(message: str | bytes) -> tuple[str, Json]:
    """Read one client frame.

    Returns:
        Its kind, one of ``CLIENT_KINDS``, and its body with camelCase keys.

    Raises:
        LiveClose: The service would close the session over it.
    """
    try:
        frame = json.loads(message)
    except ValueError as exc:
        raise invalid("Invalid JSON payload received.") from exc
    if not isinstance(frame, dict):
        raise invalid("Invalid JSON payload received. Expected an object.")
    frame = {camel(key): value for key, value in frame.items()}
    for key in frame:
        if key not in CLIENT_KINDS:
            raise invalid(unknown_name(key, ""))
    if len(frame) != 1:
        raise invalid("Invalid value: exactly one message type must be set.")
    kind, body = next(iter(frame.items()))
    body = _normalise(body)
    if not isinstance(body, dict):
        raise invalid(f"Invalid value at '{kind}'.")
    return kind, body


def unknown_name(key: str, where: str) -> str:
    """Return the service's sentence about a field it does not know."""
    place = f" at '{where}'" if where else ""
    return f'Invalid JSON payload received. Unknown name "{key}"{place}: Cannot find field.'


def decode_audio(blob: object) -> tuple[bytes, int]:
    """Read a blob of caller audio into s16le samples and their rate.

    Raises:
        LiveClose: It is no PCM audio or its base64 is broken.
    """
    if not isinstance(blob, dict) or not isinstance(blob.get("data"), str):
        raise invalid("Invalid value at 'realtime_input.audio'.")
    mime = blob.get("mimeType")
    match = _AUDIO_MIME.fullmatch(mime) if isinstance(mime, str) else None
    if match is None:
        raise invalid("Unsupported MIME type for realtime_input.audio.")
    rate = int(match["rate"] or INPUT_HZ)
    if not 8_000 <= rate <= 48_000:
        raise invalid(f"Unsupported sample rate {rate}.")
    text = blob["data"].translate(str.maketrans("-_", "+/"))
    try:
        pcm = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise invalid("Base64 decoding failed for realtime_input.audio.data.") from exc
    return pcm, rate


# ---- server frames ------------------------------------------------------------------------


def encode(frame: Mapping[str, Any]) -> bytes:
    """Write a server frame as the service does: UTF-8 JSON in a binary frame."""
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode()


def content(**fields: object) -> Json:
    """Return a serverContent frame."""
    return {"serverContent": fields}


def audio_turn(pcm: bytes, *, bare: bool = False) -> Json:
    """Return a modelTurn that carries s16le at 24 kHz; ``bare`` without role and type."""
    data = base64.b64encode(pcm).decode()
    if bare:
        return {"parts": [{"inlineData": {"data": data}}]}
    blob = {"mimeType": f"audio/pcm;rate={OUTPUT_HZ}", "data": data}
    return {"role": "model", "parts": [{"inlineData": blob}]}


def tool_call(calls: Sequence[Json]) -> Json:
    """Return a toolCall frame; each call is ``{id, name, args}``."""
    return {"toolCall": {"functionCalls": list(calls)}}


def seconds(milliseconds: float) -> str:
    """Return a protobuf duration such as ``9.5s``."""
    return f"{milliseconds / 1000:g}s"


def usage(prompt: int, response: int) -> Json:
    """Return usageMetadata of one turn, in tokens."""
    return {
        "promptTokenCount": prompt,
        "responseTokenCount": response,
        "totalTokenCount": prompt + response,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": prompt}],
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": response}],
    }
