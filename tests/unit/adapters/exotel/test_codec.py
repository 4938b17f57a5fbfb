"""What is sent to Exotel, message by message, and what a stream's format is settled by."""

import base64
import json
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.adapters.exotel.codec import (
    ALIGNMENT_BYTES,
    MAX_BYTES,
    MIN_BYTES,
    ExotelCodec,
    ExotelStarted,
)
from fwai.audio import g711
from fwai.domain.events import CallerHungUp
from fwai.errors import WireError
from fwai.simulator.common.wire import (
    L16,
    MULAW,
    Checkpoint,
    ClearAudio,
    PlayAudio,
    StreamFormat,
)
from fwai.simulator.exotel.wire import Decoder, Spelling

RATES = [8000, 16000, 24000]


def start(rate: object = None, encoding: str = "base64", **more: object) -> memoryview:
    sound = {"encoding": encoding} | ({} if rate is None else {"sample_rate": rate})
    ids = {"stream_sid": "S1", "call_sid": "C1", "account_sid": "acme1"}
    body = {"event": "start", "start": {**ids, "media_format": sound, **more}}
    return memoryview(json.dumps(body).encode())


def stream(
    rate: int = 8000, encoding: str = "base64", asked: int = 8000, chunk: int = 0
) -> ExotelCodec:
    codec = ExotelCodec(asked, chunk)
    codec.decode(start(rate, encoding))
    return codec


def payload(message: bytes) -> bytes:
    return base64.b64decode(json.loads(message)["media"]["payload"])


def caller(ms: int, rate: int = 8000) -> memoryview:
    sound = base64.b64encode(bytes(ms * rate // 500)).decode()
    return memoryview(json.dumps({"event": "media", "media": {"payload": sound}}).encode())


# ---- the format ---------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", RATES)
@pytest.mark.parametrize("told", RATES)
def test_what_start_says_counts_more_than_what_was_asked(asked: int, told: int) -> None:
    assert stream(told, asked=asked).sample_rate == told


@pytest.mark.parametrize("asked", RATES)
@pytest.mark.parametrize("told", [None, "", "fast", "8k", True, 1.5])
def test_what_was_asked_counts_when_start_says_nothing(asked: int, told: object) -> None:
    codec = ExotelCodec(asked)
    codec.decode(start(told))

    assert (codec.sample_rate, codec.bytes_per_ms) == (asked, asked // 500)


@pytest.mark.parametrize("rate", [44100, "11025", "48000", 1, "999999999"])
def test_a_rate_that_does_not_exist_is_refused(rate: object) -> None:
    with pytest.raises(WireError):
        ExotelCodec().decode(start(rate))


@pytest.mark.parametrize(
    ("rate", "encoding", "chunk", "size_ms"),
    [
        (8000, "base64", 3200, 200.0),
        (16000, "raw", 3200, 100.0),
        (24000, "", 3840, 80.0),
        (8000, "mulaw", 1600, 200.0),
    ],
)
def test_each_format_has_its_message_and_its_lead(
    rate: int, encoding: str, chunk: int, size_ms: float
) -> None:
    codec = stream(rate, encoding)

    (message,) = codec.encode_audio(bytes(round(size_ms * rate / 500)))

    assert len(payload(message)) == chunk
    assert codec.lead_ms == size_ms + 160.0


def test_messages_may_be_set_smaller() -> None:
    codec = stream(chunk=640)

    assert [len(payload(one)) for one in codec.encode_audio(bytes(1300))] == [640, 640]
    assert len(payload(codec.encode_tail()[0])) == 640


def test_a_second_start_is_refused() -> None:
    codec = stream()

    with pytest.raises(WireError):
        codec.decode(start(16000))

    assert codec.sample_rate == 8000


def test_a_start_without_its_ids_leaves_them_to_the_token_and_the_media() -> None:
    codec = ExotelCodec()

    started = codec.decode(start(8000, call_sid="", stream_sid=""))

    assert isinstance(started, ExotelStarted)
    assert (started.provider_call_id, started.stream_id) == ("", "")


@pytest.mark.parametrize("encoding", ["audio/x-alaw", "opus", "audio/wav", "g729"])
def test_an_encoding_that_is_not_read_is_refused(encoding: str) -> None:
    with pytest.raises(WireError, match="encoding"):
        ExotelCodec().decode(start(8000, encoding))


# ---- what is sent -------------------------------------------------------------------------------


def test_a_message_carries_both_spellings_and_counts() -> None:
    codec = stream()
    codec.decode(caller(100))

    first, second = (json.loads(one) for one in codec.encode_audio(bytes(6400)))

    sound = base64.b64encode(bytes(3200)).decode()
    ids = {"event": "media", "stream_sid": "S1", "streamSid": "S1"}
    assert first == {
        **ids,
        "sequence_number": "1",
        "media": {"chunk": "1", "timestamp": "100", "payload": sound},
    }
    assert second == {
        **ids,
        "sequence_number": "2",
        "media": {"chunk": "2", "timestamp": "300", "payload": sound},
    }


def test_time_goes_on_while_nothing_is_said() -> None:
    codec = stream()
    codec.encode_audio(bytes(3200))
    for _ in range(10):
        codec.decode(caller(100))

    (message,) = codec.encode_audio(bytes(3200))

    assert json.loads(message)["media"]["timestamp"] == "1000"


def test_clear_and_mark_carry_both_spellings() -> None:
    codec = stream()

    assert json.loads(codec.encode_clear()) == {
        "event": "clear",
        "stream_sid": "S1",
        "streamSid": "S1",
        "sequence_number": "1",
    }
    assert json.loads(codec.encode_mark('turn "7"')) == {
        "event": "mark",
        "stream_sid": "S1",
        "streamSid": "S1",
        "sequence_number": "2",
        "mark": {"name": 'turn "7"'},
    }


def test_a_stream_id_is_written_as_json() -> None:
    codec = ExotelCodec()
    codec.decode(start(8000, stream_sid='S"%d\\é'))

    assert json.loads(codec.encode_clear())["stream_sid"] == 'S"%d\\é'


def test_clear_forgets_what_is_held_back() -> None:
    codec = stream()
    codec.encode_audio(b"\1" * 3000)

    codec.encode_clear()

    assert codec.encode_tail() == ()


def test_there_is_no_tail_when_nothing_is_held_back() -> None:
    codec = stream()
    codec.encode_audio(bytes(3200))

    assert codec.encode_tail() == ()


@pytest.mark.parametrize(
    ("rate", "encoding", "said", "size"),
    [
        (8000, "base64", 2, 3200),
        (8000, "base64", 3198, 3200),
        (16000, "base64", 640, 3200),
        (24000, "base64", 2, 3200),
        (24000, "base64", 3202, 3520),
        (24000, "base64", 3838, 3840),
        (8000, "mulaw", 2, 1600),
    ],
)
def test_a_tail_is_padded_with_silence(rate: int, encoding: str, said: int, size: int) -> None:
    codec = stream(rate, encoding)
    codec.encode_audio(b"\1\1" * (said // 2))

    (message,) = codec.encode_tail()

    wire = payload(message)
    heard = codec.to_pcm(wire)
    assert len(wire) == size
    assert not any(heard[said:])
    assert codec.encode_tail() == ()


@given(
    rate=st.sampled_from(RATES),
    mulaw=st.booleans(),
    chunk=st.sampled_from([0, 320, 3200, 6400]),
    runs=st.lists(st.one_of(st.integers(0, 5000), st.none()), max_size=20),
)
def test_no_sample_is_lost_and_every_message_keeps_the_rules(
    rate: int, mulaw: bool, chunk: int, runs: list[int | None]
) -> None:
    """A number is speech of so many samples; None is the end of a reply."""
    codec = stream(rate, "mulaw" if mulaw else "raw", chunk=chunk)
    said, heard = bytearray(), bytearray()
    sample = 0
    for run in [*runs, None]:
        messages: list[bytes] = []
        if run is not None:
            samples = [(sample + at) % 30_000 + 1 for at in range(run)]
            sample += run
            pcm = b"".join(one.to_bytes(2, "little") for one in samples)
            said += g711.ulaw_to_pcm(g711.pcm_to_ulaw(pcm)) if mulaw else pcm
            messages += codec.encode_audio(pcm)
        else:
            messages += codec.encode_tail()
        for message in messages:
            wire = payload(message)
            assert len(wire) % ALIGNMENT_BYTES == 0
            assert min(chunk or MIN_BYTES, MIN_BYTES // (1 + mulaw)) <= len(wire) <= MAX_BYTES
            heard += codec.to_pcm(wire)
        if run is None:
            del heard[len(said) :]  # the padding

    assert heard == said


@pytest.mark.parametrize("spelling", ["snake", "camel"])
@given(script=st.lists(st.sampled_from(["say", "tail", "clear", "mark", "hear"]), max_size=40))
def test_exotel_has_nothing_to_complain_about(spelling: Spelling, script: list[str]) -> None:
    codec = stream()
    exotel = Decoder("S1", StreamFormat(L16, 8000), spelling)
    for act in script:
        match act:
            case "say":
                messages = codec.encode_audio(bytes(2000))
            case "tail":
                messages = list(codec.encode_tail())
            case "clear":
                messages = [codec.encode_clear()]
            case "mark":
                messages = [codec.encode_mark("m")]
            case _:
                codec.decode(caller(100))
                messages = []
        for message in messages:
            command = exotel.decode(message.decode())
            assert isinstance(command, PlayAudio | ClearAudio | Checkpoint)
            assert exotel.doubts == []


# ---- what comes in ------------------------------------------------------------------------------


@given(sound=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=5))
def test_a_sample_that_messages_cut_in_two_is_whole_again(sound: bytes, cuts: list[int]) -> None:
    codec = stream(16000)
    edges = sorted([0, *[min(cut, len(sound)) for cut in cuts], len(sound)])

    heard = b"".join(codec.to_pcm(sound[a:b]) for a, b in pairwise(edges))

    assert heard == sound[: len(sound) & ~1]


def test_mu_law_is_expanded() -> None:
    law = bytes(range(256))

    assert stream(8000, "PCMU").to_pcm(law) == g711.ulaw_to_pcm(law)
    assert Decoder("S1", StreamFormat(MULAW, 8000), "snake").doubts == []


@given(st.one_of(st.binary(max_size=300), st.text(max_size=100).map(str.encode)))
def test_whatever_comes_is_read_or_refused(message: bytes) -> None:
    with suppress(WireError):
        stream().decode(memoryview(message))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "event start media dtmf mark payload digit name track sampleRate".split()  # noqa: SIM905
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(
    event=st.sampled_from(["start", "media", "dtmf", "mark", "stop", "connected"]),
    body=st.dictionaries(
        st.sampled_from(["start", "media", "dtmf", "mark", "stream_sid", "callSid", "digit"]), JSON
    ),
)
def test_fields_of_any_kind_are_read_or_refused(event: str, body: dict[str, object]) -> None:
    message = json.dumps({"event": event, **body}).encode()
    try:
        decoded = ExotelCodec().decode(memoryview(message))
    except WireError:
        return
    assert event != "stop" or isinstance(decoded, CallerHungUp)
