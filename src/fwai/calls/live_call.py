"""A call that is not over yet, as its manager sees it, and how it came out in the end."""

import asyncio
import secrets
import time
from dataclasses import dataclass, field

from fwai.calls.session import CallSession
from fwai.domain.call import Call, CallEnding, CallId, CallState, Direction, EndReason
from fwai.interfaces.media import CallControl, CallerLeg


@dataclass(eq=False, slots=True)
class LiveCall:
    """A call that is not over yet.

    Attributes:
        leg: Resolved with the caller's leg once the stream is open.
        connect_s: How long the stream may take to come, in seconds.
        over: Set when the task that owns the call has done everything.
        abandoned: It was never placed; whoever wanted it says what becomes of it.
    """

    call: Call
    control: CallControl
    leg: asyncio.Future[CallerLeg]
    connect_s: float
    over: asyncio.Event = field(default_factory=asyncio.Event)
    session: CallSession | None = None
    told_state: CallState | None = None
    told_reason: EndReason | None = None
    cause: str = ""
    machine: bool = False
    abandoned: bool = False


def ending(live: LiveCall, reason: EndReason) -> CallEnding:
    """Return how a call came out that ended for ``reason``."""
    session = live.session
    broken = reason in (
        EndReason.INTERNAL_ERROR,
        EndReason.AGENT_FAILED,
        EndReason.SERVER_STOPPED,
        EndReason.STREAM_FAILED,
    )
    if session is None:
        state = live.told_state or (CallState.FAILED if broken else _silent_end(live))
        if state is CallState.COMPLETED and reason is not EndReason.VOICEMAIL:
            state = CallState.NO_ANSWER
        return CallEnding(state, reason)
    return CallEnding(
        CallState.FAILED if broken else CallState.COMPLETED,
        reason,
        usage=dict(session.tokens),
        latency_ms=tuple(round(t.latency_ms) for t in session.turns if t.latency_ms is not None),
        audio_in_s=round(session.audio_in_ms / 1000.0, 2),
        audio_out_s=round(session.voice.heard_ms / 1000.0, 2),
    )


def _silent_end(live: LiveCall) -> CallState:
    """Return how a call ended of whose end nobody told."""
    rang = live.call.direction is Direction.OUTBOUND and live.call.provider_call_id
    return CallState.NO_ANSWER if rang else CallState.FAILED


def new_call_id() -> CallId:
    """Return a new id; it begins with the day."""
    return CallId(f"{time.strftime('%Y%m%d')}-{secrets.token_hex(8)}")
