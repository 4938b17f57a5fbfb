"""An exception at any await of any task of a call: the neighbour's call goes on."""

import asyncio

import pytest

import virtual_time  # noqa: F401 - `inside` runs on its clock
from fakes import HANG_UP, FakeArchive, FakeCaller
from fault_injection import faults
from fwai.domain.call import Call, CallEnding, CallId, CallOffer, CallState, Direction
from fwai.domain.events import CallerAudio
from unit.calls.test_manager import House, inside

MOST_AWAITS = 60
NEIGHBOUR = CallOffer("plivo", "carrier-2", Direction.INBOUND, "+919999900002", "+918888800000")
HALF_A_SECOND = b"\0\0" * 4000


class SlowArchive(FakeArchive):
    """An archive that lets others run in the middle of each change."""

    async def open(self, call: Call, state: CallState, at: float) -> None:
        await asyncio.sleep(0.01)
        await super().open(call, state, at)

    async def set_state(self, call_id: CallId, state: CallState, at: float) -> bool:
        await asyncio.sleep(0.01)
        return await super().set_state(call_id, state, at)

    async def end(self, call: Call, ending: CallEnding, at: float) -> bool:
        await asyncio.sleep(0.01)
        return await super().end(call, ending, at)


@pytest.mark.parametrize("kind", ["call:", "agent", "watch", "records:"])
def test_the_neighbours_call_goes_on(kind: str) -> None:
    struck = 0
    for step in range(1, MOST_AWAITS):

        async def act(house: House, step: int = step) -> None:
            nonlocal struck
            neighbour = await house.offer(NEIGHBOUR)
            talk = [(n * 0.5, CallerAudio(HALF_A_SECOND)) for n in range(60)]
            spoken = FakeCaller([*talk, (30.0, HANG_UP)])
            carried = asyncio.ensure_future(house.calls.carry(neighbour, "carrier-2", spoken))
            await asyncio.sleep(0.5)
            with faults(lambda name: name.startswith(kind), step) as plan:
                token = await house.offer()
                caller = FakeCaller([(1.0, CallerAudio(HALF_A_SECOND)), (5.0, HANG_UP)])
                await asyncio.sleep(0.5)
                await house.calls.carry(token, "carrier-1", caller)
                await asyncio.sleep(20)
            struck += bool(plan.struck)
            assert house.calls.active == 1, "the struck call is over, the other is not"
            assert await carried

        house = inside(act, archive=SlowArchive())

        ended = dict(house.archive.states)
        other = [state for call_id, state in ended.items() if state is CallState.COMPLETED]
        assert other, "the neighbour's call came to its own end"
    assert struck, f"no task {kind} was struck at all"
