"""Builds the JSON bodies of call events.

The shapes are a public contract; a value that was not measured is null.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from fwai.domain.call import CallState, Direction
from fwai.domain.callback import Callback
from fwai.domain.failure import Failure
from fwai.domain.record import CallRecord, ToolRecord, TurnRecord, joined

RINGING = "call.ringing"
ANSWERED = "call.answered"
ENDED = "call.ended"
SUMMARIZED = "call.summarized"
TOOL_CALLED = "tool.called"
CALLBACK_SCHEDULED = "callback.scheduled"
CALLBACK_MISSED = "callback.missed"
DEMO_BOOKED = "demo.booked"
MESSAGE_STATUS = "message.status"
AGENT_DOWN = "agent.down"
AGENT_UP = "agent.up"
STORAGE_FAILED = "storage.failed"
STORAGE_MENDED = "storage.mended"
SERVICE_FAILED = "service.failed"
SERVICE_MENDED = "service.mended"
LIMIT_REACHED = "limit.reached"


def event_type(state: CallState) -> str | None:
    """Return the type of the event that ``state`` causes; None when it causes none."""
    if state.final:
        return ENDED
    return {CallState.RINGING: RINGING, CallState.IN_PROGRESS: ANSWERED}.get(state)


def event_body(kind: str, at: datetime, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Build the body of an event."""
    return {"type": kind, "timestamp": format_utc(at), "data": data}


def call_summary(record: CallRecord) -> dict[str, Any]:
    """Build the JSON of a call without its transcript, as lists show it."""
    call = record.call
    outbound = call.direction is Direction.OUTBOUND
    return {
        "call_id": call.id,
        "provider": call.provider,
        "provider_call_id": call.provider_call_id or None,
        "direction": call.direction.value,
        "from": (call.line if outbound else call.caller) or None,
        "to": (call.caller if outbound else call.line) or None,
        "agent": call.agent,
        "status": record.state.value,
        "end_reason": None if record.end_reason is None else record.end_reason.value,
        "cause": record.cause,
        "created_at": format_utc(record.created_at),
        "not_before": format_utc(record.not_before),
        "started_at": format_utc(record.started_at),
        "answered_at": format_utc(record.answered_at),
        "ended_at": format_utc(record.ended_at),
        "duration_s": _duration_s(record),
        "callback_id": call.callback_id or None,
        "summary": record.summary,
        "extracted": record.extracted,
        "usage": _usage(record),
        "latency_ms": _latency(record.latency_ms),
        "context": dict(call.context),
    }


def call_data(
    record: CallRecord, turns: Sequence[TurnRecord], tools: Sequence[ToolRecord]
) -> dict[str, Any]:
    """Build the JSON of a call with its transcript and tool calls."""
    return call_summary(record) | {
        "transcript": [
            {"role": one.role, "text": one.text, "at": format_utc(one.at)} for one in joined(turns)
        ],
        "tools": [
            {"name": tool.name, "status": "ok" if tool.ok else "failed", "at": format_utc(tool.at)}
            for tool in tools
        ],
    }


def callback_data(callback: Callback, zone: tzinfo) -> dict[str, Any]:
    """Build the event data of a callback, with its time in ``zone``."""
    return {
        "callback_id": callback.id,
        "phone": callback.phone,
        "due_at": callback.due_at.astimezone(zone).isoformat(),
        "note": callback.note,
        "agent": callback.agent,
        "provider": callback.provider or None,
        "call_id": callback.source_call_id or None,
    }


def failure_data(failure: Failure) -> dict[str, Any]:
    """Build the event data of a failure, that began or is mended."""
    one = failure.trouble
    return {
        "area": one.area.value,
        "what": one.what,
        "cause": one.cause,
        "fix": one.fix,
        "stops_calls": one.stops_calls,
        "since": format_utc(failure.first_at),
        "times": failure.times,
    }


def format_clock_time(at: datetime, zone: ZoneInfo) -> str:
    """Format a moment as clocks in ``zone`` show it, with the offset: 17:30:05 +05:30."""
    shown = at.astimezone(zone).isoformat(timespec="seconds")
    return f"{shown[11:19]} {shown[19:]}"


def format_utc(at: datetime | None) -> str | None:
    """Format a UTC time as RFC 3339."""
    if at is None:
        return None
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _duration_s(record: CallRecord) -> float | None:
    if record.answered_at is None or record.ended_at is None:
        return None
    return round(max((record.ended_at - record.answered_at).total_seconds(), 0.0), 1)


def _usage(record: CallRecord) -> Mapping[str, Any]:
    tokens = record.usage
    return {
        "audio_in_s": record.audio_in_s,
        "audio_out_s": record.audio_out_s,
        "tokens": None if tokens is None else dict(tokens),
    }


def _latency(measured: Sequence[float] | None) -> Mapping[str, float | None]:
    """Compute nearest-rank percentiles of reply latencies."""
    if not measured:
        return {"p50": None, "p95": None}
    ranked = sorted(measured)

    def rank(share: float) -> float:
        return ranked[max(math.ceil(share * len(ranked)) - 1, 0)]

    return {"p50": rank(0.50), "p95": rank(0.95)}
