"""The calls of each provider wait in a line of their own, the oldest first."""

import asyncio

import pytest
from sqlalchemy import delete, insert

from fwai.domain.job import DIAL, Done, NewJob, Postpone
from fwai.store.database import Database
from fwai.store.jobs import Jobs
from fwai.store.provider_jobs import ProviderJobs, last_dialled
from fwai.store.tables import calls
from unit.store.kit import Clock, at, jobs_in
from unit.store.test_tables import call_row

KINDS = [DIAL]


async def put(
    database: Database, jobs: Jobs, name: str, provider: str = "plivo", in_s: float | None = None
) -> None:
    row = call_row() | {"id": name, "provider": provider, "provider_call_id": ""}
    async with database.write() as connection:
        await connection.execute(insert(calls).values(row))
    run_at = None if in_s is None else at(in_s)
    await jobs.enqueue(NewJob(DIAL, f"dial:{name}", {}, run_at, name))


async def names(store: ProviderJobs, limit: int = 9) -> list[str]:
    return [job.call_id for job in await store.lease(limit, KINDS)]


async def test_each_provider_has_its_own_and_the_rest_is_nobodys(
    database: Database, jobs: Jobs
) -> None:
    for name, provider in (("a", "plivo"), ("b", "exotel"), ("c", "gone"), ("d", "plivo")):
        await put(database, jobs, name, provider)
    await jobs.enqueue(NewJob(DIAL, "dial:erased", call_id="erased"))
    rest = ProviderJobs(jobs, "", ["plivo", "exotel"])

    assert sorted(await names(ProviderJobs(jobs, "plivo"))) == ["a", "d"]
    assert await names(ProviderJobs(jobs, "exotel")) == ["b"]
    assert sorted(await names(rest)) == ["c", "erased"]


async def test_the_oldest_goes_first_however_often_it_was_put_off(
    database: Database, jobs: Jobs, clock: Clock
) -> None:
    line = ProviderJobs(jobs, "plivo")
    for name in ("first", "second", "third"):
        await put(database, jobs, name)
        clock.move(1)
    (first,) = await line.lease(1, KINDS)
    assert await line.begin(first)
    await line.settle(first, Postpone(at(60), "busy"))
    assert await line.next_at(KINDS) == at(1)
    clock.move(60)

    assert await names(line, 1) == ["first"]
    assert await names(line, 1) == ["second"]


async def test_a_thousand_that_were_taken_back_are_not_in_the_line(
    database: Database, jobs: Jobs, clock: Clock
) -> None:
    line = ProviderJobs(jobs, "plivo")
    for number in range(100):
        await put(database, jobs, f"c-{number}")
    clock.move(1)
    await put(database, jobs, "next")
    async with database.write() as connection:
        for number in range(50):
            assert await jobs.cancel(connection, f"dial:c-{number}")
        await connection.execute(delete(calls).where(calls.c.id.like("c-%")))

    assert await names(line, 1) == ["next"]
    assert await names(line) == []


async def test_two_processes_never_take_the_same_call(
    database: Database, other_database: Database, jobs: Jobs, clock: Clock
) -> None:
    for number in range(20):
        await put(database, jobs, f"c-{number}")
    lines = [ProviderJobs(one, "plivo") for one in (jobs, jobs_in(other_database, clock, "b"))]

    taken = await asyncio.gather(*(names(line, 2) for line in lines * 5))

    flat = [name for some in taken for name in some]
    assert len(flat) == len(set(flat)) == 20


@pytest.mark.parametrize("provider", ["plivo", "exotel"])
async def test_when_a_call_was_last_begun_is_known_after_a_restart(
    database: Database, jobs: Jobs, clock: Clock, provider: str
) -> None:
    line = ProviderJobs(jobs, "plivo")
    assert await last_dialled(database, provider) is None
    for name in ("a", "b"):
        await put(database, jobs, name)
        (job,) = await line.lease(1, KINDS)
        clock.move(5)
        assert await line.begin(job)
        await line.settle(job, Done())
        assert await line.get(job.id) == await jobs.get(job.id)

    assert await last_dialled(database, provider) == (at(10) if provider == "plivo" else None)
