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


@pytest.mark.parametrize("case", recorded("start"), ids=lambda case: case["note"])
def test_a_start_settles_call_and_format(case: dict[str, Any]) -> None:
    codec = ExotelCodec()

    event = codec.decode(wire(case))

    told = {**plain(event), "rate": codec.sample_rate, "bytes_per_ms": codec.bytes_per_ms}
    assert told == case["expect"]
    assert codec.started is event


@pytest.mark.parametrize(
    "case", [*recorded("media"), *recorded("events")], ids=lambda case: case["note"]
)
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
