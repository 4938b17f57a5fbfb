"""Calls of ours against a faked Meta: ringing, pick-up, and every way not to be answered."""

import asyncio

import pytest

import virtual_time
from fwai.adapters.whatsapp.client import GraphError
from fwai.adapters.whatsapp.events import CallTerminated, Problem
from fwai.domain.call import CallState, Direction
from fwai.domain.events import CallerAudio, CallerHungUp
from fwai.errors import ApiError, ApiUnknownError
from unit.adapters.whatsapp.kit import (
    USER,
    World,
    calls_of,
    connect,
    progress,
    terminate,
    until,
)

REFUSED = GraphError(Problem(100, "bad"), 400)
SILENT = ApiUnknownError("whatsapp", "no answer")


def test_a_call_of_ours_is_released_when_it_is_picked_up() -> None:
    world = World()

    async def scene() -> None:
        async with calls_of(world) as calls:
            assert await calls.dial(USER, "job-7") == "wacid.1"
            calls.handle(progress("RINGING"))
            calls.handle(progress("RINGING"))
            calls.handle(connect(ours=True))
            await until(lambda: "connect" in world.steps)
            await asyncio.sleep(5)
            assert world.offers == []
            calls.handle(progress("ACCEPTED"))
            await until(lambda: "carry" in world.steps)
            calls.handle(terminate(duration_s=3.0))
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    assert world.steps == ["dial", "connect", "release", "carry"]
    assert world.offers[0].direction is Direction.OUTBOUND
    assert world.offers[0].call_id == "job-7"
    assert world.handler.rang == [("job-7", "wacid.1")]
    assert set(world.handler.ended_for) == {"job-7"}
    assert [one.state for one in world.progress] == [
        *(CallState.DIALING, CallState.RINGING, CallState.IN_PROGRESS, CallState.COMPLETED)
    ]
    assert {one.reference for one in world.progress} == {"job-7"}


def test_the_users_voice_counts_as_picking_up() -> None:
    loud = bytes(range(0, 256, 2)) * 20
    silence = [(at / 50, CallerAudio(bytes(320))) for at in range(50)]
    world = World(script=[*silence, *((1 + at / 50, CallerAudio(loud)) for at in range(50))])

    async def scene() -> None:
        async with calls_of(world) as calls:
            await calls.dial(USER, "job-7")
            calls.handle(connect(ours=True))
            await asyncio.sleep(0.9)
            assert world.offers == []
            await until(lambda: "carry" in world.steps, 3)

    virtual_time.run(scene())
    assert world.steps[-1] == "terminate"


def test_media_that_breaks_while_it_rings_ends_the_call() -> None:
    world = World(script=[(1.0, CallerHungUp(failed=True))])

    async def scene() -> None:
        async with calls_of(world) as calls:
            await calls.dial(USER, "job-7")
            calls.handle(connect(ours=True))
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    assert world.steps == ["dial", "connect", "terminate"]
    assert world.progress[-1].state is CallState.FAILED


@pytest.mark.parametrize("rejected", [False, True])
def test_how_it_came_out_may_be_said_after_the_media_ended(*, rejected: bool) -> None:
    world = World(script=[(1.0, CallerHungUp())])

    async def scene() -> None:
        async with calls_of(world) as calls:
            await calls.dial(USER, "job-7")
            calls.handle(connect(ours=True))
            await asyncio.sleep(1.5)
            if rejected:
                calls.handle(progress("REJECTED"))
                await asyncio.sleep(0.2)
            calls.handle(terminate())
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    state = CallState.REJECTED if rejected else CallState.NO_ANSWER
    assert world.endings == [("wacid.1", state, "completed")]
    assert world.steps == ["dial", "connect"]


def test_a_rejection_without_an_end_counts() -> None:
    world = World(script=[(1.0, CallerHungUp())])

    async def scene() -> None:
        async with calls_of(world) as calls:
            await calls.dial(USER, "job-7")
            calls.handle(connect(ours=True))
            calls.handle(progress("REJECTED"))
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    assert world.endings[0][1] is CallState.REJECTED
    assert world.steps == ["dial", "connect", "terminate"]


UNANSWERED: list[tuple[list[object], CallState]] = [
    ([terminate()], CallState.NO_ANSWER),
    ([progress("REJECTED"), terminate()], CallState.REJECTED),
    ([terminate(status="FAILED")], CallState.FAILED),
]


@pytest.mark.parametrize(("events", "state"), UNANSWERED)
@pytest.mark.parametrize("answered", [False, True])
def test_how_an_unanswered_call_came_out(
    events: list[object], state: CallState, answered: bool
) -> None:
    world = World()

    async def scene() -> None:
        async with calls_of(world) as calls:
            await calls.dial(USER, "job-7")
            if answered:
                calls.handle(connect(ours=True))
                await until(lambda: "connect" in world.steps)
            for event in events:
                calls.handle(event)  # type: ignore[arg-type]
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    assert world.progress[-1].state is state
    assert [one[1] for one in world.endings] == [state]
    assert set(world.handler.ended_for) == {"job-7"}
    assert "terminate" not in world.steps


def test_nobody_picks_up() -> None:
    world = World()

    async def scene() -> None:
        async with calls_of(world) as calls:
            await calls.dial(USER, "job-7")
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    assert world.steps == ["dial", "terminate"]
    assert world.progress[-1].state is CallState.NO_ANSWER
    assert world.handler.ended_for == ["job-7"]


def test_a_call_rings_as_long_as_its_order_says() -> None:
    world = World()
    rang: list[float] = []

    async def scene() -> None:
        async with calls_of(world) as calls:
            loop = asyncio.get_running_loop()
            began = loop.time()
            await calls.dial(USER, "job-7", 12.0)
            await until(lambda: not calls.active)
            rang.append(loop.time() - began)

    virtual_time.run(scene())
    assert 12.0 <= rang[0] < 13.0
    assert world.endings == [("wacid.1", CallState.NO_ANSWER, "not in time")]


def test_a_call_that_rings_can_be_taken_back() -> None:
    world = World()

    async def scene() -> None:
        async with calls_of(world) as calls:
            await calls.dial(USER, "job-7")
            calls.handle(connect(ours=True))
            calls.handle(progress("RINGING"))
            await until(lambda: "connect" in world.steps)
            await calls.hang_up("wacid.1")
            await until(lambda: not calls.active)
            calls.handle(progress("RINGING"))
            calls.handle(terminate())
            await until(lambda: world.handler.ended_for)

    virtual_time.run(scene())
    assert world.steps == ["dial", "connect", "terminate"]
    assert world.offers == []
    assert world.handler.rang == [("job-7", "wacid.1")]


def test_the_end_of_a_call_that_nobody_here_knows_is_told_by_its_reference() -> None:
    """It was placed before a restart."""
    world = World()
    event = CallTerminated(
        "wacid.9", Direction.OUTBOUND, USER, "COMPLETED", None, reference="job-9"
    )

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(event)
            calls.handle(event)
            await until(lambda: world.endings)

    virtual_time.run(scene())
    assert world.handler.ended_for == ["job-9"]
    assert world.endings == [("wacid.9", CallState.NO_ANSWER, "completed")]


def test_our_number_is_learned_from_the_first_call() -> None:
    world = World()

    async def scene() -> None:
        async with calls_of(world, line="") as calls:
            assert calls.line == ""
            await calls.dial(USER, "job-7")
            calls.handle(connect(ours=True))
            calls.handle(progress("ACCEPTED"))
            await until(lambda: "carry" in world.steps)
            assert calls.line == "+15550001111"

    virtual_time.run(scene())


def test_the_answer_may_be_faster_than_the_response() -> None:
    world = World(faults={"dial": 2.0})

    async def scene() -> None:
        async with calls_of(world) as calls:
            loop = asyncio.get_running_loop()
            loop.call_later(1.0, calls.handle, connect(ours=True))
            loop.call_later(1.1, calls.handle, progress("ACCEPTED"))
            await calls.dial(USER, "job-7")
            await until(lambda: "carry" in world.steps)

    virtual_time.run(scene())


def test_the_end_may_be_faster_than_the_response() -> None:
    world = World(faults={"dial": 2.0})

    async def scene() -> None:
        async with calls_of(world) as calls:
            loop = asyncio.get_running_loop()
            loop.call_later(1.0, calls.handle, progress("REJECTED"))
            loop.call_later(1.1, calls.handle, terminate())
            await calls.dial(USER, "job-7")
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    assert world.steps == ["dial"]
    assert world.progress[-1].state is CallState.REJECTED


@pytest.mark.parametrize("fault", [REFUSED, SILENT])
def test_a_call_that_was_not_placed_holds_nothing(fault: Exception) -> None:
    world = World(faults={"dial": fault})

    async def scene() -> None:
        async with calls_of(world) as calls:
            with pytest.raises(ApiError):
                await calls.dial(USER, "job-7")

    virtual_time.run(scene())
    assert world.steps == ["dial"]


def test_an_answer_that_nobody_waits_for_is_terminated() -> None:
    """The request timed out, but Meta had placed the call all the same."""
    world = World()

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect(ours=True))
            calls.handle(connect(ours=True))
            calls.handle(progress("ACCEPTED"))
            await until(lambda: world.steps)

    virtual_time.run(scene())
    assert world.steps == ["terminate"]
