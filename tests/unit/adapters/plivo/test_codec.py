"""Plivo's stream format: limits, byte order, and that nothing is lost on the way."""

import base64
import contextlib
import itertools
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fwai.adapters.media_codec import StreamStarted
from fwai.adapters.plivo.codec import PlivoCodec
from fwai.audio import g711
from fwai.errors import WireError

FORMATS = [("audio/x-mulaw", 8000), ("audio/x-l16", 8000), ("audio/x-l16", 16000)]
LINEAR = ("audio/x-l16", 16000)
pcm = st.binary(max_size=3000).map(lambda data: data[: len(data) & ~1])


def wire(message: dict[str, Any]) -> memoryview:
    return memoryview(json.dumps(message).encode())


def start(encoding: str, rate: int, stream: str = "s-1") -> memoryview:
    return wire(
        {
            "event": "start",
            "start": {
                "callId": "c-1",
                "streamId": stream,
                "accountId": "MA1",
                "mediaFormat": {"encoding": encoding, "sampleRate": rate},
            },
        }
    )


def media(payload: bytes) -> memoryview:
    text = base64.b64encode(payload).decode()
    return wire({"event": "media", "media": {"track": "inbound", "payload": text}})


def started(audio: tuple[str, int], *, big_endian: bool = False) -> PlivoCodec:
    codec = PlivoCodec(big_endian_l16=big_endian)
    codec.decode(start(*audio))
    return codec


def sent(codec: PlivoCodec, speech: bytes) -> list[dict[str, Any]]:
    return [json.loads(message) for message in codec.encode_audio(speech)]


def heard(codec: PlivoCodec, message: memoryview) -> bytes:
    payload = codec.decode(message)
    assert isinstance(payload, bytes)
    return codec.to_pcm(payload)


@pytest.mark.parametrize(("audio", "bytes_per_ms"), list(zip(FORMATS, [8, 16, 32], strict=True)))
def test_what_start_says_decides_the_format(audio: tuple[str, int], bytes_per_ms: int) -> None:
    codec = started(audio)

    assert (codec.sample_rate, codec.bytes_per_ms) == (audio[1], bytes_per_ms)
    assert sent(codec, bytes(4))[0]["event"] == "playAudio"
    assert sent(codec, bytes(4))[0]["media"] == {
        "contentType": audio[0],
        "sampleRate": audio[1],
        "payload": base64.b64encode(
            b"\xff\xff" if audio[0] == "audio/x-mulaw" else bytes(4)
        ).decode(),
    }


@pytest.mark.parametrize("audio", FORMATS)
@pytest.mark.parametrize("big_endian", [False, True])
@given(speech=pcm)
def test_what_is_encoded_can_be_decoded_without_loss(
    audio: tuple[str, int], big_endian: bool, speech: bytes
) -> None:
    codec = started(audio, big_endian=big_endian)
    if audio[0] == "audio/x-mulaw":
        speech = g711.ulaw_to_pcm(g711.pcm_to_ulaw(speech))  # as good as mu-law can be

    payloads = [base64.b64decode(one["media"]["payload"]) for one in sent(codec, speech)]
    back = b"".join(heard(codec, media(payload)) for payload in payloads)

    assert back == speech


@pytest.mark.parametrize("audio", FORMATS)
@given(seconds=st.floats(0, 8))
def test_no_message_carries_more_than_plivo_takes(audio: tuple[str, int], seconds: float) -> None:
    codec = started(audio)
    speech = bytes(int(seconds * audio[1]) * 2)

    payloads = [one["media"]["payload"] for one in sent(codec, speech)]

    assert all(0 < len(payload) <= 16 * 1024 for payload in payloads)
    wire_bytes = sum(len(base64.b64decode(payload)) for payload in payloads)
    assert wire_bytes == len(speech) // (2 if audio[0] == "audio/x-mulaw" else 1)


def test_linear_samples_are_little_endian_unless_told_otherwise() -> None:
    little, big = started(LINEAR), started(LINEAR, big_endian=True)

    assert heard(little, media(b"\x01\x00\xfe\xff")) == b"\x01\x00\xfe\xff"
    assert heard(big, media(b"\x00\x01\xff\xfe")) == b"\x01\x00\xfe\xff"
    assert sent(little, b"\x01\x02")[0]["media"]["payload"] == "AQI="
    assert sent(big, b"\x01\x02")[0]["media"]["payload"] == "AgE="


def test_byte_order_does_not_touch_mulaw() -> None:
    codec = started(("audio/x-mulaw", 8000), big_endian=True)

    assert heard(codec, media(b"\x00\x80")) == g711.ulaw_to_pcm(b"\x00\x80")


@pytest.mark.parametrize("big_endian", [False, True])
@given(speech=pcm, cuts=st.lists(st.integers(0, 3000), max_size=6))
@example(speech=b"\x01\x02\x03\x04", cuts=[1])
def test_a_sample_cut_in_two_between_messages_is_put_together(
    big_endian: bool, speech: bytes, cuts: list[int]
) -> None:
    """Dropping half a sample would shift all that follows: noise to the end of the call."""
    codec = started(LINEAR, big_endian=big_endian)
    whole = heard(started(LINEAR, big_endian=big_endian), media(speech))
    edges = [0, *sorted(min(cut, len(speech)) for cut in cuts), len(speech)]

    pieces = [heard(codec, media(speech[a:b])) for a, b in itertools.pairwise(edges)]

    assert b"".join(pieces) == whole
    assert all(len(piece) % 2 == 0 for piece in pieces)


def test_clear_and_checkpoint_name_the_stream() -> None:
    codec = started(LINEAR)

    assert json.loads(codec.encode_clear()) == {"event": "clearAudio", "streamId": "s-1"}
    assert json.loads(codec.encode_mark("end-1")) == {
        "event": "checkpoint",
        "streamId": "s-1",
        "name": "end-1",
    }


def test_a_stream_id_is_quoted() -> None:
    codec = PlivoCodec()
    codec.decode(start(*LINEAR, stream='s"\\\u20ac'))

    assert json.loads(codec.encode_clear())["streamId"] == 's"\\\u20ac'


def test_a_second_start_is_refused_and_changes_nothing() -> None:
    codec = started(("audio/x-mulaw", 8000))

    with pytest.raises(WireError, match="second start"):
        codec.decode(start(*LINEAR))

    assert codec.sample_rate == 8000
    assert sent(codec, bytes(2))[0]["media"]["contentType"] == "audio/x-mulaw"


def test_a_refused_start_does_not_count_as_one() -> None:
    codec = PlivoCodec()
    with pytest.raises(WireError):
        codec.decode(start("audio/x-alaw", 8000))

    assert isinstance(codec.decode(start(*LINEAR)), StreamStarted)


@pytest.mark.parametrize(
    "message",
    [
        b'{"event":"dtmf","dtmf":{"digit":"\xff"}}',
        b'{"event":"playedStream","name":"\xff\xfe"}',
        b'{"event":"\xff"}',
        b"\xff\xfe",
        b"\x00",
        b'{"event":"x","a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ],
    ids=["digit", "name", "event", "bytes", "nul", "deep"],
)
def test_bytes_that_are_no_text_are_an_error_of_the_wire(message: bytes) -> None:
    with pytest.raises(WireError):
        PlivoCodec().decode(memoryview(message))


@given(message=st.binary(max_size=200))
def test_any_bytes_are_an_event_or_an_error_of_the_wire(message: bytes) -> None:
    with contextlib.suppress(WireError):
        PlivoCodec().decode(memoryview(message))


@given(
    kind=st.sampled_from(["start", "media", "dtmf", "playedStream", "stop", "clearedAudio", "new"]),
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["payload", "digit", "mediaFormat", "x"]), inner)
        ),
        max_leaves=6,
    ),
)
def test_any_json_is_an_event_or_an_error_of_the_wire(kind: str, body: object) -> None:
    message = wire({"event": kind, "name": body, kind: body})
    with contextlib.suppress(WireError):
        PlivoCodec().decode(message)


def test_an_oversized_payload_is_only_audio() -> None:
    """The socket limits a message to 64 KB; the codec has no opinion on its length."""
    codec = started(LINEAR)

    assert len(heard(codec, media(bytes(48_000)))) == 48_000
