"""What bookings must do, on each database."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete

from fwai.domain.booking import Booking, BookingState, NewBooking
from fwai.domain.job import Dead, Done, JobOutcome, NewJob, Unknown
from fwai.errors import StoreError
from fwai.store.bookings import MAX_MINUTES, Bookings
from fwai.store.database import Database
from fwai.store.installation import Installation
from fwai.store.job_tables import installation
from fwai.store.jobs import Jobs
from unit.store.kit import NOW, OTHER_PHONE, PHONE, Clock, at, jobs_in

HOUR = 3600.0
NEW = NewBooking("b:1", PHONE, "Asha", "the demo", at(HOUR), 30, "asha@example.com", "c-1")


@pytest.fixture
def bookings(database: Database, jobs: Jobs, clock: Clock) -> Bookings:
    return Bookings(database, jobs, clock=clock)


def tell(booking: Booking) -> list[NewJob]:
    return [NewJob("event", f"event:{booking.id}:{booking.state}")]


async def booked(
    bookings: Bookings, key: str, minute: float = 60, minutes: int = 30, phone: str = PHONE
) -> Booking:
    new = replace(NEW, key=key, starts_at=at(minute * 60), minutes=minutes, phone=phone)
    booking = await bookings.book(new, 99)
    assert booking is not None
    return booking


async def test_a_demo_is_booked_with_what_follows(bookings: Bookings, jobs: Jobs) -> None:
    booking = await bookings.book(NEW, 1, tell)

    assert booking is not None
    assert booking.id.startswith("bk_")
    assert booking == Booking(
        booking.id,
        PHONE,
        "Asha",
        "the demo",
        at(HOUR),
        30,
        "asha@example.com",
        "c-1",
        BookingState.BOOKED,
        NOW,
    )
    assert await bookings.get(booking.id) == booking
    assert await bookings.get("none") is None
    assert await jobs.by_key(f"event:{booking.id}:booked") is not None


async def test_the_same_booking_twice_is_one(bookings: Bookings, jobs: Jobs) -> None:
    first = await bookings.book(NEW, 1, tell)

    second = await bookings.book(replace(NEW, name="Ravi"), 1, tell)

    assert second == first
    assert len(await jobs.page()) == 1


async def test_a_full_slot_is_refused_and_nothing_is_written(
    bookings: Bookings, jobs: Jobs
) -> None:
    assert await bookings.book(NEW, 2) is not None
    assert await bookings.book(replace(NEW, key="b:2"), 2) is not None

    assert await bookings.book(replace(NEW, key="b:3"), 2, tell) is None

    assert len(await bookings.page()) == 2
    assert await jobs.page() == []


@pytest.mark.parametrize(
    ("minute", "minutes", "taken"),
    [
        (60, 30, 1),
        (59, 1, 0),
        (59, 2, 1),
        (89, 30, 1),
        (90, 30, 0),
        (30, 30, 0),
        (30, 31, 1),
        (70, 5, 1),
        (0, MAX_MINUTES, 1),
    ],
)
async def test_demos_overlap_when_they_share_a_moment(
    bookings: Bookings, minute: int, minutes: int, taken: int
) -> None:
    await booked(bookings, "b:1", 60, 30)

    assert await bookings.taken(at(minute * 60.0), minutes) == taken


async def test_a_long_demo_takes_what_is_far_behind_its_start(bookings: Bookings) -> None:
    await booked(bookings, "b:1", 0, MAX_MINUTES)

    assert await bookings.taken(at((MAX_MINUTES - 1) * 60.0), 1) == 1
    assert await bookings.taken(at(MAX_MINUTES * 60.0), 1) == 0


async def test_of_many_for_the_last_place_one_gets_it(
    bookings: Bookings, other_database: Database, jobs: Jobs, clock: Clock
) -> None:
    other = Bookings(other_database, jobs_in(other_database, clock), clock=clock)
    await booked(bookings, "b:0")

    found = await asyncio.gather(
        *(
            one.book(replace(NEW, key=f"b:{number + 1}"), 2, tell)
            for number, one in enumerate((bookings, other) * 4)
        )
    )

    assert found.count(None) == 7
    assert await bookings.taken(at(HOUR), 30) == 2
    assert len(await jobs.page()) == 1


async def test_of_two_that_book_the_same_at_once_both_get_it(
    bookings: Bookings, other_database: Database, clock: Clock
) -> None:
    other = Bookings(other_database, jobs_in(other_database, clock), clock=clock)

    found = await asyncio.gather(*(one.book(NEW, 1) for one in (bookings, other) * 3))

    assert None not in found
    assert len({booking.id for booking in found if booking}) == 1


async def test_a_canceled_demo_gives_its_place_back(bookings: Bookings, jobs: Jobs) -> None:
    booking = await booked(bookings, "b:1")

    canceled = await bookings.cancel(booking.id, tell)
    again = await bookings.cancel(booking.id, tell)

    assert canceled == again == replace(booking, state=BookingState.CANCELED)
    assert await bookings.cancel("none") is None
    assert len(await jobs.page()) == 1
    assert await bookings.taken(at(HOUR), 30) == 0
    assert await bookings.book(replace(NEW, key="b:2"), 1) is not None


async def test_the_key_of_a_canceled_demo_finds_it(bookings: Bookings) -> None:
    booking = await booked(bookings, "b:1")
    canceled = await bookings.cancel(booking.id)

    assert await bookings.book(NEW, 1) == canceled


# ---- its letters ---------------------------------------------------------------------------------


class Post:
    """Two letters to each; who may have one hears that it is off."""

    def keys(self, booking: Booking) -> list[str]:
        return [f"letter:{booking.id}:{number}" for number in (1, 2)]

    def jobs(self, booking: Booking) -> list[NewJob]:
        return [NewJob("letter", key) for key in self.keys(booking)]

    def canceled(self, booking: Booking, sent: Collection[str]) -> list[NewJob]:
        return [NewJob("off", f"off:{key}") for key in sorted(sent)]


async def with_letters(bookings: Bookings) -> Booking:
    bookings.notices = post = Post()
    booking = await bookings.book(NEW, 1, post.jobs)
    assert booking is not None
    return booking


async def test_letters_that_wait_are_not_sent_when_a_demo_is_canceled(
    bookings: Bookings, jobs: Jobs
) -> None:
    booking = await with_letters(bookings)

    await bookings.cancel(booking.id, tell)

    assert await jobs.lease(9, ["letter"]) == []
    assert await jobs.lease(9, ["off"]) == []
    assert await jobs.by_key(f"event:{booking.id}:canceled") is not None


@pytest.mark.parametrize(
    ("outcome", "told"),
    [(Done(), True), (Unknown("the connection broke"), True), (Dead("no such address"), False)],
)
async def test_who_may_have_a_letter_is_told_once(
    bookings: Bookings, jobs: Jobs, outcome: JobOutcome, told: bool
) -> None:
    booking = await with_letters(bookings)
    first, _ = await jobs.lease(2, ["letter"])
    await jobs.begin(first)
    await jobs.settle(first, outcome)

    await bookings.cancel(booking.id)
    await bookings.cancel(booking.id)

    off = await jobs.lease(9, ["off"])
    assert [job.key for job in off] == ([f"off:{first.key}"] if told else [])


async def test_a_letter_that_is_being_sent_is_not_sent_again(
    bookings: Bookings, jobs: Jobs
) -> None:
    booking = await with_letters(bookings)
    begun, not_yet = await jobs.lease(2, ["letter"])
    await jobs.begin(begun)

    await bookings.cancel(booking.id)

    assert not await jobs.begin(not_yet)
    assert await jobs.settle(begun, Done()) is None
    assert [job.key for job in await jobs.lease(9, ["off", "letter"])] == [f"off:{begun.key}"]


async def test_a_letter_that_was_given_up_is_not_revived_later(
    bookings: Bookings, jobs: Jobs
) -> None:
    booking = await with_letters(bookings)
    (first, _) = await jobs.lease(2, ["letter"])
    await jobs.settle(first, Dead("no such address"))

    await bookings.cancel(booking.id)

    assert not await jobs.revive(first.id)


async def test_nobody_is_told_of_a_demo_that_has_begun(
    bookings: Bookings, jobs: Jobs, clock: Clock
) -> None:
    booking = await with_letters(bookings)
    first, _ = await jobs.lease(2, ["letter"])
    await jobs.settle(first, Done())
    clock.move(HOUR)

    await bookings.cancel(booking.id)

    assert await jobs.lease(9, ["off", "letter"]) == []


DAY = 86_400.0


@pytest.mark.parametrize("days", [0, 6, 8, 40])
@pytest.mark.parametrize("invited", [True, False])
async def test_who_was_invited_is_told_however_long_ago_that_was(
    bookings: Bookings, jobs: Jobs, clock: Clock, days: int, invited: bool
) -> None:
    """Housekeeping forgets the letter after a week, and what was given up after a month."""
    bookings.notices = post = Post()
    new = replace(NEW, starts_at=at(60 * DAY))
    booking = await bookings.book(new, 1, post.jobs)
    assert booking is not None
    for job in await jobs.lease(2, ["letter"]):
        if invited:
            assert await bookings.inviting(booking.id, clock())
        await jobs.settle(job, Done() if invited else Dead("no such address"))
    clock.move(days * DAY)
    await jobs.purge(clock() - timedelta(days=7), clock() - timedelta(days=60))

    await bookings.cancel(booking.id)

    assert len(await jobs.lease(9, ["off"])) == (2 if invited else 0)


@pytest.mark.parametrize(
    ("upgraded_after_s", "taken_for_sent"), [(None, True), (1, True), (-1, False), (7 * DAY, True)]
)
async def test_a_letter_of_a_version_before_is_taken_for_sent(
    bookings: Bookings,
    jobs: Jobs,
    clock: Clock,
    database: Database,
    upgraded_after_s: float | None,
    taken_for_sent: bool,
) -> None:
    """It did not note whom it invited, and its job was forgotten; without a mail server none went.

    The first start of this version writes what it knows of its installation.
    """
    async with database.write() as connection:
        await connection.execute(delete(installation))
    if upgraded_after_s is not None:
        await Installation(database, lambda: at(upgraded_after_s)).put("first", 1)
        await Installation(database, lambda: at(50 * DAY)).put("later", 1)
    bookings.notices = Post()
    booking = await bookings.book(replace(NEW, starts_at=at(60 * DAY)), 1)
    assert booking is not None
    clock.move(8 * DAY)

    await bookings.cancel(booking.id)

    assert len(await jobs.lease(9, ["off"])) == (2 if taken_for_sent else 0)


async def test_nobody_is_invited_to_a_demo_that_is_off(bookings: Bookings) -> None:
    booking = await with_letters(bookings)
    await bookings.cancel(booking.id)

    assert not await bookings.inviting(booking.id, NOW)
    assert not await bookings.inviting("bk_erased", NOW)


@pytest.mark.parametrize(
    ("attempts", "told"),
    [
        (["refused"], False),
        (["unknown"], True),
        (["unknown", "refused"], True),
        (["refused", "refused"], False),
        (["refused", "sent"], True),
        (["crash"], True),
    ],
)
async def test_only_a_refusal_takes_an_invitation_back(
    bookings: Bookings, jobs: Jobs, clock: Clock, attempts: list[str], told: bool
) -> None:
    bookings.notices = Post()
    booking = await bookings.book(NEW, 1, Post().jobs)
    assert booking is not None
    for attempt in attempts:
        now = clock.move(1)
        assert await bookings.inviting(booking.id, now)
        if attempt == "refused":
            await bookings.not_invited(booking.id, now)

    await bookings.cancel(booking.id)

    assert bool(await jobs.lease(9, ["off"])) is told


@pytest.mark.parametrize("minutes", [0, -1, MAX_MINUTES + 1])
async def test_a_length_that_is_none_is_refused(bookings: Bookings, minutes: int) -> None:
    with pytest.raises(ValueError, match="minutes"):
        await bookings.book(replace(NEW, minutes=minutes), 1)
    with pytest.raises(ValueError, match="minutes"):
        await bookings.taken(at(0), minutes)


async def test_nothing_is_booked_when_what_follows_fails(bookings: Bookings) -> None:
    def fail(booking: Booking) -> list[NewJob]:
        raise OSError("the disk is full")

    with pytest.raises(StoreError):
        await bookings.book(NEW, 1, fail)

    assert await bookings.page() == []


async def test_a_person_s_open_demos_are_not_over(bookings: Bookings) -> None:
    await booked(bookings, "over", 0, 30)
    running = await booked(bookings, "running", 20, 30)
    coming = await booked(bookings, "coming", 90)
    await bookings.cancel((await booked(bookings, "canceled", 95)).id)
    await booked(bookings, "other", 97, phone=OTHER_PHONE)

    assert await bookings.open_for(PHONE, at(30 * 60)) == [running, coming]


async def test_what_is_taken_of_a_day_comes_in_order(bookings: Bookings) -> None:
    second = await booked(bookings, "b:1", 90)
    first = await booked(bookings, "b:2", 20, 50)
    await booked(bookings, "b:3", 150)
    await bookings.cancel((await booked(bookings, "b:4", 80)).id)

    assert await bookings.taken_between(at(HOUR), at(HOUR * 2)) == [first, second]


async def test_pages_hold_each_demo_once_the_earliest_first(bookings: Bookings) -> None:
    written = [await booked(bookings, f"b:{n}", 60 * (n % 3)) for n in range(7)]
    await booked(bookings, "other", 60, phone=OTHER_PHONE)

    seen: list[Booking] = []
    while page := await bookings.page(
        phone=PHONE, limit=2, after=(seen[-1].starts_at, seen[-1].id) if seen else None
    ):
        seen += page

    assert seen == sorted(written, key=lambda one: (one.starts_at, one.id))
    middle = await bookings.page(from_=at(HOUR), to=at(HOUR * 2))
    assert {booking.starts_at for booking in middle} == {at(HOUR)}
