"""What those who look on are told."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fwai.calls.live_events import ENDED_KEPT, MAX_WAITING, LiveEvents, PublishingArchive
from fwai.domain.call import Call, CallEnding, CallId, CallState, Direction, EndReason
from fwai.domain.events import ToolCall, ToolResult
from fwai.domain.record import CallRecord
from fwai.interfaces.calls import Event, LiveEventSubscription

ID = CallId("c-1")
CALL = Call(ID, "browser", Direction.INBOUND, "", "", "agent")


async def seen(subscription: LiveEventSubscription) -> list[Event]:
    async with asyncio.timeout(2):
        return [event async for event in subscription]


def kinds(events: Sequence[Event]) -> list[Any]:
    return [event["type"] for event in events]


async def test_who_comes_late_sees_everything_and_who_comes_back_the_rest() -> None:
    live = LiveEvents()
    early = live.subscribe(ID)
    for number in range(3):
        live.publish(ID, "said", text=str(number))
    live.publish(ID, "end")
    live.publish(ID, "said", text="too late")

    everything = await seen(early)
    assert kinds(everything) == ["said", "said", "said", "end"]
    assert await seen(live.subscribe(ID)) == everything
    assert await seen(live.subscribe(ID, after=2)) == everything[2:]
    assert await seen(live.subscribe(ID, after=4)) == []


async def test_a_watcher_that_does_not_keep_up_loses_the_oldest() -> None:
    live = LiveEvents()
    slow = live.subscribe(ID)
    for number in range(MAX_WAITING + 10):
        live.publish(ID, "said", text=str(number))
    live.publish(ID, "end")

    events = await seen(slow)
    assert len(events) == MAX_WAITING
    assert events[0]["id"] == 12
    assert events[-1]["type"] == "end"


async def test_a_cancelled_step_loses_nothing() -> None:
    live = LiveEvents()
    subscription = live.subscribe(ID)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await anext(subscription)
    live.publish(ID, "end")

    assert kinds(await seen(subscription)) == ["end"]


async def test_nothing_is_kept_for_ever() -> None:
    live = LiveEvents()
    subscription = live.subscribe(CallId("never-heard-of"))
    subscription.close()
    subscription.close()
    for number in range(ENDED_KEPT + 5):
        live.publish(CallId(str(number)), "end")

    assert await seen(subscription) == []
    assert len(live._histories) == ENDED_KEPT


class Archive:
    """A CallArchive and its CallLog that count."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def open(self, call: Call, state: CallState, at: float) -> None:
        self.told.append("open")

    async def keep_missed(self, call: Call, ending: CallEnding, at: float) -> bool:
        self.told.append("missed")
        return True

    def log(self, call: Call) -> "Archive":
        return self

    async def state_of(self, provider: str, provider_call_id: str) -> CallState | None:
        return CallState.BUSY

    async def get(self, call_id: CallId) -> CallRecord | None:
        return None

    async def set_provider_id(self, call_id: CallId, provider_call_id: str) -> None:
        self.told.append(provider_call_id)

    async def set_recording(self, call_id: CallId, path: Path) -> None:
        self.told.append(path.name)

    async def set_state(self, call_id: CallId, state: CallState, at: float) -> bool:
        self.told.append(state.value)
        return True

    async def put_off(self, call_id: CallId, at: float) -> bool:
        self.told.append("scheduled")
        return True

    async def end(self, call: Call, ending: CallEnding, at: float) -> bool:
        self.told.append("end")
        return True

    def caller_said(self, text: str, at: float, turn: int) -> None:
        self.told.append(text)

    def agent_said(self, text: str, at: float, turn: int, *, interrupted: bool = False) -> None:
        self.told.append(text)

    def tool_finished(
        self, request: ToolCall, result: ToolResult, at: float, elapsed_ms: float
    ) -> None:
        self.told.append(request.name)

    def note(self, what: str, at: float, **facts: str | float | bool) -> None:
        self.told.append(what)


async def test_the_archive_and_the_board_are_told_the_same() -> None:
    real, live = Archive(), LiveEvents()
    archive = PublishingArchive(real, live)
    request = ToolCall("t-1", "send_sms", {"text": "secret"})

    await archive.open(CALL, CallState.RINGING, 1.0)
    await archive.set_state(ID, CallState.IN_PROGRESS, 2.0)
    log = archive.log(CALL)
    log.caller_said("hello", 3.0, 1)
    log.agent_said("hi", 4.0, 2, interrupted=True)
    log.tool_finished(
        request, ToolResult("t-1", "send_sms", ok=True, text="sent", data={}), 5.0, 9.0
    )
    log.note("dtmf", 6.0)
    await archive.end(CALL, CallEnding(CallState.COMPLETED, EndReason.CALLER_HUNG_UP), 7.0)

    assert real.told == ["open", "in_progress", "hello", "hi", "send_sms", "dtmf", "end"]
    assert await archive.state_of("browser", "x") is CallState.BUSY
    events = await seen(live.subscribe(ID))
    assert kinds(events) == ["state", "state", "said", "said", "tool", "end"]
    assert events[3] == {
        "id": 4,
        "type": "said",
        "role": "agent",
        "text": "hi",
        "turn": 2,
        "interrupted": True,
        "at": 4.0,
    }
    assert "secret" not in str(events)
    assert events[-1]["reason"] == "caller_hung_up"


async def test_what_only_the_archive_keeps_is_handed_to_it() -> None:
    class Keeping(Archive):
        async def get(self, call_id: CallId) -> None:
            self.told.append(f"get {call_id}")

        async def put_off(self, call_id: CallId, at: float) -> bool:
            self.told.append(f"put_off {call_id}")
            return at < 2.0

        async def keep_missed(self, call: Call, ending: CallEnding, at: float) -> bool:
            self.told.append("missed")
            return True

        async def set_provider_id(self, call_id: CallId, provider_call_id: str) -> None:
            self.told.append(provider_call_id)

        async def set_recording(self, call_id: CallId, recording: Path) -> None:
            self.told.append(str(recording))

    real, live = Keeping(), LiveEvents()
    archive = PublishingArchive(real, live)
    await archive.open(CALL, CallState.QUEUED, 0.0)

    assert await archive.get(ID) is None
    assert await archive.put_off(ID, 1.0)
    assert not await archive.put_off(ID, 3.0)
    busy = CallEnding(CallState.BUSY, EndReason.NEVER_CONNECTED)
    assert await archive.keep_missed(CALL, busy, 4.0)
    await archive.set_provider_id(ID, "p-1")
    await archive.set_recording(ID, Path("a.wav"))

    assert real.told == [
        "open", f"get {ID}", f"put_off {ID}", f"put_off {ID}", "missed", "p-1", "a.wav",
    ]  # fmt: skip
    live.ended(ID, CallEnding(CallState.CANCELED, EndReason.OPERATOR), 5.0)
    assert kinds(await seen(live.subscribe(ID))) == ["state", "state", "end"]
