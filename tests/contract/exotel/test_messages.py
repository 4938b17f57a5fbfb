"""Every kind of message that Exotel's stream may bring, composed from its documents."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fwai.adapters.exotel.codec import ExotelCodec, ExotelStarted
from fwai.adapters.media_codec import StreamStarted
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
        case ExotelStarted():
            return {
                "kind": "start",
                "call": event.provider_call_id,
                "stream": event.stream_id,
                "account": event.account_id,
                "from": event.from_number,
                "to": event.to_number,
                "parameters": event.parameters,
            }
        case DtmfPressed(digit):
            return {"kind": "dtmf", "digit": digit}
        case MarkReached(name):
            return {"kind": "mark", "name": name}
        case CallerHungUp(failed=False):
            return {"kind": "hang_up"}
        case None:
            return {"kind": "nothing"}
    raise AssertionError(event)


@each_row("case", recorded("start"), ids=lambda case: case["note"])
def test_a_start_settles_call_and_format(case: dict[str, Any]) -> None:
    codec = ExotelCodec()

    event = codec.decode(wire(case))

    told = {**plain(event), "rate": codec.sample_rate, "bytes_per_ms": codec.bytes_per_ms}
    assert told == case["expect"]
    assert codec.started is event


@each_row("case", [*recorded("media"), *recorded("events")], ids=lambda case: case["note"])
def test_a_message_becomes_its_event(case: dict[str, Any]) -> None:
    codec = ExotelCodec()
    codec.decode(wire(recorded("start")[0]))

    assert plain(codec.decode(wire(case))) == case["expect"]


@pytest.mark.parametrize("case", recorded("malformed"), ids=lambda case: case["note"])
def test_a_malformed_message_is_an_error_that_shows_nothing_of_it(case: dict[str, Any]) -> None:
    codec = ExotelCodec()

    with pytest.raises(WireError) as refused:
        codec.decode(wire(case))

    assert len(str(refused.value)) < 60
    assert str(refused.value).startswith("exotel: ")


@pytest.mark.parametrize("name", ["start", "media", "events", "malformed"])
def test_every_recording_says_where_it_is_from(name: str) -> None:
    body = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))

    assert len(body["source"]) > 30
    assert body["read"] == "2026-11-22"
    assert all(case["note"] for case in body["messages"])


# ---- senders that differ from the documents -----------------------------------------------------

VARIANTS = json.loads((HERE / "variants.json").read_text(encoding="utf-8"))


@each_row("case", VARIANTS["starts"], ids=lambda case: case["note"])
def test_a_start_that_differs_is_read_in_the_one_way_it_can_mean(case: dict[str, Any]) -> None:
    codec = ExotelCodec()

    event = codec.decode(wire(case))

    law = "mulaw" if codec.to_pcm(b"\xff\x7f") == bytes(4) else "linear"
    assert {**plain(event), "rate": codec.sample_rate, "law": law} == case["expect"]


@each_row("case", VARIANTS["messages"], ids=lambda case: case["note"])
def test_a_message_that_differs_is_read_or_passed_over(case: dict[str, Any]) -> None:
    codec = ExotelCodec()
    codec.decode(wire(recorded("start")[0]))

    assert plain(codec.decode(wire(case))) == case["expect"]


def test_every_variant_says_what_it_stands_on() -> None:
    for cases in (VARIANTS["starts"], VARIANTS["messages"]):
        assert all(len(case["source"]) > 3 for case in cases)
        assert len({case["note"] for case in cases}) == len(cases)


@pytest.mark.parametrize(
    "media",
    [
        '{"event":"media","stream_sid":"S9","media":{"payload":"AAA="}}',
        '{"event":"media","streamSid":"S9","media":{"payload":"AAA"}}',
    ],
)
def test_a_stream_that_only_its_media_name_is_spoken_to_by_that_name(media: str) -> None:
    codec = ExotelCodec()
    codec.decode(memoryview(b'{"event":"start","start":{"call_sid":"C1"}}'))
    before = json.loads(codec.encode_clear())

    assert codec.decode(memoryview(media.encode())) == bytes(2)

    assert "stream_sid" not in before
    assert json.loads(codec.encode_clear())["stream_sid"] == "S9"
    assert codec.started.provider_call_id == "C1"
