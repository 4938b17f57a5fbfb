"""The calls of this process that are not over, and how a call came out in the end."""

import asyncio
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime

from fwai.calls.call_clock import CallClock
from fwai.calls.session import CallSession
from fwai.domain.call import Call, CallEnding, CallId, CallOffer, CallState, Direction, EndReason
from fwai.interfaces.calls import CallControl
from fwai.interfaces.media import CallerLeg


@dataclass(eq=False, slots=True)
class LiveCall:
    """A call that is not over yet.

    Attributes:
        leg: Resolved with the caller's leg once the stream is open.
        connect_s: How long the stream may take to come, in seconds.
        offered: Its provider came with it; else we placed it.
        clock: Its time.
        over: Set when the task that owns the call has done everything.
        abandoned: It was never placed; whoever wanted it says what becomes of it.
        disowned: Another process took its records over.
    """

    call: Call
    control: CallControl
    leg: asyncio.Future[CallerLeg]
    connect_s: float
    offered: bool = False
    clock: CallClock = field(default_factory=CallClock)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    session: CallSession | None = None
    told_state: CallState | None = None
    told_reason: EndReason | None = None
    cause: str = ""
    machine: bool = False
    abandoned: bool = False
    disowned: bool = False

    @property
    def adopted_elsewhere(self) -> bool:
        """Whether it goes on in another process: a call of ours that nobody had answered yet."""
        outbound = self.call.direction is Direction.OUTBOUND
        return self.disowned and outbound and self.session is None

    def end(self, reason: EndReason, state: CallState) -> None:
        """Make the call's task end the call, wherever it stands; the first reason counts."""
        if self.told_state is None:
            self.told_state = state
            self.told_reason = reason
        if self.session is not None:
            self.session.hang_up(reason)
        elif not self.leg.done():
            self.leg.cancel()


class LiveCallRegistry:
    """Finds live calls, by our id and by the provider's."""

    def __init__(self) -> None:
        self._by_id: dict[CallId, LiveCall] = {}
        self._by_provider: dict[tuple[str, str], LiveCall] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def all(self) -> list[LiveCall]:
        """Return every call that is not over."""
        return list(self._by_id.values())

    def get(self, call_id: CallId) -> LiveCall | None:
        """Return the call of our id."""
        return self._by_id.get(call_id)

    def find(self, provider: str, provider_call_id: str) -> LiveCall | None:
        """Return the call of a provider's id."""
        return self._by_provider.get((provider, provider_call_id))

    def outbound(self, provider: str) -> int:
        """Return how many outbound calls ring or run at a provider."""
        return sum(
            live.call.provider == provider and live.call.direction is Direction.OUTBOUND
            for live in self._by_id.values()
        )

    def add(self, live: LiveCall) -> None:
        """Add a call."""
        self._by_id[live.call.id] = live
        self._index(live)

    def bind(self, live: LiveCall, provider_call_id: str) -> bool:
        """Give a call the provider's id, whoever tells it first; False when it has it already."""
        if live.call.provider_call_id == provider_call_id or not provider_call_id:
            return False
        live.call = replace(live.call, provider_call_id=provider_call_id)
        if not live.over.is_set():
            self._index(live)
        return True

    def remove(self, live: LiveCall) -> bool:
        """Remove a call under every id it was known by; False when it was removed before."""
        for key in [key for key, one in self._by_provider.items() if one is live]:
            del self._by_provider[key]
        if self._by_id.get(live.call.id) is not live:
            return False
        del self._by_id[live.call.id]
        return True

    def _index(self, live: LiveCall) -> None:
        if live.call.provider_call_id:
            self._by_provider[live.call.provider, live.call.provider_call_id] = live


def ending(live: LiveCall, reason: EndReason) -> CallEnding:
    """Return how a call came out that ended for ``reason``."""
    session = live.session
    broken = reason in (
        EndReason.INTERNAL_ERROR,
        EndReason.AGENT_FAILED,
        EndReason.SERVER_CRASHED,
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
        latency_ms=tuple(
            round(t.latency_ms) for t in session.replies.turns if t.latency_ms is not None
        ),
        audio_in_s=round(session.caller_input.total_ms / 1000.0, 2),
        audio_out_s=round(session.voice.heard_ms / 1000.0, 2),
    )


def _silent_end(live: LiveCall) -> CallState:
    """Return how a call ended of whose end nobody told."""
    rang = live.call.direction is Direction.OUTBOUND and live.call.provider_call_id
    return CallState.NO_ANSWER if rang else CallState.FAILED


def new_call_id(now: datetime) -> CallId:
    """Return a new id; it begins with the day of ``now``, as its zone has it."""
    return CallId(f"{now:%Y%m%d}-{secrets.token_hex(8)}")


def call_of(offer: CallOffer, agent: str, now: datetime) -> Call:
    """Return a new call that an offer begins, with the agent that answers it, begun ``now``."""
    return Call(
        id=new_call_id(now),
        provider=offer.provider,
        direction=offer.direction,
        caller=offer.caller,
        line=offer.line,
        agent=agent,
        provider_call_id=offer.provider_call_id,
        listen_only=offer.listen_only,
    )
