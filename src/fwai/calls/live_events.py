"""Publishes call events to live subscribers.

Theory of operation. `PublishingArchive` wraps the real archive and publishes to `LiveEvents` what
it keeps: states, words, tools, the ending. Every subscriber has a bounded queue of its own; one
that does not keep up loses its oldest events, and the call never waits. A call's latest events are
kept while it lives, and for a while for the newest calls that are over, so that whoever comes late
or comes back sees what was missed. Nothing of this is written to disk.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from fwai.domain.call import Call, CallEnding, CallId, CallState
from fwai.domain.events import ToolCall, ToolResult
from fwai.domain.record import CallRecord
from fwai.interfaces.calls import Event
from fwai.interfaces.store import CallArchive, CallLog

MAX_KEPT: Final = 400
MAX_WAITING: Final = 400
ENDED_KEPT: Final = 64


@dataclass(slots=True)
class _CallHistory:
    """What is known of a call.

    Attributes:
        last: Id of the newest event.
    """

    last: int = 0
    over: bool = False
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=MAX_KEPT))
    subscribers: list["_Subscription"] = field(default_factory=list)


class LiveEvents:
    """Publishes the events of live calls. Implements ``LiveEventSource``."""

    def __init__(self) -> None:
        self._histories: dict[CallId, _CallHistory] = {}
        self._ended: deque[CallId] = deque()

    def publish(self, call_id: CallId, kind: str, **facts: object) -> None:
        """Publish an event; what comes after the ending is left out."""
        history = self._histories.setdefault(call_id, _CallHistory())
        if history.over:
            return
        history.last += 1
        event: Event = {"id": history.last, "type": kind, **facts}
        history.events.append(event)
        for subscriber in history.subscribers:
            subscriber.put(event)
        if kind == "end":
            history.over = True
            self._ended.append(call_id)
            if len(self._ended) > ENDED_KEPT:
                del self._histories[self._ended.popleft()]

    def ended(self, call_id: CallId, ending: CallEnding, at: float) -> None:
        """Publish the end of a call; ``at`` is Unix time in seconds."""
        self.publish(call_id, "end", state=ending.state.value, reason=ending.reason.value, at=at)

    def subscribe(self, call_id: CallId, after: int = 0) -> "_Subscription":
        """Subscribe to a call; one that is not known yet is waited for."""
        history = self._histories.get(call_id) or _CallHistory()
        subscriber = _Subscription(self, call_id, history)
        for event in history.events:
            if event["id"] > after:
                subscriber.put(event)
        if history.over and after >= history.last:
            subscriber.finish()
        else:
            history.subscribers.append(subscriber)
            self._histories[call_id] = history
        return subscriber

    def leave(self, call_id: CallId, history: _CallHistory, subscriber: "_Subscription") -> None:
        """Remove a subscriber, and a call without subscribers that never had an event."""
        if subscriber in history.subscribers:
            history.subscribers.remove(subscriber)
        if not history.subscribers and history.last == 0:
            self._histories.pop(call_id, None)


class _Subscription:
    """Implements ``LiveEventSubscription``."""

    def __init__(self, events: LiveEvents, call_id: CallId, history: _CallHistory) -> None:
        self._events = events
        self._call_id = call_id
        self._history = history
        self._waiting: deque[Event] = deque(maxlen=MAX_WAITING)
        self._more = asyncio.Event()
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self._over:
                raise StopAsyncIteration
            self._more.clear()
            await self._more.wait()
        event = self._waiting.popleft()
        self._over = self._over or event["type"] == "end"
        return event

    def put(self, event: Event) -> None:
        self._waiting.append(event)
        self._more.set()

    def finish(self) -> None:
        self._over = True
        self._more.set()

    def close(self) -> None:
        self.finish()
        self._events.leave(self._call_id, self._history, self)


class PublishingArchive:
    """Wraps an archive and publishes what it keeps. Implements ``CallArchive``."""

    def __init__(self, archive: CallArchive, events: LiveEvents) -> None:
        self._archive = archive
        self._events = events

    async def open(self, call: Call, state: CallState, at: float) -> None:
        """Keep a new call."""
        self._events.publish(call.id, "state", state=state.value, at=at)
        await self._archive.open(call, state, at)

    async def keep_missed(self, call: Call, ending: CallEnding, at: float) -> bool:
        """Keep a call that was over before it began: nobody can have subscribed to it."""
        return await self._archive.keep_missed(call, ending, at)

    def log(self, call: Call) -> CallLog:
        """Return the log to write this call's transcript into."""
        return _PublishingLog(self._archive.log(call), self._events, call.id)

    async def state_of(self, provider: str, provider_call_id: str) -> CallState | None:
        """Return the state of a call by its provider's id, or None when it is not known."""
        return await self._archive.state_of(provider, provider_call_id)

    async def get(self, call_id: CallId) -> CallRecord | None:
        """Return a call, or None when it is unknown."""
        return await self._archive.get(call_id)

    async def set_provider_id(self, call_id: CallId, provider_call_id: str) -> None:
        """Keep the provider's id, which an outbound call has only once it was placed."""
        await self._archive.set_provider_id(call_id, provider_call_id)

    async def set_recording(self, call_id: CallId, recording: Path) -> None:
        """Keep where the recording is, relative to the recordings' directory."""
        await self._archive.set_recording(call_id, recording)

    async def set_state(self, call_id: CallId, state: CallState, at: float) -> bool:
        """Move a call to ``state``; False when that is not a legal step."""
        moved = await self._archive.set_state(call_id, state, at)
        if moved and not state.final:
            self._events.publish(call_id, "state", state=state.value, at=at)
        return moved

    async def put_off(self, call_id: CallId, at: float) -> bool:
        """Move a call that was about to be dialled back to ``scheduled``."""
        moved = await self._archive.put_off(call_id, at)
        if moved:
            self._events.publish(call_id, "state", state=CallState.SCHEDULED.value, at=at)
        return moved

    async def end(self, call: Call, ending: CallEnding, at: float) -> bool:
        """Close a call; False when it was closed before."""
        self._events.ended(call.id, ending, at)
        return await self._archive.end(call, ending, at)


class _PublishingLog:
    """Implements ``CallLog``; what a tool was asked and said stays in the archive."""

    def __init__(self, log: CallLog, events: LiveEvents, call_id: CallId) -> None:
        self._log = log
        self._events = events
        self._call_id = call_id

    def caller_said(self, text: str, at: float, turn: int) -> None:
        self._log.caller_said(text, at, turn)
        self._events.publish(self._call_id, "said", role="caller", text=text, turn=turn, at=at)

    def agent_said(self, text: str, at: float, turn: int, *, interrupted: bool = False) -> None:
        self._log.agent_said(text, at, turn, interrupted=interrupted)
        facts = {"role": "agent", "text": text, "turn": turn, "interrupted": interrupted}
        self._events.publish(self._call_id, "said", **facts, at=at)

    def tool_finished(
        self, request: ToolCall, result: ToolResult, at: float, elapsed_ms: float
    ) -> None:
        self._log.tool_finished(request, result, at, elapsed_ms)
        self._events.publish(self._call_id, "tool", name=request.name, ok=result.ok, at=at)

    def note(self, what: str, at: float, **facts: str | float | bool) -> None:
        self._log.note(what, at, **facts)
