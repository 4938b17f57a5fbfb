"""Stand-ins for the two legs and what surrounds a call, driven by scripts of (seconds, event)."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from fwai.domain.call import Call, CallEnding, CallId, CallState, Direction
from fwai.domain.call_permission import CallPermission
from fwai.domain.events import (
    AgentEvent,
    AgentReady,
    CallerEvent,
    CallerHungUp,
    MarkReached,
    ToolCall,
    ToolResult,
)
from fwai.domain.failure import Area, Trouble
from fwai.domain.record import CallRecord
from fwai.errors import ApiError
from fwai.interfaces.calls import CallActions, CallHandler
from fwai.interfaces.store import CallPermissionChange

CALL = Call(
    id=CallId("20261122-0000000000000001"),
    provider="plivo",
    direction=Direction.INBOUND,
    caller="+919999900001",
    line="+918888800000",
    agent="FWAI_Core",
    provider_call_id="carrier-1",
)


EventT = TypeVar("EventT")


def _at_once(script: Sequence[tuple[float, EventT]]) -> Iterator[tuple[float, list[EventT]]]:
    """Group events of the same instant: timers of one instant fire in no certain order."""
    for delay_s, group in groupby(sorted(script, key=lambda pair: pair[0]), lambda pair: pair[0]):
        yield delay_s, [event for _, event in group]


class FakeCaller:
    """A caller's leg whose carrier plays what it gets at once and without gap."""

    def __init__(
        self,
        script: Sequence[tuple[float, CallerEvent]] = (),
        *,
        receipts: bool | None = True,
        sample_rate: int = 8000,
        max_call_s: float | None = None,
    ) -> None:
        """``receipts``: True sends them, False loses them, None has no such thing."""
        self.sample_rate = sample_rate
        self.max_call_s = max_call_s
        self.lead_ms = 200.0
        self._script = script
        self._receipts = receipts
        self._loop = asyncio.get_running_loop()
        self._hear: Callable[[CallerEvent], None] | None = None
        self._early: list[CallerEvent] = []
        self._hung_up = False
        self._pending: list[asyncio.TimerHandle] = []
        self._plays_until = 0.0
        self.played: list[tuple[float, bytes]] = []
        self.heard_ms = 0.0
        self.gaps_ms: list[float] = []
        self.cleared_at: list[float] = []
        self.cleared_after: list[int] = []
        self.marks: list[str] = []
        self.flushed_after: list[int] = []
        self.closed_at: float | None = None

    def listen(self, hear: Callable[[CallerEvent], None]) -> None:
        self._hear = hear
        early, self._early = self._early, []
        for event in early:
            hear(event)
        for delay_s, events in _at_once(self._script):
            self._loop.call_later(delay_s, self._say_all, events)

    def say(self, event: CallerEvent) -> None:
        self._say(event)

    def play(self, pcm: bytes) -> None:
        if self._over:
            return
        now = self._loop.time()
        ms = len(pcm) / 2 / self.sample_rate * 1000
        self.played.append((now, pcm))
        self._plays_until = max(now, self._plays_until) + ms / 1000
        self.heard_ms += ms

    def flush(self) -> None:
        self.flushed_after.append(len(self.played))

    def clear(self) -> None:
        if self._over:
            return
        now = self._loop.time()
        self.heard_ms -= max(self._plays_until - now, 0.0) * 1000
        self._plays_until = now
        self.cleared_at.append(now)
        self.cleared_after.append(len(self.played))
        self._forget_marks()

    def mark(self, name: str) -> bool:
        if self._over or self._receipts is None:
            return False
        self.marks.append(name)
        if self._receipts:
            due = max(self._plays_until, self._loop.time())
            self._pending.append(self._loop.call_at(due, self._say, MarkReached(name)))
        return True

    async def close(self) -> None:
        if self.closed_at is None:
            self.closed_at = self._loop.time()
            self._forget_marks()

    @property
    def _over(self) -> bool:
        return self._hung_up or self.closed_at is not None

    def _forget_marks(self) -> None:
        for pending in self._pending:
            pending.cancel()
        self._pending.clear()

    @property
    def plays_until(self) -> float:
        return self._plays_until

    def _say_all(self, events: Sequence[CallerEvent]) -> None:
        for event in events:
            self._say(event)

    def _say(self, event: CallerEvent) -> None:
        if self._over:
            return
        self._hung_up = isinstance(event, CallerHungUp)
        if self._hear is not None:
            self._hear(event)
        else:
            self._early.append(event)


class FakeAgent:
    """An agent's leg that answers prompts and caller audio by a script."""

    def __init__(
        self,
        script: Sequence[tuple[float, AgentEvent]] = (),
        on_prompt: Callable[[str], Sequence[tuple[float, AgentEvent]]] | None = None,
    ) -> None:
        self._script = script
        self._on_prompt = on_prompt
        self._loop = asyncio.get_running_loop()
        self._hear: Callable[[AgentEvent], None] | None = None
        self._over = asyncio.Event()
        self.heard = bytearray()
        self.speech_heard = 0
        self.prompts: list[tuple[float, str]] = []
        self.results: list[ToolResult] = []
        self.renewed: list[tuple[float, bool]] = []
        self.running = False
        self.closed = False

    def listen(self, hear: Callable[[AgentEvent], None]) -> None:
        self._hear = hear
        hear(AgentReady())
        self._schedule(self._script)

    async def run(self) -> None:
        self.running = True
        try:
            await self._over.wait()
        finally:
            self.running = False

    def hear(self, pcm: bytes, *, speech: bool) -> None:
        self.heard += pcm
        self.speech_heard += speech

    def prompt(self, text: str) -> None:
        self.prompts.append((self._loop.time(), text))
        if self._on_prompt is not None:
            self._schedule(self._on_prompt(text))

    def answer_tool(self, result: ToolResult) -> None:
        self.results.append(result)

    def renew(self, *, fresh: bool) -> None:
        self.renewed.append((self._loop.time(), fresh))

    def close(self) -> None:
        self.closed = True
        self._over.set()

    def say(self, event: AgentEvent) -> None:
        if self._hear is not None:
            self._hear(event)

    def _say_all(self, events: Sequence[AgentEvent]) -> None:
        for event in events:
            self.say(event)

    def _schedule(self, script: Sequence[tuple[float, AgentEvent]]) -> None:
        for delay_s, events in _at_once(script):
            self._loop.call_later(delay_s, self._say_all, events)


class FakeTools:
    """Tools that take a while; ``end_call`` does what the real one does."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self._takes_s = takes_s
        self.started: list[str] = []
        self.finished: list[str] = []

    async def run(self, request: ToolCall, call: Call, actions: CallActions) -> ToolResult:
        self.started.append(request.id)
        await asyncio.sleep(self._takes_s)
        if request.name == "end_call":
            from fwai.domain.call import EndReason

            actions.finish(EndReason.AGENT_HUNG_UP)
        self.finished.append(request.id)
        return ToolResult(request.id, request.name, ok=True, text="done", data={})


@dataclass
class FakeLog:
    """A call's log that remembers lines as (role, turn, text)."""

    lines: list[tuple[str, int, str]] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    tools: list[tuple[str, bool]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def caller_said(self, text: str, at: float, turn: int) -> None:
        self.lines.append(("caller", turn, text))

    def agent_said(self, text: str, at: float, turn: int, *, interrupted: bool = False) -> None:
        self.lines.append(("agent", turn, text))
        if interrupted:
            self.cut.append(turn)

    def tool_finished(
        self, request: ToolCall, result: ToolResult, at: float, elapsed_ms: float
    ) -> None:
        self.tools.append((request.name, result.ok))

    def note(self, what: str, at: float, **facts: str | float | bool) -> None:
        self.notes.append(what)

    def turns(self) -> list[tuple[str, str]]:
        """Return whole turns: pieces of the same role and turn joined."""
        joined: dict[tuple[str, int], list[str]] = {}
        for role, turn, text in self.lines:
            joined.setdefault((role, turn), []).append(text)
        return [(role, " ".join(t for t in texts if t)) for (role, _), texts in joined.items()]


class FakeArchive:
    """An archive in memory."""

    def __init__(self) -> None:
        self.states: dict[CallId, CallState] = {}
        self.calls: dict[CallId, Call] = {}
        self.endings: dict[CallId, CallEnding] = {}
        self.logs: dict[CallId, FakeLog] = {}
        self.recordings: dict[CallId, Path] = {}

    async def open(self, call: Call, state: CallState, at: float) -> None:
        self.calls[call.id] = call
        self.states[call.id] = state

    def log(self, call: Call) -> FakeLog:
        return self.logs.setdefault(call.id, FakeLog())

    async def state_of(self, provider: str, provider_call_id: str) -> CallState | None:
        for call in self.calls.values():
            if (call.provider, call.provider_call_id) == (provider, provider_call_id):
                return self.states[call.id]
        return None

    async def set_state(self, call_id: CallId, state: CallState, at: float) -> bool:
        if call_id not in self.states or not self.states[call_id].may_become(state):
            return False
        self.states[call_id] = state
        return True

    async def put_off(self, call_id: CallId, at: float) -> bool:
        waits = self.states.get(call_id) in (CallState.QUEUED, CallState.DIALING)
        if not waits or self.calls[call_id].provider_call_id:
            return False
        self.states[call_id] = CallState.SCHEDULED
        return True

    async def keep_missed(self, call: Call, ending: CallEnding, at: float) -> bool:
        if await self.state_of(call.provider, call.provider_call_id) is not None:
            return False
        self.calls[call.id] = call
        self.states[call.id], self.endings[call.id] = ending.state, ending
        return True

    async def get(self, call_id: CallId) -> CallRecord | None:
        call = self.calls.get(call_id)
        return None if call is None else a_record(call, self.states[call_id])

    async def set_provider_id(self, call_id: CallId, provider_call_id: str) -> None:
        if call_id in self.calls:
            call = self.calls[call_id]
            self.calls[call_id] = replace(call, provider_call_id=provider_call_id)

    async def set_recording(self, call_id: CallId, path: Path) -> None:
        self.recordings[call_id] = path

    async def end(self, call: Call, ending: CallEnding, at: float) -> bool:
        if call.id in self.states and self.states[call.id].final:
            return False
        self.states[call.id] = ending.state
        self.endings[call.id] = ending
        return True


class FakeControl:
    """A provider's REST API that hangs up, or fails to."""

    def __init__(self, error: ApiError | None = None) -> None:
        self._error = error
        self.hung_up: list[str] = []

    async def hang_up(self, provider_call_id: str) -> None:
        self.hung_up.append(provider_call_id)
        if self._error is not None:
            raise self._error


def a_record(call: Call, state: CallState) -> CallRecord:
    """Return what an archive keeps of a call that just became known."""
    now = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    return CallRecord(
        call=call,
        state=state,
        end_reason=None,
        created_at=now,
        started_at=None,
        answered_at=None,
        ended_at=None,
        written_at=now,
        usage=None,
        latency_ms=None,
        audio_in_s=None,
        audio_out_s=None,
        recording=None,
        transcript=None,
        instance="",
    )


HANG_UP = CallerHungUp()


class InMemoryCallPermissions:
    """Implements `CallPermissionStore`; held to it by `tests/contract/store`."""

    def __init__(self) -> None:
        self._kept: dict[str, CallPermission] = {}

    async def load(self, user: str) -> CallPermission:
        return self._kept.get(user, CallPermission())

    async def change(self, user: str, change: CallPermissionChange) -> CallPermission:
        new = change(self._kept.pop(user, CallPermission()))
        self._kept[user] = new
        return new


class SeenFailures:
    """Hears of failures.

    Attributes:
        standing: Those that stand, by area and part.
        seen_at_all: How often one was seen.
    """

    def __init__(self) -> None:
        self.standing: dict[tuple[Area, str], Trouble] = {}
        self.seen_at_all = 0

    @property
    def names(self) -> list[str]:
        return sorted(what for _, what in self.standing)

    def seen(self, trouble: Trouble) -> None:
        self.seen_at_all += 1
        self.standing[trouble.area, trouble.what] = trouble

    def mended(self, area: Area, what: str) -> None:
        self.standing.pop((area, what), None)


def admits(calls: CallHandler, token: str, provider: str = CALL.provider) -> bool:
    """Whether a stream of the provider with this token would be accepted now."""
    with calls.admission(provider, token) as admitted:
        return admitted
