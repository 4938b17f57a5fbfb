"""Whether the database takes what is written, and how that is told."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from fakes import SeenFailures
from fwai.errors import StoreError
from fwai.store.batch_writer import BatchWriter
from fwai.store.database import Database
from fwai.store.database_errors import words_of
from fwai.store.database_watch import ROWS, STEADY_S, DatabaseWatch
from fwai.store.job_tables import installation, metadata
from unit.store.kit import NOW, sqlite_url
from virtual_time import run as virtual

FULL = OperationalError("insert", {}, sqlite3.OperationalError("database or disk is full"))


class _PostgresError(Exception):
    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


FAULTS: list[tuple[BaseException, str, str]] = [
    (FULL, "it takes nothing (database or disk is full)", "free disk space"),
    (
        OperationalError("x", {}, sqlite3.OperationalError("attempt to write a readonly database")),
        "it takes nothing (attempt to write a readonly database)",
        "writable",
    ),
    (
        OperationalError("x", {}, sqlite3.OperationalError("database is locked")),
        "it takes nothing (database is locked)",
        "another program",
    ),
    (
        ConnectionRefusedError(111, "Connect call failed ('10.0.0.5', 5432)"),
        "it takes nothing (ECONNREFUSED)",
        "start the server",
    ),
    (TimeoutError(), "it does not answer in time", "locks"),
    (NoConnectionError(), "it does not answer in time", "locks"),
    (DBAPIError("x", {}, _PostgresError("57P01")), "it takes nothing (_PostgresError)", "log"),
]


@pytest.mark.parametrize(("exc", "cause", "fix"), FAULTS, ids=[one[1] for one in FAULTS])
def test_a_failure_is_told_without_its_place(exc: BaseException, cause: str, fix: str) -> None:
    async def story() -> None:
        failures = SeenFailures()
        DatabaseWatch(failures).failed(exc)
        (trouble,) = failures.standing.values()
        assert trouble.cause == cause
        assert fix in trouble.fix
        assert not trouble.stops_calls, "calls survive a database that hangs (ADR 13)"
        assert "10.0.0.5" not in trouble.cause + trouble.fix
        assert words_of(exc)[0] == cause

    virtual(story())


@pytest.mark.parametrize(
    "exc",
    [
        IntegrityError("x", {}, sqlite3.IntegrityError("UNIQUE")),
        DBAPIError("x", {}, _PostgresError("40001")),
        DBAPIError("x", {}, _PostgresError("40P01")),
    ],
)
def test_what_is_the_requests_own_fault_is_no_failure(exc: BaseException) -> None:
    async def story() -> None:
        failures = SeenFailures()
        DatabaseWatch(failures).failed(exc)
        assert failures.seen_at_all == 0

    virtual(story())


def test_small_writes_that_go_through_on_a_full_disk_prove_nothing() -> None:
    async def story() -> None:
        failures = SeenFailures()
        watch = DatabaseWatch(failures)
        for _ in range(20):  # the rows of calls fail, the heartbeat does not
            watch.failed(FULL, ROWS)
            await asyncio.sleep(10)
            watch.worked()
            assert failures.names == ["database"]
        watch.worked(ROWS)
        assert failures.names == ["database"], "it failed a moment ago"
        await asyncio.sleep(STEADY_S)
        watch.worked()
        assert failures.names == []

    virtual(story())


async def refused(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("PRAGMA query_only=ON"))
        await connection.execute(insert(installation).values(name="x", value=1, written_at=NOW))


async def test_every_user_of_the_database_finds_out(tmp_path: Path) -> None:
    failures = SeenFailures()
    database = await Database.open(sqlite_url(tmp_path), watch=DatabaseWatch(failures))
    try:
        async with database.write() as connection:
            await connection.run_sync(metadata.create_all)
        assert failures.names == []
        with pytest.raises(StoreError):
            await refused(database)
        assert failures.names == ["database"]
    finally:
        await database.close()


async def test_rows_that_wait_are_told_by_who_writes_them(tmp_path: Path) -> None:
    failures = SeenFailures()
    database = await Database.open(sqlite_url(tmp_path), watch=DatabaseWatch(failures))
    try:
        writer = BatchWriter(database)
        writer.add(installation, {"name": "x", "value": 1, "written_at": NOW})
        assert not await writer.flush(), "there is no such table yet"
        assert failures.names == ["database"]
        assert "no such table" in next(iter(failures.standing.values())).cause
        async with database.write() as connection:
            await connection.run_sync(metadata.create_all)
        assert await writer.flush()
    finally:
        await database.close()
