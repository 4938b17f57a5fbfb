"""Rows that a database or its driver refuses, each in words of its own: they are lost alone."""

import asyncio

import pytest
from sqlalchemy import insert

from fakes import SeenFailures
from fwai.store.batch_writer import BatchWriter
from fwai.store.database import Database
from fwai.store.database_watch import DatabaseWatch
from fwai.store.tables import calls, turns
from unit.store.test_batch_writer import turn, until_count
from unit.store.test_tables import call_row


@pytest.mark.parametrize(
    "changes",
    [{"text": object()}, {"turn": 2**70}, {"at": "today"}],
    ids=["no text", "too large", "no time"],
)
async def test_a_row_that_can_never_be_written_is_lost_alone(
    database: Database, changes: dict[str, object]
) -> None:
    failures = SeenFailures()
    database.watch = DatabaseWatch(failures)
    writer = BatchWriter(database, flush_s=0.01)
    async with database.write() as connection:
        await connection.execute(insert(calls).values(call_row()))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        for seq in range(1, 6):
            writer.add(turns, turn(seq) | (changes if seq == 3 else {}))
        await until_count(database, 4)
        writer.add(turns, turn(6))
        await until_count(database, 5)
        writer.stop()

    assert writer.dropped_rows == 1
    assert failures.seen_at_all == 0, "the database is not at fault"
