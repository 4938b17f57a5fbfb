"""How SQLite finds due jobs; what jobs do is in the contract's suite."""

from sqlalchemy import insert

from fwai.domain.job import NewJob
from fwai.store.database import Database
from fwai.store.job_tables import jobs
from fwai.store.job_writer import new_row
from unit.store.kit import NOW, Clock, at, jobs_in, plans

MANY = 10_000


async def test_due_jobs_are_found_by_index_among_many(database: Database) -> None:
    clock = Clock()
    store = jobs_in(database, clock)
    rows = [new_row(NewJob("sms", f"sms:{n}", run_at=at(n)), NOW) for n in range(MANY)]
    async with database.write() as connection:
        await connection.execute(insert(jobs), rows)
    clock.move(9)

    leasing = await plans(database, store.lease(5, ["sms", "call"]))
    next_at = await plans(database, store.next_at())
    next_of_kind = await plans(database, store.next_at(["sms"]))

    for plan in (leasing, next_at, next_of_kind):
        assert "ix_jobs_next_at (next_at" in plan
        assert "SCAN" not in plan
        assert "TEMP B-TREE" not in plan
    assert [job.key for job in await store.lease(99, ["sms"])] == [f"sms:{n}" for n in range(5, 10)]
