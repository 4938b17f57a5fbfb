"""The simulated Exotel keeps to Exotel's rules: its wire, its ear, its applets, its REST API."""

import base64
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx
import pytest

from fwai.adapters.exotel.client import ExotelClient
from fwai.adapters.exotel.codec import ExotelCodec
from fwai.domain.events import CallerHungUp, DtmfPressed, MarkReached
from fwai.errors import ApiAuthError, ApiError, ApiUnknownError, WireError
from fwai.simulator.common.rest import ApiFault
from fwai.simulator.common.voice import standard_repertoire
from fwai.simulator.common.wire import (
    L16,
    MULAW,
    Checkpoint,
    ClearAudio,
    PlayAudio,
    StreamFormat,
)
from fwai.simulator.exotel.api import ExotelApi
from fwai.simulator.exotel.applets import read_stream_url
from fwai.simulator.exotel.ear import ExotelEar
from fwai.simulator.exotel.malformed import KINDS
from fwai.simulator.exotel.stream import StreamOptions, audio_of
from fwai.simulator.exotel.wire import Decoder, Encoder, Spelling, StreamFacts

FACTS = StreamFacts(
    stream_id="S1",
    call_sid="C1",
    account_id="acme1",
    from_number="09999900001",
    to_number="08047100000",
    parameters={"t": "abc"},
)
FORMATS = [StreamFormat(L16, rate) for rate in (8000, 16000, 24000)] + [StreamFormat(MULAW, 8000)]
PASSWORD = "token"
Work = Callable[[ExotelApi, ExotelClient], Awaitable[None]]
both_spellings = pytest.mark.parametrize("spelling", ["snake", "camel"])


# ---- the wire -----------------------------------------------------------------------------------


@both_spellings
@pytest.mark.parametrize("audio", FORMATS, ids=str)
def test_what_exotel_says_is_understood(spelling: Spelling, audio: StreamFormat) -> None:
    exotel, codec = Encoder(FACTS, audio, spelling), ExotelCodec()

    def hear(message: str) -> object:
        return codec.decode(memoryview(message.encode()))

    assert hear(exotel.connected()) is None
    hear(exotel.start())
    assert (codec.started.provider_call_id, codec.started.stream_id) == ("C1", "S1")
    assert (codec.started.account_id, codec.started.parameters) == ("acme1", {"t": "abc"})
    assert codec.sample_rate == audio.sample_rate
    assert hear(exotel.media(b"\1\2" * 160)) == b"\1\2" * 160
    assert hear(exotel.dtmf("#")) == DtmfPressed("#")
    assert hear(exotel.mark("end-1")) == MarkReached("end-1")
    assert hear(exotel.stop("callended")) == CallerHungUp()


@both_spellings
def test_exotel_writes_its_keys_in_one_spelling(spelling: Spelling) -> None:
    start = json.loads(Encoder(FACTS, FORMATS[0], spelling).start())

    assert ("streamSid" in start) is (spelling == "camel")
    assert ("stream_sid" in start["start"]) is (spelling == "snake")


@both_spellings
@pytest.mark.parametrize("audio", FORMATS, ids=str)
def test_what_we_say_keeps_exotels_rules(spelling: Spelling, audio: StreamFormat) -> None:
    codec = ExotelCodec()
    codec.decode(memoryview(Encoder(FACTS, audio, spelling).start().encode()))
    exotel = Decoder("S1", audio, spelling)

    said = [*codec.encode_audio(bytes(20_000)), *codec.encode_tail()]
    commands = [exotel.decode(message.decode()) for message in said]

    assert all(isinstance(command, PlayAudio) for command in commands)
    assert exotel.doubts == []
    assert exotel.decode(codec.encode_mark("m").decode()) == Checkpoint("m")
    assert exotel.decode(codec.encode_clear().decode()) == ClearAudio()


def media(wire: bytes = bytes(3200), **changes: object) -> str:
    body = {"chunk": "1", "timestamp": "0", "payload": base64.b64encode(wire).decode(), **changes}
    return json.dumps({"event": "media", "stream_sid": "S1", "sequence_number": "1", "media": body})


@pytest.mark.parametrize(
    ("message", "doubt"),
    [
        (media(bytes(3000)), "media: not a multiple of 320 bytes"),
        (media(bytes(640)), "media: less than 3200 bytes"),
        (media(chunk="2"), "media: chunk does not count up from 1"),
        (media(chunk=1), "media: chunk does not count up from 1"),
        (media(timestamp=None), "media: timestamp does not count up"),
    ],
)
def test_a_bent_rule_is_noted_and_the_sound_played(message: str, doubt: str) -> None:
    exotel = Decoder("S1", FORMATS[0], "snake")

    assert isinstance(exotel.decode(message), PlayAudio)
    assert doubt in exotel.doubts


@pytest.mark.parametrize(
    "message",
    [
        b"{}",
        "{not json",
        "[]",
        '{"event": "playAudio", "stream_sid": "S1"}',
        '{"event": "clear"}',
        '{"event": "clear", "streamSid": "S1"}',
        '{"event": "clear", "stream_sid": "S2"}',
        '{"event": "mark", "stream_sid": "S1"}',
        '{"event": "media", "stream_sid": "S1"}',
        media(b"RIFF" + bytes(3196)),
        media(bytes(100_320)),
        media(payload="***"),
    ],
)
def test_a_broken_rule_is_an_error(message: str | bytes) -> None:
    with pytest.raises(WireError):
        Decoder("S1", FORMATS[0], "snake").decode(message)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_garbage_is_read_or_refused(kind: str) -> None:
    message = KINDS[kind]("S1")
    codec = ExotelCodec()
    codec.decode(memoryview(Encoder(FACTS, FORMATS[0], "snake").start().encode()))

    with suppress(WireError):
        codec.decode(memoryview(message if isinstance(message, bytes) else message.encode()))


# ---- the stream's address -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "rate"),
    [
        ("", 8000),
        ("?sample-rate=16000", 16000),
        ("?sample-rate=24000", 24000),
        ("?sample-rate=1", 8000),
    ],
)
def test_the_address_asks_for_the_rate(query: str, rate: int) -> None:
    assert audio_of(f"wss://h/s{query}", StreamOptions()) == StreamFormat(L16, rate)


@pytest.mark.parametrize(
    "body",
    [
        b"wss://h/s",
        b"[]",
        b'{"URL": "wss://h/s"}',
        b'{"url": "wss://h/s", "x": 1}',
        b'{"url": "https://h/s"}',
        b'{"url": "wss://h/s?a=1&b=2&c=3&d=4"}',
        b'{"url": "wss://h/s?a=' + b"x" * 260 + b'"}',
        b'{"url": "wss://h/' + b"x" * 600 + b'"}',
    ],
)
def test_an_address_that_breaks_a_rule_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        read_stream_url(body)


# ---- the ear ------------------------------------------------------------------------------------


def test_a_clear_lets_the_message_that_plays_come_to_its_end() -> None:
    ear = ExotelEar(standard_repertoire(), lambda *_, **__: None)
    ear.open(8000)
    loud = b"\x00\x20" * 1600  # 200 ms
    ear.play(loud, 0.0)
    ear.play(loud, 0.0)
    ear.checkpoint("m", 0.0)

    reached, silent_s, unheard_ms = ear.silence(0.05)
    marks = ear.advance(1.0)

    assert (reached, silent_s, unheard_ms) == ([], 0.2, 200.0)
    assert marks == []
    heard = ear.time_line.pcm(0, 1000)
    assert any(heard[: 200 * 16])
    assert not any(heard[200 * 16 :])


# ---- REST ---------------------------------------------------------------------------------------


async def with_api(work: Work, token: str = PASSWORD) -> None:
    async with ExotelApi("acme1", "key", PASSWORD) as api, httpx.AsyncClient() as http:
        await work(api, ExotelClient(http, "acme1", "key", token, "08047100000", api.url))


async def test_a_call_is_placed_and_looked_up() -> None:
    async def work(api: ExotelApi, client: ExotelClient) -> None:
        sid = await client.dial("+919999900001", stream_url="wss://h/s", status_url="https://h/st")

        (placed,) = api.calls
        assert (placed.sid, placed.value("From")) == (sid, "+919999900001")
        assert placed.form["StatusCallbackEvents[]"] == ["ringing", "answered", "terminal"]
        found = await client.details(sid)
        assert found is not None
        assert found.direction == "outbound-api"
        assert await client.details("0123") is None

    await with_api(work)


async def test_a_message_is_sent() -> None:
    async def work(api: ExotelApi, client: ExotelClient) -> None:
        sid = await client.send_sms("+919999900001", "Namaste, आपका कोर्स & more")

        (message,) = api.messages
        assert (message.sid, message.dst, message.text) == (
            sid,
            "+919999900001",
            "Namaste, आपका कोर्स & more",
        )

    await with_api(work)


async def test_wrong_credentials_are_refused() -> None:
    async def work(api: ExotelApi, client: ExotelClient) -> None:
        with pytest.raises(ApiAuthError):
            await client.send_sms("+919999900001", "Hello")
        assert not api.requests

    await with_api(work, token="guess")


async def test_dialling_our_own_line_is_refused() -> None:
    async def work(_: ExotelApi, client: ExotelClient) -> None:
        with pytest.raises(ApiError) as refused:
            await client.dial("08047100000", stream_url="wss://h/s", status_url="")
        assert refused.value.status == 400

    await with_api(work)


async def test_an_answer_that_was_lost_is_not_asked_for_twice() -> None:
    async def work(api: ExotelApi, client: ExotelClient) -> None:
        api.faults.append(ApiFault(502, "<html>", path="Calls/connect", carried_out=True))
        with pytest.raises(ApiUnknownError):
            await client.dial("+919999900001", stream_url="wss://h/s", status_url="")
        assert len(api.calls) == 1

    await with_api(work)


async def test_without_json_at_the_end_the_answer_is_xml() -> None:
    async with ExotelApi("acme1", "key", "token") as api, httpx.AsyncClient() as http:
        answer = await http.post(
            f"{api.url}/v1/Accounts/acme1/Sms/send",
            data={"From": "1", "To": "2", "Body": "a<b"},
            auth=("key", "token"),
        )

    assert answer.text.startswith("<TwilioResponse><SMSMessage><Sid>")
    assert "<Body>a&lt;b</Body>" in answer.text
