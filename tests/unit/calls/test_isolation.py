"""An exception at any await of any task of a call: the neighbour's call goes on."""

import asyncio

import pytest
from structlog.testing import capture_logs

import virtual_time  # noqa: F401 - `inside` runs on its clock
from fakes import HANG_UP, FakeAgent, FakeArchive, FakeCaller
from fault_injection import faults
from fwai.domain.call import Call, CallEnding, CallId, CallOffer, CallState, Direction
from fwai.domain.events import (
    AgentAudio,
    AgentAway,
    AgentReady,
    CallerAudio,
    ToolCall,
    TurnEnded,
)
from unit.calls.test_manager import House, inside

MOST_AWAITS = 60
NEIGHBOUR = CallOffer("plivo", "carrier-2", Direction.INBOUND, "+919999900002", "+918888800000")
HALF_A_SECOND = b"\0\0" * 4000
SPEECH = AgentAudio(b"".join((b"\x00\x20" * 480, b"\x00\x08" * 480)[at % 2] for at in range(50)))


class SlowArchive(FakeArchive):
    """An archive that lets others run in the middle of each change."""

    async def state_of(self, provider: str, provider_call_id: str) -> CallState | None:
        await asyncio.sleep(0.01)
        return await super().state_of(provider, provider_call_id)

    async def open(self, call: Call, state: CallState, at: float) -> None:
        await asyncio.sleep(0.01)
        await super().open(call, state, at)

    async def set_state(self, call_id: CallId, state: CallState, at: float) -> bool:
        await asyncio.sleep(0.01)
        return await super().set_state(call_id, state, at)

    async def end(self, call: Call, ending: CallEnding, at: float) -> bool:
        await asyncio.sleep(0.01)
        return await super().end(call, ending, at)


async def busy_agent(_: Call) -> FakeAgent:
    """Answer with one that is away for a moment, speaks, uses a tool and says goodbye."""
    return FakeAgent(
        [
            (0.2, AgentAway("lost")),
            (0.3, AgentReady(resumed=True)),
            (0.5, ToolCall("fc-1", "look_up", {})),
            (1.0, AgentAudio(bytes(24_000))),
            (1.1, ToolCall("fc-2", "end_call", {})),
            (1.2, TurnEnded()),
        ]
    )


async def neighbours_agent(_: Call) -> FakeAgent:
    """Answer with one that speaks whenever it is asked to."""
    return FakeAgent((), lambda _: [(0.5, SPEECH), (0.6, TurnEnded())])


@pytest.mark.parametrize(
    "kind", ["call:", "agent", "watch", "records:", "bounded_read", "tool:", "finish"]
)
def test_the_neighbours_call_goes_on(kind: str) -> None:
    for step in range(1, MOST_AWAITS):
        struck: list[str] = []

        async def act(house: House, step: int = step, struck: list[str] = struck) -> None:
            house.make_agent = neighbours_agent
            neighbour = await house.offer(NEIGHBOUR)
            talk = [(n * 0.5, CallerAudio(HALF_A_SECOND)) for n in range(60)]
            spoken = FakeCaller([*talk, (30.0, HANG_UP)])
            carried = asyncio.ensure_future(house.calls.carry(neighbour, "carrier-2", spoken))
            await asyncio.sleep(0.5)
            house.make_agent = busy_agent
            with faults(lambda name: name.startswith(kind), step) as plan:
                token = await house.offer()
                caller = FakeCaller([(1.0, CallerAudio(HALF_A_SECOND)), (5.0, HANG_UP)])
                await asyncio.sleep(0.5)
                await house.calls.carry(token, "carrier-1", caller)
                await asyncio.sleep(20)
            struck += plan.struck
            assert house.calls.active == 1, "the struck call is over, the other is not"
            assert await carried

        with capture_logs():  # a traceback takes half a second to draw
            house = inside(act, archive=SlowArchive())

        ended = dict(house.archive.states)
        other = [state for call_id, state in ended.items() if state is CallState.COMPLETED]
        assert other, "the neighbour's call came to its own end"
        if not struck:  # it has no further await
            assert step > 1, f"no task {kind} was struck at all"
            return
    pytest.fail(f"a task {kind} has more awaits than were tried")
