"""Malformed stream messages that every provider's server has to survive."""

import json
from collections.abc import Callable

MakeMessage = Callable[[str], str | bytes]
"""Makes a message from the stream's id."""


def malformed_messages(id_key: str) -> dict[str, MakeMessage]:
    """Return the kinds that look alike at every provider.

    Args:
        id_key: How the provider spells the key of the stream's id.
    """

    def event(name: str) -> MakeMessage:
        return lambda stream_id: json.dumps({"event": name, id_key: stream_id})

    return {
        "not_json": lambda _: "{not json",
        "not_an_object": lambda _: "[1, 2, 3]",
        "null": lambda _: "null",
        "empty": lambda _: "",
        "binary": lambda _: b"\x00\x01\x02\xff",
        "invalid_utf8_binary": lambda _: b"\xff\xfe\xfd",
        "no_event": lambda stream_id: json.dumps({id_key: stream_id}),
        "unknown_event": event("telepathy"),
        "event_is_a_number": lambda _: json.dumps({"event": 42}),
        "media_missing": event("media"),
        "media_is_text": lambda _: json.dumps({"event": "media", "media": "loud"}),
        "dtmf_missing": event("dtmf"),
        "deep": lambda _: "[" * 5000 + "]" * 5000,
    }


def malformed_media(media: Callable[..., str], noise: str) -> dict[str, MakeMessage]:
    """Return media messages whose payload is wrong.

    Args:
        media: Makes a media message from the stream's id and the fields of ``media``.
        noise: A payload that is right.
    """
    return {
        "payload_missing": lambda stream_id: media(stream_id, chunk="1"),
        "payload_is_a_number": lambda stream_id: media(stream_id, payload=7),
        "payload_empty": lambda stream_id: media(stream_id, payload=""),
        "bad_base64": lambda stream_id: media(stream_id, payload="***"),
        "odd_bytes": lambda stream_id: media(stream_id, payload="AAAA"),
        "outbound_track": lambda stream_id: media(stream_id, track="outbound", payload=noise),
        "huge": lambda stream_id: media(stream_id, payload="A" * 70_000),
    }
