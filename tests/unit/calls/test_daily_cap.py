"""How many calls of ours begin in a day, whoever counts them and whichever day it is."""
# ruff: noqa: E501 - a table of times reads better in long lines

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from fwai.calls.daily_cap import ASK_S, DailyCap
from fwai.domain.call import CallId, CallState
from fwai.domain.job import Done, Postpone
from unit.calls.test_admission import Alarms
from unit.calls.test_dialer import CALL, KOLKATA, Desk

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=KOLKATA)


class Book:
    """The database's count, and the clock."""

    def __init__(self, most: int, zone: ZoneInfo = KOLKATA, now: datetime = NOON) -> None:
        self.now = now
        self.kept = 0
        self.asked: list[datetime] = []
        self.alarms = Alarms()
        self.cap = DailyCap(most, self.begun_since, zone, lambda: self.now, self.alarms)

    async def begun_since(self, moment: datetime) -> int:
        self.asked.append(moment)
        return self.kept

    async def open(self) -> bool:
        return await self.cap.until() is None


async def test_what_begins_here_is_counted_at_once() -> None:
    book = Book(3)
    for _ in range(3):
        assert await book.open()
        book.cap.begun()

    assert not await book.open()
    assert len(book.asked) == 1
    assert book.alarms.heard == [("OUTBOUND_CALLS_PER_DAY", 3)]


async def test_what_began_elsewhere_or_before_is_counted_within_a_minute() -> None:
    book = Book(3)
    assert await book.open()
    book.kept = 3
    book.now += timedelta(seconds=ASK_S + 1)

    assert not await book.open()


async def test_a_call_that_was_not_placed_in_the_end_makes_room_again() -> None:
    book = Book(1)
    assert await book.open()
    book.cap.begun()
    assert not await book.open()
    book.now += timedelta(seconds=ASK_S + 1)

    assert await book.open()


@pytest.mark.parametrize(
    ("zone", "now", "since", "until"),
    [
        ("Asia/Kolkata", "2026-11-24T12:00+05:30", "2026-11-24T00:00+05:30", "2026-11-25T00:00+05:30"),
        ("Asia/Kolkata", "2026-11-24T20:00+00:00", "2026-11-25T00:00+05:30", "2026-11-26T00:00+05:30"),
        # Days of 23 and of 25 hours.
        ("Europe/Berlin", "2026-03-29T12:00+02:00", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        ("Europe/Berlin", "2026-10-25T00:30+02:00", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
    ],
    ids=range(4),
)  # fmt: skip
async def test_a_day_is_one_of_the_zone(zone: str, now: str, since: str, until: str) -> None:
    book = Book(1, ZoneInfo(zone), datetime.fromisoformat(now))
    book.kept = 1

    assert await book.cap.until() == datetime.fromisoformat(until)
    assert book.asked == [datetime.fromisoformat(since)]


async def test_at_midnight_there_is_room_again_however_lately_it_was_counted() -> None:
    book = Book(1, now=NOON.replace(hour=23, minute=59, second=50))
    book.kept = 1
    assert not await book.open()
    book.kept = 0
    book.now += timedelta(seconds=20)

    assert await book.open()


async def test_a_clock_that_was_set_back_is_counted_anew() -> None:
    book = Book(2)
    book.kept = 1
    assert await book.open()
    book.now -= timedelta(hours=3)
    book.kept = 2

    assert not await book.open()


async def test_a_call_beyond_the_cap_waits_for_the_calling_hours_of_the_next_day() -> None:
    desk = Desk()
    desk.clock.now = NOON
    book = Book(1)
    desk.dialer._daily = book.cap
    desk.keep()
    assert isinstance(await desk.dial(), Done)
    other = CallId("c-2")
    desk.keep(replace(CALL, id=other))

    outcome = await desk.dial("c-2")

    assert isinstance(outcome, Postpone)
    assert outcome.run_at == datetime(2026, 11, 25, 9, 0, tzinfo=KOLKATA)
    assert desk.archive.states[other] is CallState.SCHEDULED
    assert len(desk.phones.orders) == 1
