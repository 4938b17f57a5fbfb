"""What pages of calls must hold, on each database."""

from dataclasses import replace
from datetime import datetime

import pytest

from fwai.domain.call import Call, CallId, CallState, Direction
from fwai.domain.record import CallRecord
from unit.store.kit import OTHER_PHONE, PHONE, T0, Kept, a_call, at

FINAL = (CallState.FAILED, CallState.COMPLETED)


async def opened(
    kept: Kept,
    call_id: str,
    state: CallState = CallState.RINGING,
    after_s: float = 0,
    call: Call | None = None,
) -> str:
    base = call or a_call()
    await kept.calls.open(replace(base, id=CallId(call_id)), state, T0 + after_s)
    return call_id


def ids(page: list[CallRecord]) -> list[str]:
    return [record.call.id for record in page]


async def walked(kept: Kept, most: int, **filters: tuple[CallState, ...]) -> list[str]:
    seen: list[CallRecord] = []
    cursor: tuple[datetime, CallId] | None = None
    while page := await kept.calls.page(after=cursor, limit=most, **filters):  # type: ignore[arg-type]
        assert len(page) <= most
        seen += page
        cursor = (page[-1].created_at, page[-1].call.id)
    return ids(seen)


async def test_there_may_be_no_calls(kept: Kept) -> None:
    assert await kept.calls.page() == []
    assert await kept.calls.page(phone=PHONE, limit=3) == []
    assert await kept.calls.waiting_outbound() == []


@pytest.mark.parametrize("most", [1, 2, 3, 50])
async def test_pages_hold_each_call_once_the_newest_first(kept: Kept, most: int) -> None:
    for number in range(8):
        await opened(kept, f"c-{number}", after_s=number // 3)  # some at the same moment

    assert await walked(kept, most) == [f"c-{number}" for number in reversed(range(8))]


@pytest.mark.parametrize("most", [1, 2, 50])
async def test_pages_of_several_states_are_in_one_order(kept: Kept, most: int) -> None:
    states = (CallState.FAILED, CallState.RINGING, CallState.COMPLETED)
    for number in range(9):
        await opened(kept, f"c-{number}", states[number % 3], number // 4)

    found = await walked(kept, most, states=FINAL)

    assert found == ["c-8", "c-6", "c-5", "c-3", "c-2", "c-0"]


async def test_a_call_that_comes_in_between_moves_no_page(kept: Kept) -> None:
    for number in range(4):
        await opened(kept, f"c-{number}", after_s=number)
    first = await kept.calls.page(limit=2)
    await opened(kept, "new", after_s=9)

    rest = await kept.calls.page(limit=2, after=(first[-1].created_at, first[-1].call.id))

    assert ids(first) == ["c-3", "c-2"]
    assert ids(rest) == ["c-1", "c-0"]


async def test_pages_can_be_narrowed(kept: Kept) -> None:
    outbound = replace(a_call(), direction=Direction.OUTBOUND, provider="exotel")
    await opened(kept, "c-0", CallState.FAILED)
    await opened(kept, "c-1", after_s=1, call=outbound)
    await opened(kept, "c-2", after_s=2, call=replace(a_call(), caller=OTHER_PHONE))

    assert ids(await kept.calls.page(states=[CallState.RINGING])) == ["c-2", "c-1"]
    assert ids(await kept.calls.page(provider="exotel")) == ["c-1"]
    assert ids(await kept.calls.page(phone=OTHER_PHONE)) == ["c-2"]
    assert ids(await kept.calls.page(direction=Direction.INBOUND)) == ["c-2", "c-0"]
    assert ids(await kept.calls.page(created_from=at(1), created_to=at(2))) == ["c-1"]
    assert ids(await kept.calls.page(phone=PHONE, provider="plivo")) == ["c-0"]
    assert ids(await kept.calls.page(phone=PHONE, limit=1)) == ["c-1"]
    assert ids(await kept.calls.page(phone=PHONE, limit=9)) == ["c-1", "c-0"]


async def test_only_our_calls_that_were_dialled_wait(kept: Kept) -> None:
    outbound = replace(a_call(), direction=Direction.OUTBOUND)
    for number, state in enumerate(CallState):
        await opened(kept, f"out-{state}", state, -number, outbound)
        await opened(kept, f"in-{state}", state, number)

    assert ids(await kept.calls.waiting_outbound()) == ["out-ringing", "out-dialing"]
