"""Malformed messages of Plivo's stream that a server has to survive."""

import base64
import json

from fwai.simulator.common.malformed import MakeMessage, malformed_media, malformed_messages

_NOISE = base64.b64encode(bytes(range(160))).decode("ascii")


def _media(stream_id: str, **media: object) -> str:
    body = {"track": "inbound", **media}
    return json.dumps({"event": "media", "sequenceNumber": 1, "streamId": stream_id, "media": body})


KINDS: dict[str, MakeMessage] = {
    **malformed_messages("streamId"),
    **malformed_media(_media, _NOISE),
    "dtmf_is_a_word": lambda stream_id: json.dumps(
        {"event": "dtmf", "streamId": stream_id, "dtmf": {"digit": "seven"}}
    ),
    "second_start": lambda stream_id: json.dumps(
        {"event": "start", "start": {"callId": "other", "streamId": stream_id}}
    ),
}
"""Makes each kind of message from the stream's id."""
