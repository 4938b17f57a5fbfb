"""How a call came out, by what is known of its end."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from fakes import CALL, FakeControl
from fwai.calls.live_call import LiveCall, ending, new_call_id
from fwai.domain.call import CallState, Direction, EndReason
from fwai.domain.turns import TurnTimes

OURS = replace(CALL, direction=Direction.OUTBOUND)
UNPLACED = replace(OURS, provider_call_id="")


def live(call: object = OURS, **facts: object) -> LiveCall:
    leg = asyncio.get_running_loop().create_future()
    made = LiveCall(call, FakeControl(), leg, 30.0)  # type: ignore[arg-type]
    for name, value in facts.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("call", "told", "reason", "state"),
    [
        (OURS, CallState.BUSY, EndReason.NEVER_CONNECTED, CallState.BUSY),
        (OURS, CallState.NO_ANSWER, EndReason.NEVER_CONNECTED, CallState.NO_ANSWER),
        (OURS, CallState.REJECTED, EndReason.NEVER_CONNECTED, CallState.REJECTED),
        (OURS, CallState.COMPLETED, EndReason.NEVER_CONNECTED, CallState.NO_ANSWER),
        (OURS, CallState.COMPLETED, EndReason.VOICEMAIL, CallState.COMPLETED),
        (OURS, CallState.CANCELED, EndReason.OPERATOR, CallState.CANCELED),
        (OURS, CallState.FAILED, EndReason.SERVER_STOPPED, CallState.FAILED),
        (OURS, None, EndReason.NEVER_CONNECTED, CallState.NO_ANSWER),
        (UNPLACED, None, EndReason.NEVER_CONNECTED, CallState.FAILED),
        (CALL, None, EndReason.NEVER_CONNECTED, CallState.FAILED),
        (OURS, None, EndReason.INTERNAL_ERROR, CallState.FAILED),
    ],
)
async def test_a_call_without_a_conversation(
    call: object, told: CallState | None, reason: EndReason, state: CallState
) -> None:
    outcome = ending(live(call, told_state=told), reason)

    assert (outcome.state, outcome.reason) == (state, reason)
    assert (outcome.usage, outcome.latency_ms, outcome.audio_in_s) == ({}, (), None)


def a_session() -> object:
    measured = TurnTimes()
    measured.caller_stopped, measured.played = 1.0, 1.4
    return SimpleNamespace(
        tokens={"prompt": 5},
        replies=SimpleNamespace(turns=[measured, TurnTimes()]),
        caller_input=SimpleNamespace(total_ms=2500.0),
        voice=SimpleNamespace(heard_ms=1234.0),
    )


@pytest.mark.parametrize("reason", list(EndReason))
async def test_a_conversation_is_completed_unless_something_broke(reason: EndReason) -> None:
    broke = {"internal_error", "agent_failed", "server_crashed", "server_stopped", "stream_failed"}

    outcome = ending(live(session=a_session(), told_state=CallState.BUSY), reason)

    assert outcome.state is (CallState.FAILED if reason.value in broke else CallState.COMPLETED)
    assert (outcome.usage, outcome.audio_in_s, outcome.audio_out_s) == ({"prompt": 5}, 2.5, 1.23)
    assert outcome.latency_ms == (400,)


def test_ids_are_new_and_safe_in_paths() -> None:
    ids = {new_call_id(datetime.now(UTC)) for _ in range(500)}

    assert len(ids) == 500
    assert all(one.replace("-", "").isalnum() and len(one) == 25 for one in ids)


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("UTC", "20261123"),
        ("Asia/Kolkata", "20261124"),
        ("Pacific/Auckland", "20261124"),
        ("America/New_York", "20261123"),
        ("Pacific/Pago_Pago", "20261123"),
    ],
)
def test_an_id_begins_with_the_day_of_the_zone(zone: str, day: str) -> None:
    moment = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)

    assert new_call_id(moment.astimezone(ZoneInfo(zone))).startswith(f"{day}-")
