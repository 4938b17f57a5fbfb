"""What others are told about a call, as JSON values.

The shapes are fixed by the outside contract; a value that was not measured is null.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from fwai.domain.call import CallState, Direction
from fwai.domain.callback import Callback
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


def event_type(state: CallState) -> str | None:
    """Return the event of a call's reaching ``state``; None when nobody is told."""
    if state.final:
        return ENDED
    return {CallState.RINGING: RINGING, CallState.IN_PROGRESS: ANSWERED}.get(state)


def event_body(kind: str, at: datetime, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the body of an event."""
    return {"type": kind, "timestamp": stamp(at), "data": data}


def call_summary(record: CallRecord) -> dict[str, Any]:
    """Return a call without its words, as lists show it."""
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
        "created_at": stamp(record.created_at),
        "not_before": stamp(record.not_before),
        "started_at": stamp(record.started_at),
        "answered_at": stamp(record.answered_at),
        "ended_at": stamp(record.ended_at),
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
    """Return a call with what was said and done in it."""
    return call_summary(record) | {
        "transcript": [
            {"role": one.role, "text": one.text, "at": stamp(one.at)} for one in joined(turns)
        ],
        "tools": [
            {"name": tool.name, "status": "ok" if tool.ok else "failed", "at": stamp(tool.at)}
            for tool in tools
        ],
    }


def callback_data(callback: Callback, zone: tzinfo) -> dict[str, Any]:
    """Return a promise as events tell of it; its time is on the clock of ``zone``."""
    return {
        "callback_id": callback.id,
        "phone": callback.phone,
        "due_at": callback.due_at.astimezone(zone).isoformat(),
        "note": callback.note,
        "agent": callback.agent,
        "provider": callback.provider or None,
        "call_id": callback.source_call_id or None,
    }


def stamp(at: datetime | None) -> str | None:
    """Return a moment as RFC 3339 in UTC."""
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
    """Return the nearest-rank percentiles of reply delays."""
    if not measured:
        return {"p50": None, "p95": None}
    ranked = sorted(measured)

    def rank(share: float) -> float:
        return ranked[max(math.ceil(share * len(ranked)) - 1, 0)]

    return {"p50": rank(0.50), "p95": rank(0.95)}
