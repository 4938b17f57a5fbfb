"""What one caller, and all of them, can spend; and that nobody else is kept out by it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

import virtual_time
from fakes import FakeCaller, FakeControl
from fwai.calls.admission import LATE_S, MANY, STRETCH_S, Admission, InboundLimits
from fwai.domain.call import Call, CallId, CallOffer, CallState, Direction, EndReason
from fwai.errors import BusyError
from unit.calls.test_manager import INBOUND, House

SOMEBODY = "+919999900001"
ANOTHER = "+919999900002"


class Alarms:
    """Keeps which limits were reached."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []

    def reached(self, limit: str, most: int) -> None:
        self.heard.append((limit, most))


class Exchange:
    """Sends calls to a manager, each with an id of its own."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.number = 0

    async def ring(self, caller: str = SOMEBODY, **facts: object) -> str | None:
        """Offer a call; return the carrier's id of it, or None when the line is busy."""
        self.number += 1
        name = f"carrier-{self.number}"
        offer = replace(INBOUND, provider_call_id=name, caller=caller, **facts)  # type: ignore[arg-type]
        try:
            assert await self.house.calls.offer(offer, FakeControl()) is not None
        except BusyError:
            return None
        return name

    async def over(self, name: str | None) -> None:
        assert name is not None
        await self.house.calls.ended("plivo", name, CallState.COMPLETED)
        await asyncio.sleep(0.01)

    async def rings(self, times: int, caller: str = SOMEBODY, **facts: object) -> int:
        """Offer so many calls; return how many were taken."""
        taken = [await self.ring(caller, **facts) for _ in range(times)]
        return len(taken) - taken.count(None)


def story(
    act: Callable[[Exchange], Awaitable[None]], limits: InboundLimits
) -> tuple[House, Alarms]:
    """Run ``act`` on a clock that jumps."""
    alarms = Alarms()

    async def main() -> House:
        admission = Admission(limits, asyncio.get_running_loop().time, alarms)
        house = House(max_calls=1_000, admission=admission)
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(house.calls.run(ready))
            await ready.wait()
            await act(Exchange(house))
            house.calls.stop()
        assert not any(agent.running for agent in house.agents)
        return house

    return virtual_time.run(main()), alarms


WIDE = InboundLimits(per_caller=1_000, at_once=1_000, waiting=1_000)


def test_a_number_has_so_many_calls_at_once_and_others_have_theirs() -> None:
    async def act(exchange: Exchange) -> None:
        first = await exchange.ring()
        assert await exchange.rings(10) == 2
        assert await exchange.rings(10, ANOTHER) == 3
        await exchange.over(first)
        assert await exchange.rings(10) == 1

    house, alarms = story(act, replace(WIDE, at_once=3))

    assert set(alarms.heard) == {("CALLS_AT_ONCE_PER_CALLER", 3)}
    assert list(house.archive.states.values()).count(CallState.BUSY) == 8 + 7 + 9


def test_a_number_that_calls_again_and_again_hears_busy_for_a_while() -> None:
    async def act(exchange: Exchange) -> None:
        for expected in (1, 1, 1, 0, 0):
            name = await exchange.ring()
            assert (name is not None) == bool(expected)
            if name:
                await exchange.over(name)
        await asyncio.sleep(STRETCH_S)
        assert await exchange.ring() is not None

    _, alarms = story(act, replace(WIDE, per_caller=3))

    assert alarms.heard == [("CALLS_PER_CALLER", 3)] * 2


@pytest.mark.parametrize("limits", [replace(WIDE, at_once=2), replace(WIDE, per_caller=2)])
def test_callers_without_a_number_are_one_with_more_room(limits: InboundLimits) -> None:
    async def act(exchange: Exchange) -> None:
        assert await exchange.rings(20, "") == 2 * MANY
        assert await exchange.rings(3) == 2

    story(act, limits)


def test_the_owner_calls_as_often_as_they_like() -> None:
    async def act(exchange: Exchange) -> None:
        assert await exchange.rings(50) == 50

    story(act, replace(WIDE, per_caller=1, at_once=1, exempt=frozenset({SOMEBODY})))


def test_who_signed_in_is_not_counted_with_those_who_show_no_number() -> None:
    async def act(exchange: Exchange) -> None:
        assert await exchange.rings(20, "", provider="browser") == 20
        assert await exchange.rings(20, "") == MANY

    limits = replace(WIDE, at_once=1, bounded_elsewhere=frozenset({"browser"}))
    story(act, limits)


def test_a_call_of_ours_is_bounded_by_nothing_here_and_uses_up_nothing() -> None:
    async def act(exchange: Exchange) -> None:
        house = exchange.house
        for number in range(5):
            call = Call(
                CallId(f"c-{number}"), "plivo", Direction.OUTBOUND, SOMEBODY, "", "FWAI_Core"
            )
            await house.archive.open(call, CallState.DIALING, 0.0)
            name = f"placed-{number}"
            offer = CallOffer("plivo", name, Direction.OUTBOUND, SOMEBODY, "", call_id=call.id)
            assert await house.calls.offer(offer, FakeControl()) is not None
        assert await exchange.rings(2) == 1

    story(act, replace(WIDE, at_once=1, waiting=1))


def test_an_outbound_call_that_is_none_of_ours_is_bounded_like_any() -> None:
    """Whoever signs says which way a call goes."""

    async def act(exchange: Exchange) -> None:
        assert await exchange.rings(5, direction=Direction.OUTBOUND) == 2

    story(act, replace(WIDE, at_once=2))


def test_a_flood_of_signed_answers_opens_as_many_model_sessions_as_may_wait() -> None:
    async def act(exchange: Exchange) -> None:
        for number in range(300):
            await exchange.ring(f"+9199999{number:05d}")
        await asyncio.sleep(0.5)
        assert sum(agent.running for agent in exchange.house.agents) == 20

    house, alarms = story(act, replace(WIDE, waiting=20))

    assert len(house.agents) == 20
    assert set(alarms.heard) == {("CALLS_WAITING", 20)}


def test_a_call_whose_sound_came_waits_no_more() -> None:
    async def act(exchange: Exchange) -> None:
        house = exchange.house
        async with asyncio.TaskGroup() as tasks:
            for number in range(5):
                offer = replace(
                    INBOUND, provider_call_id=f"c-{number}", caller=f"+9199999000{number:02d}"
                )
                ticket = await house.calls.offer(offer, FakeControl())
                assert ticket is not None
                leg = FakeCaller([])
                tasks.create_task(house.calls.carry(ticket.token, f"c-{number}", leg))
                await asyncio.sleep(0.1)
            assert house.calls.active == 5
            for number in range(5):
                await house.calls.ended("plivo", f"c-{number}", CallState.COMPLETED)

    story(act, replace(WIDE, waiting=1))


def test_calls_that_wait_keep_nobody_out_for_long() -> None:
    """The one that waits longest gives way, once its sound is later than any carrier's."""

    async def act(exchange: Exchange) -> None:
        oldest = await exchange.ring("+919999900011")
        await asyncio.sleep(1)
        assert await exchange.ring("+919999900012") is not None
        assert await exchange.ring() is None
        await asyncio.sleep(LATE_S - 1)
        assert await exchange.ring() is not None
        assert await exchange.ring(ANOTHER) is None  # the second one is not that late yet
        await asyncio.sleep(0.1)
        assert exchange.house.calls.active == 2
        assert exchange.house.calls._live.find("plivo", str(oldest)) is None
        ended = exchange.house.archive.endings.values()
        assert [one.reason for one in ended if one.state is CallState.FAILED] == [
            EndReason.NEVER_CONNECTED
        ]

    story(act, replace(WIDE, waiting=2))


@pytest.mark.parametrize("state", [CallState.COMPLETED, CallState.CANCELED, CallState.NO_ANSWER])
def test_a_call_given_up_before_its_sound_came_frees_its_place_at_once(state: CallState) -> None:
    async def act(exchange: Exchange) -> None:
        assert await exchange.ring() == "carrier-1"
        await exchange.house.calls.ended("plivo", "carrier-1", state)
        assert await exchange.ring(ANOTHER) is not None
        await asyncio.sleep(0.01)
        assert [agent.running for agent in exchange.house.agents] == [False, True]

    story(act, replace(WIDE, waiting=1))


def test_a_request_that_comes_again_is_the_same_call() -> None:
    async def act(exchange: Exchange) -> None:
        for _ in range(10):
            assert await exchange.house.calls.offer(INBOUND, FakeControl()) is not None

    story(act, replace(WIDE, at_once=1, per_caller=1, waiting=1))


def test_a_machine_that_is_full_says_so_and_counts_nobody() -> None:
    """Else whoever heard busy and calls again would be refused for calling too often."""

    async def act(exchange: Exchange) -> None:
        exchange.house.calls.drain()
        assert await exchange.rings(10) == 0

    _, alarms = story(act, replace(WIDE, per_caller=1))

    assert alarms.heard == []
