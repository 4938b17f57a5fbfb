"""Malformed messages of Exotel's stream that a server has to survive."""

import base64
import json

from fwai.simulator.common.malformed import MakeMessage, malformed_media, malformed_messages

_NOISE = base64.b64encode(bytes(range(160)) * 2).decode("ascii")


def _media(stream_id: str, **media: object) -> str:
    return json.dumps({"event": "media", "stream_sid": stream_id, "media": media})


KINDS: dict[str, MakeMessage] = {
    **malformed_messages("stream_sid"),
    **malformed_media(_media, _NOISE),
    "dtmf_is_a_word": lambda _: json.dumps({"event": "dtmf", "dtmf": {"digit": "seven"}}),
    "second_start": lambda stream_id: json.dumps(
        {"event": "start", "start": {"call_sid": "other", "stream_sid": stream_id}}
    ),
    "clear": lambda stream_id: json.dumps({"event": "clear", "stream_sid": stream_id}),
}
"""Makes each kind of message from the stream's id."""
