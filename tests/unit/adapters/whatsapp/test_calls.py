"""Calls against a faked Meta: order of steps, repeats, tombstones, and every way to fail."""

import asyncio
from collections.abc import Callable

import pytest

import virtual_time
from fwai.adapters.whatsapp.call_state import RecentKeys
from fwai.adapters.whatsapp.client import GraphError
from fwai.adapters.whatsapp.events import Problem
from fwai.adapters.whatsapp.missed import WebhookAge
from fwai.domain.call import CallState, Direction
from fwai.errors import ApiError, ApiUnknownError, WireError
from two_clocks import TwoClocks
from unit.adapters.whatsapp.kit import (
    BUSY,
    NOW,
    USER,
    World,
    calls_of,
    connect,
    terminate,
    until,
)

REFUSED = GraphError(Problem(100, "bad"), 400)
SILENT = ApiUnknownError("whatsapp", "no answer")


def test_a_call_is_set_up_in_the_tested_order_and_ended_at_meta() -> None:
    world = World()

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect())
            await until(lambda: "carry" in world.steps)
            world.over.set()  # the agent hung up, and nobody told Meta
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    assert world.steps == [
        *("answer", "pre_accept", "connect", "accept", "release", "carry", "terminate")
    ]
    assert world.descriptions[0] == world.descriptions[1]
    offer = world.offers[0]
    assert (offer.provider, offer.direction) == ("whatsapp", Direction.INBOUND)
    assert (offer.caller, offer.line) == (USER.number, "+15550001111")


def test_without_pre_accept_the_accept_comes_first() -> None:
    world = World()

    async def scene() -> None:
        async with calls_of(world, pre_accept=False) as calls:
            calls.handle(connect())
            await until(lambda: "carry" in world.steps)

    virtual_time.run(scene())
    assert world.steps[:4] == ["answer", "accept", "connect", "release"]


def test_a_terminate_ends_the_call_and_is_not_answered_by_one() -> None:
    world = World()

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect())
            await until(lambda: "carry" in world.steps)
            calls.handle(terminate(duration_s=9.0))
            calls.handle(terminate(duration_s=9.0))
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    assert "terminate" not in world.steps
    assert world.endings == [("wacid.1", CallState.COMPLETED, "completed")]


def test_the_session_hangs_up_once() -> None:
    world = World()

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect())
            await until(lambda: "carry" in world.steps)
            await calls.hang_up("wacid.1")
            await calls.hang_up("wacid.1")
            world.over.set()
            await until(lambda: not calls.active)
            await calls.hang_up("wacid.1")  # late, from the manager

    virtual_time.run(scene())
    assert world.steps.count("terminate") == 1


@pytest.mark.parametrize("late", [connect(), connect(at=None)])
def test_a_repeated_connect_does_nothing(late: object) -> None:
    world = World()

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect())
            calls.handle(connect())
            await until(lambda: "carry" in world.steps)
            calls.handle(connect())

    virtual_time.run(scene())
    assert len(world.offers) == 1


def test_a_connect_after_its_terminate_or_too_late_does_nothing() -> None:
    world = World()

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(terminate())
            calls.handle(connect())
            calls.handle(connect("wacid.2", at=NOW - 46))
            await asyncio.sleep(1)
            assert calls.active == 0

    virtual_time.run(scene())
    assert world.steps == []
    assert world.offers == []
    misses = [(offer.provider_call_id, state) for offer, state, _ in world.handler.misses]
    assert sorted(set(misses)) == [
        ("wacid.1", CallState.CANCELED),
        ("wacid.1", CallState.NO_ANSWER),  # the first one counts
        ("wacid.2", CallState.NO_ANSWER),
    ]
    assert misses[0] == ("wacid.1", CallState.CANCELED)
    assert {offer.caller for offer, _, _ in world.handler.misses} == {connect().user.number}


@pytest.mark.parametrize("stage", ["at once", "take", "answer", "pre_accept", "connect", "accept"])
def test_a_user_who_gives_up_before_we_answered_is_told_with_the_number(stage: str) -> None:
    world = World(faults={} if stage == "at once" else {stage: 2.0})

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect())
            if stage == "take":
                await until(lambda: world.offers)
            elif stage != "at once":
                await until(lambda: stage in world.steps)
            calls.handle(terminate())
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    (missed,) = world.handler.misses
    offer, state, _ = missed
    assert (offer.provider_call_id, offer.direction) == ("wacid.1", Direction.INBOUND)
    assert (offer.caller, offer.line) == (connect().user.number, "+15550001111")
    assert state is CallState.CANCELED


def test_a_call_that_was_carried_is_not_missed() -> None:
    world = World()

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect())
            await until(lambda: "carry" in world.steps)
            calls.handle(terminate(duration_s=9.0))
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    assert world.handler.misses == []


@pytest.mark.parametrize("set_s", [3600.0, -3600.0, 86_400.0])
def test_a_clock_that_is_set_makes_no_call_late(set_s: float) -> None:
    clocks = TwoClocks(NOW)
    age = WebhookAge(lambda: clocks.wall_s, clocks.wall)
    clocks.go_on(100)
    right = clocks.wall_s
    clocks.set_wall(set_s)

    assert age.least_s(right) <= 1.0, "it was right before"
    assert age.least_s(clocks.wall_s) <= 1.0, "it is right now"
    assert age.least_s(min(right, clocks.wall_s) - 60) >= 60.0
    assert age.least_s(None) == 0.0


@pytest.mark.parametrize("stage", ["answer", "pre_accept", "connect", "accept"])
def test_a_terminate_during_any_step_stops_the_set_up(stage: str) -> None:
    world = World(faults={stage: 2.0})

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect())
            await until(lambda: stage in world.steps)
            await asyncio.sleep(0.5)
            calls.handle(terminate())
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    assert world.steps[-1] == stage, "nothing more is said to Meta"
    assert world.endings == [("wacid.1", CallState.CANCELED, "completed")]


def test_a_terminate_right_behind_the_connect_stops_it_at_once() -> None:
    world = World()

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect())
            calls.handle(terminate())
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    assert world.steps == []


FAILURES = [
    ("take", BUSY, ["reject"]),
    ("answer", BUSY, ["answer", "reject"]),
    ("answer", WireError("unreadable"), ["answer", "reject"]),
    ("pre_accept", REFUSED, ["answer", "pre_accept", "reject"]),
    ("pre_accept", SILENT, ["answer", "pre_accept", "reject"]),
    ("connect", WireError("no way"), ["answer", "pre_accept", "connect", "reject"]),
    ("connect", 60.0, ["answer", "pre_accept", "connect", "reject"]),
    ("connect", OSError("odd"), ["answer", "pre_accept", "connect", "reject"]),
    ("accept", REFUSED, ["answer", "pre_accept", "connect", "accept", "reject"]),
    ("accept", SILENT, ["answer", "pre_accept", "connect", "accept", "terminate"]),
    ("accept", 60.0, ["answer", "pre_accept", "connect", "accept", "terminate"]),
]


@pytest.mark.parametrize(("stage", "fault", "steps"), FAILURES)
def test_every_failure_ends_the_call_on_both_sides(
    stage: str, fault: Exception | float, steps: list[str]
) -> None:
    world = World(faults={stage: fault})

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect())
            await until(lambda: world.endings)
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    assert world.steps == steps
    (ending,) = world.endings
    assert ending[:2] == ("wacid.1", CallState.FAILED)
    assert ending[2]


def test_an_offer_that_cannot_be_used_is_rejected_in_words() -> None:
    world = World()

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect(sdp=""))
            await until(lambda: world.endings)

    virtual_time.run(scene())
    assert world.steps == ["reject"]
    assert "without a session description" in world.endings[0][2]


def test_a_call_that_is_known_is_left_alone() -> None:
    world = World(ticket=False)

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect())
            await until(lambda: world.offers and not calls.active)

    virtual_time.run(scene())
    assert world.steps == []


def test_a_session_that_was_given_up_meanwhile_is_terminated() -> None:
    world = World(carries=False)

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect())
            await until(lambda: world.endings and not calls.active)

    virtual_time.run(scene())
    assert world.steps[-1] == "terminate"


def test_a_terminate_that_failed_is_said_again() -> None:
    world = World(faults={"terminate": SILENT})

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect())
            await until(lambda: "carry" in world.steps)
            with pytest.raises(ApiError):
                await calls.hang_up("wacid.1")
            world.faults.clear()
            world.over.set()
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    assert world.steps.count("terminate") == 2


def test_the_manager_gives_up_a_call_that_is_being_set_up() -> None:
    world = World(faults={"connect": 5.0})

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect())
            await until(lambda: "connect" in world.steps)
            await calls.hang_up("wacid.1")
            await until(lambda: not calls.active)

    virtual_time.run(scene())
    assert world.steps[-1] == "reject"


def test_the_server_stops_while_a_call_is_being_set_up() -> None:
    world = World(faults={"connect": 5.0})

    async def scene() -> None:
        async with calls_of(world) as calls:
            calls.handle(connect())
            await until(lambda: "connect" in world.steps)
        calls.handle(connect("wacid.3"))  # too late for anything

    virtual_time.run(scene())
    assert world.steps[-1] == "reject"
    assert world.endings[0][1] is CallState.FAILED


# ---- what is remembered --------------------------------------------------------------------------


def test_memory_is_bounded_in_time_and_number() -> None:
    now = [0.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731
    seen = RecentKeys(clock, life_s=10, most=3)

    assert seen.add("a")
    assert not seen.add("a")
    now[0] = 11
    assert "a" not in seen
    assert seen.add("a")
    for key in "bcde":
        seen.add(key)
    assert len(seen) == 3
    assert "a" not in seen
    assert "e" in seen
