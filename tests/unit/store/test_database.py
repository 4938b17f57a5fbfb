import asyncio
import os
import sqlite3
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from unit.store.kit import sqlite_url

from fwai.errors import StoreError
from fwai.store.database import Database, parse_url, store_error


async def test_a_sqlite_database_is_set_up_for_one_writer_and_many_readers(
    database: Database,
) -> None:
    async with database.read() as connection:
        found = {
            name: (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        }

    assert found == {
        "journal_mode": "wal",
        "synchronous": 1,
        "busy_timeout": 5000,
        "foreign_keys": 1,
    }


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite+aiosqlite:///data/fwai.db", "sqlite+aiosqlite"),
        ("sqlite:///data/fwai.db", "sqlite+aiosqlite"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg"),
        ("postgresql://u:p@h/d", "postgresql+asyncpg"),
        ("postgres://u:p@h/d", "postgresql+asyncpg"),
    ],
)
def test_the_driver_is_filled_in(url: str, driver: str) -> None:
    assert parse_url(url).drivername == driver


@pytest.mark.parametrize("url", ["", "data/fwai.db", "mysql://h/d", "sqlite+aiosqlite://"])
def test_an_unusable_url_is_refused_by_the_variable_s_name(url: str) -> None:
    with pytest.raises(StoreError, match="DATABASE_URL"):
        parse_url(url)


async def test_the_directory_is_created(tmp_path: Path) -> None:
    database = await Database.open(sqlite_url(tmp_path / "a" / "b"))
    await database.close()

    assert (tmp_path / "a" / "b" / "data" / "fwai.db").exists()


async def test_a_directory_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")

    with pytest.raises(StoreError, match=r"data cannot be created: EEXIST"):
        await Database.open(sqlite_url(tmp_path))


async def test_a_directory_without_write_permission_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # tests may run as root

    with pytest.raises(StoreError, match="data is not writable; make it"):
        await Database.open(sqlite_url(tmp_path))


async def test_a_damaged_file_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fwai.db").write_bytes(b"no database at all" * 100)

    with pytest.raises(StoreError, match=r"fwai\.db: .*not a database.*restore a backup"):
        await Database.open(sqlite_url(tmp_path))


async def test_a_path_that_is_a_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "data" / "fwai.db").mkdir(parents=True)

    with pytest.raises(StoreError, match=r"fwai\.db: it must be a file"):
        await Database.open(sqlite_url(tmp_path))


async def test_a_read_only_database_says_what_to_make_writable(database: Database) -> None:
    with pytest.raises(StoreError, match="make the file"):
        async with database.write() as connection:
            await connection.exec_driver_sql("PRAGMA query_only=ON")
            await connection.exec_driver_sql("DELETE FROM calls")


@pytest.mark.parametrize("moment", range(1, 12))
async def test_a_task_cancelled_while_it_writes_locks_nobody_out(
    database: Database, moment: int
) -> None:
    async def write() -> None:
        async with database.write() as connection:
            await connection.exec_driver_sql("DELETE FROM calls")
            await connection.exec_driver_sql("DELETE FROM turns")

    task = asyncio.ensure_future(write())
    for _ in range(moment * 2):
        await asyncio.sleep(0)
    task.cancel()
    (outcome,) = await asyncio.gather(task, return_exceptions=True)

    async with asyncio.timeout(1):
        await write()
    assert outcome is None or isinstance(outcome, asyncio.CancelledError)


async def test_a_full_disk_says_so(database: Database) -> None:
    with pytest.raises(StoreError, match="free disk space"):
        async with database.write() as connection:
            await connection.exec_driver_sql("PRAGMA max_page_count=1")
            await connection.exec_driver_sql("CREATE TABLE big (t TEXT)")
            await connection.exec_driver_sql("INSERT INTO big VALUES (hex(zeroblob(999999)))")


def test_an_error_names_place_cause_and_fix() -> None:
    error = store_error("place", sqlite3.OperationalError("database is locked"))

    assert str(error) == (
        "database place: database is locked; another program holds the database; stop it"
    )


def test_a_missing_driver_is_named_and_the_password_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)

    with pytest.raises(StoreError, match="pip install asyncpg") as caught:
        Database("postgresql://u:secret@h/d")

    assert "postgresql+asyncpg://u:***@h/d" in str(caught.value)
