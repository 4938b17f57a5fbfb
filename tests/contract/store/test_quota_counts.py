"""Daily limits as they are kept, on each database: together, and after a restart."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import insert, select

from fwai.domain.job import NewJob
from fwai.store.database import Database
from fwai.store.erasure import Erasure
from fwai.store.job_tables import daily_counts, recipients
from fwai.store.jobs import Jobs
from fwai.store.quota_counts import QuotaCounts
from unit.store.kit import PHONE, Kept

DAY = "2026-11-24"
A, B, C = "+919999900011", "+919999900012", "asha@example.com"
SMS, NEW = "send_sms", "new_recipients"


async def take(
    counts: QuotaCounts, sms: int = 100, new: int = 100, to: str = A, day: str = DAY
) -> tuple[str, list[str]]:
    full, reached = await counts.take(
        day,
        {SMS: sms, NEW: new},
        recipient=to,
        asked_by=PHONE,
        if_new=NEW,
    )
    return full, sorted(reached)


@pytest.fixture
def counts(database: Database) -> QuotaCounts:
    return QuotaCounts(database)


async def test_a_limit_has_room_for_so_many_and_no_more(counts: QuotaCounts) -> None:
    found = [await take(counts, sms=2) for _ in range(4)]

    assert found == [("", []), ("", [SMS]), (SMS, [SMS]), (SMS, [SMS])]
    assert (await counts.used(DAY))[SMS] == 2


async def test_none_is_none(counts: QuotaCounts) -> None:
    assert await take(counts, sms=0) == (SMS, [SMS])
    assert await counts.used(DAY) == {}


async def test_each_day_begins_anew(counts: QuotaCounts) -> None:
    await take(counts, sms=1)

    assert (await take(counts, sms=1))[0] == SMS
    assert (await take(counts, sms=1, day="2026-11-25"))[0] == ""


async def test_somebody_is_new_once(counts: QuotaCounts) -> None:
    found = [await take(counts, new=2, to=to) for to in (A, A, B, A, C, A, B)]

    assert [full for full, _ in found] == ["", "", "", "", NEW, "", ""]
    assert await counts.used(DAY) == {SMS: 6, NEW: 2}


async def test_of_what_one_limit_refuses_no_other_counts_and_nobody_is_known(
    counts: QuotaCounts,
) -> None:
    assert (await take(counts, new=0))[0] == NEW
    assert await counts.used(DAY) == {}
    assert (await take(counts, sms=0))[0] == SMS
    await take(counts, new=1)

    assert await counts.used(DAY) == {SMS: 1, NEW: 1}


async def test_whoever_finds_a_limit_reached_is_told_so(
    counts: QuotaCounts, other_database: Database
) -> None:
    other = QuotaCounts(other_database)

    found = [(await take(one, sms=2))[1] for one in (counts, counts, other, counts, other)]

    assert found == [[], [SMS], [SMS], [SMS], [SMS]]


async def test_two_processes_together_send_no_more_than_one(
    counts: QuotaCounts, other_database: Database
) -> None:
    """Both count at the same time, each many times at once."""
    other = QuotaCounts(other_database)
    people = [f"+9199999{number:05}" for number in range(20)]

    found = await asyncio.gather(
        *(take(one, sms=15, new=8, to=to) for to in people for one in (counts, other))
    )

    used = await counts.used(DAY)
    assert used[NEW] == 8
    assert used[SMS] == 15
    assert [full for full, _ in found].count("") == 15


async def test_a_restart_forgets_nothing(counts: QuotaCounts, database: Database) -> None:
    await take(counts, sms=2)
    later = QuotaCounts(database)

    assert (await take(later, sms=2, new=1))[0] == "", "they are known still"
    assert (await take(later, sms=2))[0] == SMS


async def test_what_was_not_sent_is_given_back_and_never_below_none(counts: QuotaCounts) -> None:
    await take(counts, sms=1)

    for _ in range(3):
        await counts.give_back(DAY, SMS)
    await counts.give_back(DAY, "unknown")

    assert (await counts.used(DAY))[SMS] == 0
    assert (await take(counts, sms=1))[0] == ""


async def test_days_that_are_long_over_are_forgotten(
    counts: QuotaCounts, database: Database
) -> None:
    async with database.write() as connection:
        for day in ("2026-10-01", "2026-10-24"):
            await connection.execute(insert(daily_counts).values(day=day, name=SMS, used=1))
    await take(counts)

    async with database.read() as connection:
        days = set(await connection.scalars(select(daily_counts.c.day)))
    assert days == {"2026-10-24", DAY}


async def test_who_was_written_to_is_kept_under_a_key_and_erased_with_either_person(
    counts: QuotaCounts, database: Database, kept: Kept
) -> None:
    for to in (A, B, C):
        await take(counts, to=to)
    async with database.read() as connection:
        rows = (await connection.execute(select(recipients))).mappings().all()
    assert len(rows) == 3
    assert not any(who in str(rows) for who in (A, B, C, PHONE, A[1:]))

    erasure = Erasure(database, kept.transcripts, kept.recordings, kept.flush)
    await erasure.erase(A)
    async with database.read() as connection:
        assert len((await connection.execute(select(recipients))).all()) == 2
    await erasure.erase(PHONE)

    async with database.read() as connection:
        assert (await connection.execute(select(recipients))).all() == []


async def test_the_words_that_confirmed_a_recipient_go_with_the_job(
    jobs: Jobs, database: Database, kept: Kept
) -> None:
    words = {"read_back": "Nine nine?", "answer": "Yes."}
    new = NewJob("send_sms", "k-1", {"to": A}, phone=A, confirmation=words)

    await jobs.enqueue(new)
    await jobs.enqueue(replace(new, key="k-2", confirmation=None))
    stored, without = await jobs.by_key("k-1"), await jobs.by_key("k-2")

    assert stored is not None
    assert without is not None
    assert stored.confirmation == words
    assert without.confirmation is None
    await Erasure(database, kept.transcripts, kept.recordings, kept.flush).erase(A)
    assert await jobs.by_key("k-1") is None
