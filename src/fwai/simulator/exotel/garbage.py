"""Malformed messages that a server has to survive."""

import base64
import json
from collections.abc import Callable

_NOISE = base64.b64encode(bytes(range(160)) * 2).decode("ascii")


def _media(stream_id: str, **media: object) -> str:
    return json.dumps({"event": "media", "stream_sid": stream_id, "media": media})


KINDS: dict[str, Callable[[str], str | bytes]] = {
    "not_json": lambda _: "{not json",
    "not_an_object": lambda _: "[1, 2, 3]",
    "null": lambda _: "null",
    "empty": lambda _: "",
    "binary": lambda _: b"\x00\x01\x02\xff",
    "invalid_utf8_binary": lambda _: b"\xff\xfe\xfd",
    "no_event": lambda stream_id: json.dumps({"stream_sid": stream_id}),
    "unknown_event": lambda stream_id: json.dumps({"event": "silence", "stream_sid": stream_id}),
    "event_is_a_number": lambda _: json.dumps({"event": 42}),
    "media_missing": lambda stream_id: json.dumps({"event": "media", "stream_sid": stream_id}),
    "media_is_text": lambda _: json.dumps({"event": "media", "media": "loud"}),
    "payload_missing": lambda stream_id: _media(stream_id, chunk="1"),
    "payload_is_a_number": lambda stream_id: _media(stream_id, payload=7),
    "payload_empty": lambda stream_id: _media(stream_id, payload=""),
    "bad_base64": lambda stream_id: _media(stream_id, payload="***"),
    "odd_bytes": lambda stream_id: _media(stream_id, payload="AAAA"),
    "outbound_track": lambda stream_id: _media(stream_id, track="outbound", payload=_NOISE),
    "huge": lambda stream_id: _media(stream_id, payload="A" * 70_000),
    "dtmf_missing": lambda stream_id: json.dumps({"event": "dtmf", "stream_sid": stream_id}),
    "dtmf_is_a_word": lambda _: json.dumps({"event": "dtmf", "dtmf": {"digit": "seven"}}),
    "second_start": lambda stream_id: json.dumps(
        {"event": "start", "start": {"call_sid": "other", "stream_sid": stream_id}}
    ),
    "clear": lambda stream_id: json.dumps({"event": "clear", "stream_sid": stream_id}),
    "deep": lambda _: "[" * 5000 + "]" * 5000,
}
"""Makes each kind of message from the stream's id."""
