"""Whoever called and got nobody stands on the list of calls: once, however often it is told."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

import virtual_time  # noqa: F401 - `inside` runs on its clock
from fakes import HANG_UP, FakeCaller
from fwai.calls.missed_calls import MAX_REMEMBERED, MOST_AT_ONCE, PER_SECOND
from fwai.domain.call import CallId, CallOffer, CallState, Direction, EndReason
from fwai.errors import BusyError
from unit.calls.test_manager import INBOUND, House, inside

OTHER = CallOffer("plivo", "carrier-2", Direction.INBOUND, "+919999900002", "+918888800000")


def kept(house: House) -> list[tuple[str, CallState, EndReason, str]]:
    """Return who called, and how the records say that it ended."""
    return [
        (house.archive.calls[call_id].caller, ending.state, ending.reason, ending.cause)
        for call_id, ending in house.archive.endings.items()
    ]


async def refused(house: House, offer: CallOffer = OTHER) -> None:
    with pytest.raises(BusyError):
        await house.calls.offer(offer, house.control)
    await asyncio.sleep(0.1)


NEVER = EndReason.NEVER_CONNECTED


async def full(house: House) -> None:
    await house.offer()
    await refused(house)


async def draining(house: House) -> None:
    house.calls.drain()
    await refused(house)


@pytest.mark.parametrize(("why", "cause"), [(full, "all lines are in use"), (draining, "draining")])
@pytest.mark.parametrize("provider", ["plivo", "exotel", "whatsapp", "browser"])
def test_a_call_that_is_refused_is_kept(
    why: Callable[[House], Awaitable[None]], cause: str, provider: str
) -> None:
    async def act(house: House) -> None:
        await why(house)
        offer = replace(OTHER, provider=provider, provider_call_id="x", caller="")
        await refused(house, offer)
        await refused(house, offer)  # the carrier asks again

    house = inside(act, max_calls=1)

    busy = [one for one in kept(house) if one[1] is CallState.BUSY]
    assert busy == [
        (OTHER.caller, CallState.BUSY, NEVER, cause),
        ("", CallState.BUSY, NEVER, cause),
    ]
    assert [call.direction for call in house.archive.calls.values()] == [Direction.INBOUND] * len(
        house.archive.calls
    )


@pytest.mark.parametrize(
    ("told", "state"),
    [
        (CallState.CANCELED, CallState.CANCELED),
        (CallState.NO_ANSWER, CallState.NO_ANSWER),
        (CallState.FAILED, CallState.FAILED),
        (CallState.COMPLETED, CallState.NO_ANSWER),
    ],
)
def test_a_call_that_we_were_never_asked_for_is_kept_once(
    told: CallState, state: CallState
) -> None:
    async def act(house: House) -> None:
        for _ in range(3):
            await house.calls.missed(OTHER, told, "gone")
            await asyncio.sleep(0.1)

    assert kept(inside(act)) == [(OTHER.caller, state, NEVER, "gone")]


def test_a_call_that_goes_on_or_is_over_is_not_missed() -> None:
    async def act(house: House) -> None:
        token = await house.offer()
        await house.calls.missed(INBOUND, CallState.CANCELED)
        await house.calls.carry(token, "carrier-1", FakeCaller([(2.0, HANG_UP)]))
        house.archive.calls.clear()  # it was erased: late news must not bring it back
        house.archive.states.clear()
        await house.calls.missed(INBOUND, CallState.CANCELED)

    house = inside(act)

    assert house.archive.calls == {}
    assert house.reasons == [EndReason.CALLER_HUNG_UP]


@pytest.mark.parametrize(
    "offer",
    [
        replace(OTHER, direction=Direction.OUTBOUND),
        replace(OTHER, call_id=CallId("c-1")),
        replace(OTHER, provider_call_id=""),
    ],
)
def test_what_is_no_call_to_us_is_not_kept(offer: CallOffer) -> None:
    async def act(house: House) -> None:
        await house.calls.missed(offer, CallState.CANCELED)

    assert inside(act).archive.calls == {}


def test_a_refused_call_that_comes_again_is_carried_when_there_is_room() -> None:
    async def act(house: House) -> None:
        token = await house.offer()
        await refused(house)
        await house.calls.carry(token, "carrier-1", FakeCaller([(1.0, HANG_UP)]))
        await asyncio.sleep(1)
        ticket = await house.calls.offer(OTHER, house.control)
        assert ticket is not None
        await house.calls.carry(ticket.token, "carrier-2", FakeCaller([(1.0, HANG_UP)]))

    house = inside(act, max_calls=1)

    assert [state for _, state, _, _ in kept(house)].count(CallState.COMPLETED) == 2


def test_a_flood_fills_no_disk() -> None:
    """So many are kept at once, then one a second; the rest is counted."""
    more = 1_000

    async def act(house: House) -> None:
        for number in range(MOST_AT_ONCE + more):
            offer = replace(OTHER, provider_call_id=f"flood-{number}")
            await house.calls.missed(offer, CallState.BUSY, "all lines are in use")
        await asyncio.sleep(1)
        assert len(house.archive.calls) == MOST_AT_ONCE
        assert house.calls._missed.left_out == more
        await asyncio.sleep(10 / PER_SECOND)
        for number in range(50):
            offer = replace(OTHER, provider_call_id=f"later-{number}")
            await house.calls.missed(offer, CallState.BUSY, "all lines are in use")
        await asyncio.sleep(1)
        assert MOST_AT_ONCE + 10 <= len(house.archive.calls) <= MOST_AT_ONCE + 12

    inside(act)


def test_what_is_remembered_of_calls_is_bounded() -> None:
    async def act(house: House) -> None:
        house.calls.drain()
        for number in range(MAX_REMEMBERED + 500):
            offer = replace(OTHER, provider_call_id=f"c-{number}")
            with pytest.raises(BusyError):
                await house.calls.offer(offer, house.control)
        assert len(house.calls._missed._refused) == MAX_REMEMBERED
        assert not house.calls._missed.was_refused("plivo", "c-0")

    inside(act)
