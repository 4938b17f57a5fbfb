"""Publishes call events to live subscribers.

Theory of operation. `PublishingArchive` wraps the real archive and publishes to `LiveEvents` what
it keeps: states, words, tools, the ending. Every subscriber has a bounded queue of its own; one
that does not keep up loses its oldest events, and the call never waits. A call's latest events are
kept while it lives, and for a while for the newest calls that are over, so that whoever comes late
or comes back sees what was missed. Nothing of this is written to disk.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

from fwai.domain.call import Call, CallEnding, CallId, CallState
from fwai.domain.events import ToolCall, ToolResult
from fwai.domain.record import CallRecord
from fwai.interfaces.media import CallArchive, CallLog

Event = Mapping[str, Any]

MAX_KEPT: Final = 400
MAX_WAITING: Final = 400
ENDED_KEPT: Final = 64


class Watching(Protocol):
    """One look at one call: its events, each a dictionary with ``id`` (counting) and ``type``.

    It stops after ``type`` ``end``. A step that is cancelled loses nothing.
    """

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> Event: ...

    def close(self) -> None:
        """Look away; more than once does nothing."""
        ...


class Watch(Protocol):
    """Lets look on at calls."""

    def watch(self, call_id: CallId, after: int = 0) -> Watching:
        """Begin to look on; events up to the id ``after`` are left out. Close what it returns."""
        ...


@dataclass(slots=True)
class _CallHistory:
    """What is known of a call.

    Attributes:
        last: Id of the newest event.
    """

    last: int = 0
    over: bool = False
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=MAX_KEPT))
    watchers: list["_Watcher"] = field(default_factory=list)


class LiveEvents:
    """Tells watchers what happens in calls. Implements ``Watch``."""

    def __init__(self) -> None:
        self._histories: dict[CallId, _CallHistory] = {}
        self._ended: deque[CallId] = deque()

    def publish(self, call_id: CallId, kind: str, **facts: object) -> None:
        """Tell an event; what comes after the ending is left out."""
        history = self._histories.setdefault(call_id, _CallHistory())
        if history.over:
            return
        history.last += 1
        event: Event = {"id": history.last, "type": kind, **facts}
        history.events.append(event)
        for watcher in history.watchers:
            watcher.put(event)
        if kind == "end":
            history.over = True
            self._ended.append(call_id)
            if len(self._ended) > ENDED_KEPT:
                del self._histories[self._ended.popleft()]

    def watch(self, call_id: CallId, after: int = 0) -> "_Watcher":
        """Begin to look on; a call that is not known yet is waited for."""
        history = self._histories.get(call_id) or _CallHistory()
        watcher = _Watcher(self, call_id, history)
        for event in history.events:
            if event["id"] > after:
                watcher.put(event)
        if history.over and after >= history.last:
            watcher.finish()
        else:
            history.watchers.append(watcher)
            self._histories[call_id] = history
        return watcher

    def leave(self, call_id: CallId, history: _CallHistory, watcher: "_Watcher") -> None:
        """Forget a watcher, and a call that nobody ever told of."""
        if watcher in history.watchers:
            history.watchers.remove(watcher)
        if not history.watchers and history.last == 0:
            self._histories.pop(call_id, None)


class _Watcher:
    """Implements ``Watching``."""

    def __init__(self, board: LiveEvents, call_id: CallId, history: _CallHistory) -> None:
        self._board = board
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
        self._board.leave(self._call_id, self._history, self)


class PublishingArchive:
    """An archive that tells a board what it is told. Implements ``CallArchive``."""

    def __init__(self, archive: CallArchive, board: LiveEvents) -> None:
        self._archive = archive
        self._board = board

    async def open(self, call: Call, state: CallState, at: float) -> None:
        """Keep a new call."""
        self._board.publish(call.id, "state", state=state.value, at=at)
        await self._archive.open(call, state, at)

    def log(self, call: Call) -> CallLog:
        """Return the log to write this call's history into."""
        return _PublishingLog(self._archive.log(call), self._board, call.id)

    async def state_of(self, provider: str, provider_call_id: str) -> CallState | None:
        """Return the state of a call by its provider's id, or None when it is not known."""
        return await self._archive.state_of(provider, provider_call_id)

    async def get(self, call_id: CallId) -> CallRecord | None:
        """Return a call, or None when it is unknown."""
        return await self._archive.get(call_id)

    async def set_provider_id(self, call_id: CallId, provider_call_id: str) -> None:
        """Keep the provider's id, which an outbound call has only once it was placed."""
        await self._archive.set_provider_id(call_id, provider_call_id)

    async def set_state(self, call_id: CallId, state: CallState, at: float) -> bool:
        """Move a call to ``state``; False when that is not a legal step."""
        moved = await self._archive.set_state(call_id, state, at)
        if moved and not state.final:
            self._board.publish(call_id, "state", state=state.value, at=at)
        return moved

    async def end(self, call: Call, ending: CallEnding, at: float) -> bool:
        """Close a call; False when it was closed before."""
        self.ended(call.id, ending, at)
        return await self._archive.end(call, ending, at)

    def ended(self, call_id: CallId, ending: CallEnding, at: float) -> None:
        """Tell the board of an end that was written in another way."""
        self._board.publish(
            call_id, "end", state=ending.state.value, reason=ending.reason.value, at=at
        )


class _PublishingLog:
    """Implements ``CallLog``; what a tool was asked and said stays in the archive."""

    def __init__(self, log: CallLog, board: LiveEvents, call_id: CallId) -> None:
        self._log = log
        self._board = board
        self._call_id = call_id

    def caller_said(self, text: str, at: float, turn: int) -> None:
        self._log.caller_said(text, at, turn)
        self._board.publish(self._call_id, "said", role="caller", text=text, turn=turn, at=at)

    def agent_said(self, text: str, at: float, turn: int, *, interrupted: bool = False) -> None:
        self._log.agent_said(text, at, turn, interrupted=interrupted)
        facts = {"role": "agent", "text": text, "turn": turn, "interrupted": interrupted}
        self._board.publish(self._call_id, "said", **facts, at=at)

    def tool_finished(
        self, request: ToolCall, result: ToolResult, at: float, elapsed_ms: float
    ) -> None:
        self._log.tool_finished(request, result, at, elapsed_ms)
        self._board.publish(self._call_id, "tool", name=request.name, ok=result.ok, at=at)

    def note(self, what: str, at: float, **facts: str | float | bool) -> None:
        self._log.note(what, at, **facts)
