"""Every kind of message that Plivo's stream may bring, composed from its documents."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fwai.adapters.media_codec import StreamStarted
from fwai.adapters.plivo.codec import PlivoCodec
from fwai.domain.events import CallerEvent, CallerHungUp, DtmfPressed, MarkReached
from fwai.errors import WireError
from tables import each_row

HERE = Path(__file__).parent


@cache
def recorded(name: str) -> list[dict[str, Any]]:
    body: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    messages: list[dict[str, Any]] = body["messages"]
    return messages


def wire(case: dict[str, Any]) -> memoryview:
    raw = case["raw"] if "raw" in case else json.dumps(case["message"])
    return memoryview(raw.encode())


def plain(event: bytes | StreamStarted | CallerEvent | None) -> dict[str, object]:
    """Return an event the way the recorded files write it."""
    match event:
        case bytes():
            return {"kind": "audio", "bytes": len(event)}
        case StreamStarted(call, stream, account):
            return {"kind": "start", "call": call, "stream": stream, "account": account}
        case DtmfPressed(digit):
            return {"kind": "dtmf", "digit": digit}
        case MarkReached(name):
            return {"kind": "mark", "name": name}
        case CallerHungUp(failed=False):
            return {"kind": "hang_up"}
        case None:
            return {"kind": "nothing"}
    raise AssertionError(event)


@pytest.mark.parametrize("case", recorded("start"), ids=lambda case: case["note"])
def test_a_start_settles_the_format(case: dict[str, Any]) -> None:
    codec = PlivoCodec()

    event = codec.decode(wire(case))

    assert {**plain(event), "rate": codec.sample_rate} == case["expect"]


@each_row("case", [*recorded("media"), *recorded("events")], ids=lambda case: case["note"])
def test_a_message_becomes_its_event(case: dict[str, Any]) -> None:
    codec = PlivoCodec()
    codec.decode(wire(recorded("start")[0]))

    assert plain(codec.decode(wire(case))) == case["expect"]


@each_row("case", recorded("malformed"), ids=lambda case: case["note"])
def test_a_malformed_message_is_an_error_that_shows_nothing_of_it(case: dict[str, Any]) -> None:
    codec = PlivoCodec()

    with pytest.raises(WireError) as refused:
        codec.decode(wire(case))

    assert len(str(refused.value)) < 60
    assert str(refused.value).startswith("plivo: ")


@pytest.mark.parametrize("name", ["start", "media", "events", "malformed"])
def test_every_recording_says_where_it_is_from(name: str) -> None:
    body = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))

    assert body["source"]
    assert body["read"]


@pytest.mark.parametrize(
    ("asked", "rate"), [("audio/x-mulaw;rate=8000", 8000), ("audio/x-l16;rate=16000", 16_000)]
)
def test_a_start_that_names_no_format_brings_what_was_asked_for(asked: str, rate: int) -> None:
    codec = PlivoCodec(asked=asked)

    started = codec.decode(memoryview(b'{"event":"start","start":{"callId":"c","streamId":"s"}}'))

    assert isinstance(started, StreamStarted)
    assert codec.sample_rate == rate


def _media(chunk: object) -> memoryview:
    return memoryview(
        json.dumps({"event": "media", "media": {"payload": "//8=", "chunk": chunk}}).encode()
    )


@pytest.mark.parametrize(
    ("chunks", "taken"),
    [
        ([1, 2, 3, 2, 4], [1, 2, 3, 4]),
        ([1, 3, 2, 5, 4, 6], [1, 3, 5, 6]),
        ([90, 91, 2, 3, 4, 5], [90, 91, 3, 4, 5]),
        ([9, 8, 7, 6, 5, 6], [9, 6]),
    ],
    ids=["one late", "pairs swapped", "counted anew", "counted down"],
)
def test_late_media_is_dropped_and_what_follows_is_taken(
    chunks: list[int], taken: list[int]
) -> None:
    codec = PlivoCodec()

    assert [chunk for chunk in chunks if codec.decode(_media(chunk))] == taken


@pytest.mark.parametrize("chunks", [[7, 7, 7], [5, 1, 2], ["9", "8"], [0, 0], [3, 90, 91]])
def test_counting_that_is_not_plivos_is_taken_as_it_is(chunks: list[object]) -> None:
    codec = PlivoCodec()

    assert all(codec.decode(_media(chunk)) for chunk in chunks)


# ---- senders that differ from the documents -----------------------------------------------------

VARIANTS = json.loads((HERE / "variants.json").read_text(encoding="utf-8"))


@each_row("case", VARIANTS["starts"], ids=lambda case: case["note"])
def test_a_start_that_differs_is_read_in_the_one_way_it_can_mean(case: dict[str, Any]) -> None:
    codec = PlivoCodec()

    event = codec.decode(wire(case))

    law = "mulaw" if codec.to_pcm(b"\xff\x7f") == bytes(4) else "linear"
    assert {**plain(event), "rate": codec.sample_rate, "law": law} == case["expect"]


@each_row("case", VARIANTS["messages"], ids=lambda case: case["note"])
def test_a_message_that_differs_is_read_or_passed_over(case: dict[str, Any]) -> None:
    codec = PlivoCodec()
    codec.decode(wire(recorded("start")[0]))

    assert plain(codec.decode(wire(case))) == case["expect"]


def test_every_variant_says_what_it_stands_on() -> None:
    for cases in (VARIANTS["starts"], VARIANTS["messages"]):
        assert all(len(case["source"]) > 3 for case in cases)
        assert len({case["note"] for case in cases}) == len(cases)


def test_a_stream_that_only_its_media_name_is_spoken_to_by_that_name() -> None:
    for media in (
        '{"event":"media","streamId":"s-9","media":{"payload":"//8="}}',
        '{"event":"media","stream_id":"s-9","media":{"payload":"__8"}}',
    ):
        codec = PlivoCodec()
        codec.decode(memoryview(b'{"event":"start","start":{"callId":"c-1"}}'))

        assert codec.decode(memoryview(media.encode())) == b"\xff\xff"

        assert json.loads(codec.encode_clear())["streamId"] == "s-9"
        assert json.loads(codec.encode_mark("m"))["streamId"] == "s-9"
