"""Plivo's messages and its rules for ours."""

import base64
import json

import pytest

from fwai.errors import WireError
from fwai.simulator.common.wire import (
    L16,
    MULAW,
    Checkpoint,
    ClearAudio,
    PlayAudio,
    StreamFormat,
)
from fwai.simulator.plivo.wire import FORMATS, Encoder, FormatMismatchError, SendDtmf, decode

ULAW8 = FORMATS["audio/x-mulaw;rate=8000"]
L16_16 = FORMATS["audio/x-l16;rate=16000"]


def b64(wire: bytes) -> str:
    return base64.b64encode(wire).decode()


def play(payload: object, kind: object = MULAW, rate: object = 8000) -> str:
    media = {"contentType": kind, "sampleRate": rate, "payload": payload}
    return json.dumps({"event": "playAudio", "media": media})


def test_audio_is_decoded() -> None:
    assert decode(play(b64(b"\xff" * 3)), "s", ULAW8) == PlayAudio(bytes(6))
    pcm = b"\x01\x00\xff\x7f"
    assert decode(play(b64(pcm), L16, "16000"), "s", L16_16) == PlayAudio(pcm)


def test_other_commands() -> None:
    def text(**body: str) -> str:
        return json.dumps(body)

    checkpoint = text(event="checkpoint", streamId="s", name="n")
    assert decode(checkpoint, "s", ULAW8) == Checkpoint("n")
    assert decode(text(event="clearAudio", streamId="s"), "s", ULAW8) == ClearAudio()
    assert decode(text(event="sendDTMF", dtmf="12#"), "s", ULAW8) == SendDtmf("12#")


@pytest.mark.parametrize(
    "message",
    [
        b"{}",
        "{",
        "[]",
        "{}",
        json.dumps({"event": "dance"}),
        json.dumps({"event": "playAudio"}),
        play(7),
        play(""),
        play("***"),
        play(b64(bytes(16_400))),
        play(b64(b"RIFF0000WAVE")),
        play("A" * 70_000),
        json.dumps({"event": "clearAudio"}),
        json.dumps({"event": "clearAudio", "streamId": "other"}),
        json.dumps({"event": "checkpoint", "streamId": "s"}),
        json.dumps({"event": "sendDTMF", "dtmf": "1w"}),
    ],
)
def test_broken_rules_are_refused(message: str | bytes) -> None:
    with pytest.raises(WireError):
        decode(message, "s", ULAW8)


@pytest.mark.parametrize(
    ("kind", "rate"), [("audio/x-mulaw;rate=8000", 8000), (L16, 8000), (MULAW, 16000)]
)
def test_another_format_is_refused(kind: str, rate: int) -> None:
    with pytest.raises(FormatMismatchError):
        decode(play(b64(bytes(160)), kind, rate), "s", ULAW8)


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(WireError):
        decode(play(b64(b"123"), L16, 16000), "s", L16_16)


def test_start_and_media_have_plivos_shape() -> None:
    encoder = Encoder("sid", "cid=abc")

    start = json.loads(encoder.start("call", "MA1", L16_16))
    first = json.loads(encoder.media("AAAA"))
    second = json.loads(encoder.media("BBBB"))

    assert start == {
        "event": "start",
        "sequenceNumber": 1,
        "start": {
            "callId": "call",
            "streamId": "sid",
            "accountId": "MA1",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-l16", "sampleRate": 16000},
        },
        "extra_headers": "cid=abc",
    }
    assert first["media"] == {"track": "inbound", "timestamp": "0", "chunk": 1, "payload": "AAAA"}
    assert second == {
        "event": "media",
        "sequenceNumber": 3,
        "streamId": "sid",
        "media": {"track": "inbound", "timestamp": "20", "chunk": 2, "payload": "BBBB"},
        "extra_headers": "cid=abc",
    }


def test_the_small_events() -> None:
    encoder = Encoder("sid")

    events = [
        encoder.dtmf("5", 3200),
        encoder.played("turn-7"),
        encoder.cleared(),
        encoder.error("buffer_overflow"),
        encoder.stop(),
    ]

    bodies = [json.loads(event) for event in events]
    assert [body["sequenceNumber"] for body in bodies] == [1, 2, 3, 4, 5]
    assert {body["streamId"] for body in bodies} == {"sid"}
    assert bodies[0]["dtmf"] == {"track": "inbound", "digit": "5", "timestamp": "3200"}
    assert bodies[1]["name"] == "turn-7"


@pytest.mark.parametrize("audio", FORMATS.values())
def test_frames_are_twenty_ms(audio: StreamFormat) -> None:
    frames = audio.frames(b"\x10\x00" * (audio.sample_rate // 1000 * 50))

    assert {len(base64.b64decode(frame)) for frame in (*frames, audio.silence())} == {
        len(audio.encode(bytes(audio.frame_samples * 2)))
    }
    assert len(frames) == 3
    assert not any(audio.decode(base64.b64decode(audio.silence())))
