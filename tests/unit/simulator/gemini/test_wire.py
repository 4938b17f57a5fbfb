import base64
import json

import pytest

from fwai.simulator.gemini.wire import (
    LiveClose,
    audio_turn,
    content,
    decode_audio,
    encode,
    read_client,
    seconds,
)


@pytest.mark.parametrize(
    "frame",
    [
        {"realtime_input": {"audio": {"data": "-__-Pj__", "mime_type": "audio/pcm;rate=16000"}}},
        {"realtimeInput": {"audio": {"data": "+//+Pj//", "mimeType": "audio/pcm;rate=16000"}}},
    ],
)
def test_both_spellings_and_both_alphabets_are_read(frame: dict[str, object]) -> None:
    kind, body = read_client(json.dumps(frame).encode())

    assert kind == "realtimeInput"
    assert decode_audio(body["audio"]) == (bytes.fromhex("fbfffe3e3fff"), 16_000)


def test_what_belongs_to_the_user_keeps_its_spelling() -> None:
    frame = {
        "tool_response": {"functionResponses": [{"will_continue": True, "response": {"a_b": 1}}]}
    }

    _, body = read_client(json.dumps(frame))

    assert body["functionResponses"] == [{"willContinue": True, "response": {"a_b": 1}}]


@pytest.mark.parametrize(
    "message",
    [
        b"\xff",
        "no json",
        "[]",
        "{}",
        '{"setup": 1}',
        '{"hello": {}}',
        '{"setup": {}, "clientContent": {}}',
    ],
)
def test_a_broken_frame_closes_with_1007(message: str | bytes) -> None:
    with pytest.raises(LiveClose) as caught:
        read_client(message)

    assert caught.value.code == 1007


@pytest.mark.parametrize(
    ("mime", "rate"),
    [("audio/pcm", 16_000), ("audio/pcm;rate=8000", 8_000), ("audio/pcm; rate=24000", 24_000)],
)
def test_the_mime_type_gives_the_rate(mime: str, rate: int) -> None:
    assert decode_audio({"data": "AAA", "mimeType": mime}) == (b"\0\0", rate)


@pytest.mark.parametrize(
    "blob",
    [
        None,
        {"data": 1, "mimeType": "audio/pcm"},
        {"data": "AAAA"},
        {"data": "AAAA", "mimeType": "audio/opus"},
        {"data": "AAAA", "mimeType": "audio/pcm;rate=1"},
        {"data": "A", "mimeType": "audio/pcm"},
        {"data": "A*==", "mimeType": "audio/pcm"},
    ],
)
def test_what_is_no_audio_closes_with_1007(blob: object) -> None:
    with pytest.raises(LiveClose) as caught:
        decode_audio(blob)

    assert caught.value.code == 1007


def test_frames_are_written_as_utf_8() -> None:
    frame = content(outputTranscription={"text": "हाँ"}, modelTurn=audio_turn(b"\1\0"))

    read = json.loads(encode(frame).decode())

    blob = read["serverContent"]["modelTurn"]["parts"][0]["inlineData"]
    assert base64.b64decode(blob["data"]) == b"\1\0"
    assert blob["mimeType"] == "audio/pcm;rate=24000"


def test_a_close_reason_fits_into_its_frame() -> None:
    assert len(LiveClose(1007, "é" * 200).reason.encode()) <= 123


def test_durations_are_written_as_protobuf_does() -> None:
    assert [seconds(9_500), seconds(50_000)] == ["9.5s", "50s"]
