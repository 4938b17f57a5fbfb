import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from fwai.domain.call import Call, CallId, CallState, Direction, EndReason
from fwai.domain.call_event import (
    call_data,
    call_summary,
    event_body,
    event_type,
    format_clock_time,
    format_utc,
)
from fwai.domain.record import CallRecord, ToolRecord, TurnRecord

T = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
CALL = Call(
    CallId("c-1"),
    "plivo",
    Direction.OUTBOUND,
    "+919999900001",
    "+918888800000",
    "FWAI_Core",
    provider_call_id="p-1",
    context={"name": "Asha"},
)
QUEUED = CallRecord(
    CALL, CallState.QUEUED, None, T, None, None, None, T, None, None, None, None, None, None, ""
)
OVER = replace(
    QUEUED,
    state=CallState.COMPLETED,
    end_reason=EndReason.AGENT_HUNG_UP,
    started_at=T + timedelta(seconds=1),
    answered_at=T + timedelta(seconds=10),
    ended_at=T + timedelta(seconds=73.24),
    usage={"prompt": 5},
    latency_ms=(400.0, 100.0, 300.0, 200.0),
    audio_in_s=60.0,
    audio_out_s=20.5,
    cause="NORMAL_CLEARING",
    summary="They asked.",
    extracted={"interest": None},
)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (CallState.QUEUED, None),
        (CallState.SCHEDULED, None),
        (CallState.DIALING, None),
        (CallState.RINGING, "call.ringing"),
        (CallState.IN_PROGRESS, "call.answered"),
        *((state, "call.ended") for state in CallState if state.final),
    ],
)
def test_which_event_a_state_is(state: CallState, kind: str | None) -> None:
    assert event_type(state) == kind


def test_a_call_that_is_over_is_told_whole() -> None:
    data = call_summary(OVER)

    assert (data["from"], data["to"]) == ("+918888800000", "+919999900001")
    assert (data["status"], data["end_reason"]) == ("completed", "agent_hung_up")
    assert (data["answered_at"], data["duration_s"]) == ("2026-11-24T04:00:10.000Z", 63.2)
    assert data["usage"] == {"audio_in_s": 60.0, "audio_out_s": 20.5, "tokens": {"prompt": 5}}
    assert data["latency_ms"] == {"p50": 200.0, "p95": 400.0}
    assert data["context"] == {"name": "Asha"}
    json.dumps(data)


def test_an_inbound_call_comes_from_the_caller() -> None:
    data = call_summary(replace(OVER, call=replace(CALL, direction=Direction.INBOUND)))

    assert (data["from"], data["to"]) == ("+919999900001", "+918888800000")


def test_what_was_not_measured_is_null_and_never_a_zero() -> None:
    data = call_summary(replace(QUEUED, call=replace(CALL, provider_call_id="", caller="")))

    for name in (
        *("provider_call_id", "to", "end_reason", "cause", "not_before", "started_at"),
        *("answered_at", "ended_at", "duration_s", "callback_id", "summary", "extracted"),
    ):
        assert data[name] is None, name
    assert data["latency_ms"] == {"p50": None, "p95": None}
    assert data["usage"] == {"audio_in_s": None, "audio_out_s": None, "tokens": None}


def test_a_clock_that_was_put_back_makes_no_negative_duration() -> None:
    assert call_summary(replace(OVER, ended_at=T))["duration_s"] == 0.0


def test_pieces_of_an_utterance_are_told_as_one() -> None:
    pieces = [
        TurnRecord(1, "caller", 1, "Call me", T, interrupted=False),
        TurnRecord(2, "caller", 1, "on Friday.", T, interrupted=False),
    ]
    tools = [ToolRecord(3, "fc", "book_demo", {"secret": 1}, False, "no", 3.0, T)]

    data = call_data(OVER, pieces, tools)

    moment = "2026-11-24T04:00:00.000Z"
    assert data["transcript"] == [{"role": "caller", "text": "Call me on Friday.", "at": moment}]
    assert data["tools"] == [{"name": "book_demo", "status": "failed", "at": moment}]


def test_moments_are_rfc_3339() -> None:
    india = timezone(timedelta(hours=5, minutes=30))

    assert format_utc(None) is None
    assert format_utc(T) == "2026-11-24T04:00:00.000Z"
    assert format_utc(T.astimezone(india)) == "2026-11-24T09:30:00.000+05:30"
    assert event_body("x", T, {})["timestamp"] == "2026-11-24T04:00:00.000Z"


@pytest.mark.parametrize(
    ("zone", "month", "shown"),
    [
        ("Asia/Kolkata", 11, "01:30:05 +05:30"),
        ("UTC", 11, "20:00:05 +00:00"),
        ("America/New_York", 11, "15:00:05 -05:00"),
        ("America/New_York", 7, "16:00:05 -04:00"),
        ("Asia/Kathmandu", 11, "01:45:05 +05:45"),
    ],
)
def test_a_clock_time_says_its_zone(zone: str, month: int, shown: str) -> None:
    at = datetime(2026, month, 23, 20, 0, 5, 987_000, tzinfo=UTC)

    assert format_clock_time(at, ZoneInfo(zone)) == shown
