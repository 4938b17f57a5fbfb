"""What the database knows of the time, on each."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from fwai.domain.instance import ProcessIdentity
from fwai.domain.job import NewJob
from fwai.store.clock_witness import ClockWitness, file_written_at
from fwai.store.database import Database
from fwai.store.instances import Instances
from fwai.store.job_tables import instances
from fwai.store.jobs import Jobs
from fwai.store.tables import calls
from unit.store.kit import NOW, Clock, at, sqlite_url
from unit.store.test_tables import call_row


async def test_in_a_new_database_nothing_is_known(database: Database) -> None:
    witness = ClockWitness(database)

    await witness.look(None)

    assert witness.newest is None


@pytest.mark.parametrize("newest", ["call", "job", "instance", "file"])
async def test_the_newest_of_all_that_was_written_counts(
    database: Database, jobs: Jobs, clock: Clock, newest: str
) -> None:
    def moment(of: str) -> datetime:
        return at(9) if of == newest else at(1)

    clock.now = moment("job")
    await jobs.enqueue(NewJob("sms", "sms:1"))
    await Instances(database).register("a", ProcessIdentity("host", "boot", 1, 1))
    async with database.write() as connection:
        await connection.execute(insert(calls).values(call_row(created_at=moment("call"))))
        await connection.execute(instances.update().values(seen_at=moment("instance")))
    witness = ClockWitness(database)

    await witness.look(moment("file"))

    assert witness.newest == at(9)


async def test_a_server_s_clock_is_another_than_ours_and_a_file_has_none(
    database: Database,
) -> None:
    told = await ClockWitness(database).now()

    if database.engine.dialect.name == "sqlite":
        assert told is None
    else:
        assert told is not None
        assert abs(told - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_file_tells_when_it_was_written(
    tmp_path: Path,
) -> None:
    url = sqlite_url(tmp_path)
    assert await file_written_at(url) is None
    assert await file_written_at("postgresql+asyncpg://127.0.0.1/name") is None
    file = tmp_path / "data" / "fwai.db"
    file.parent.mkdir()
    for path, written in ((file, NOW), (Path(f"{file}-wal"), at(60))):
        path.write_bytes(b"")
        os.utime(path, (written.timestamp(), written.timestamp()))

    assert await file_written_at(url) == at(60)
