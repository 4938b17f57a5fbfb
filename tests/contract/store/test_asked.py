"""What one caller asked for is counted over all of their calls."""

from datetime import timedelta

from sqlalchemy import insert

from fwai.domain.job import NewJob
from fwai.store.database import Database
from fwai.store.jobs import Jobs
from fwai.store.tables import calls
from unit.store.kit import NOW, PHONE
from unit.store.test_tables import call_row


async def test_jobs_are_counted_by_who_called(database: Database, jobs: Jobs) -> None:
    rows = [("c-1", PHONE), ("c-2", PHONE), ("c-3", ""), ("c-4", "")]
    async with database.write() as connection:
        for id_, caller in rows:
            row = call_row(id=id_, caller=caller, provider_call_id=id_, created_at=NOW)
            await connection.execute(insert(calls).values(row))
    for number, (id_, _) in enumerate([*rows, ("", "")]):
        phone = f"+9199999888{number:02}"
        await jobs.enqueue(NewJob("sms", f"k{number}", call_id=id_, phone=phone))
    await jobs.enqueue(NewJob("mail", "m", call_id="c-1"))

    since = NOW - timedelta(days=1)
    assert await jobs.count_asked("sms", PHONE, since) == 2
    assert await jobs.count_asked("sms", "", since) == 2
    assert await jobs.count_asked("mail", PHONE, since) == 1
    assert await jobs.count_asked("sms", "+919999900077", since) == 0
    assert await jobs.count_asked("sms", PHONE, NOW + timedelta(seconds=1)) == 0


async def test_jobs_are_counted_by_whom_they_are_for(jobs: Jobs) -> None:
    await jobs.enqueue(NewJob("sms", "k1", phone=PHONE))
    await jobs.enqueue(NewJob("mail", "k2", phone=PHONE))

    since = NOW - timedelta(days=1)
    assert await jobs.count("sms", PHONE, since) == 1
    assert await jobs.count("sms", "+919999900077", since) == 0
