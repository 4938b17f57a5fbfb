import asyncio
import os
import re
import sqlite3
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from fwai.cli import arguments
from fwai.errors import StoreError
from fwai.store.database import (
    CHECKPOINT_WRITES,
    Database,
    prepare_file,
)
from fwai.store.database_errors import store_error
from unit.store.kit import sqlite_url, until


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


async def test_the_directory_is_created(tmp_path: Path) -> None:
    database = await Database.open(sqlite_url(tmp_path / "a" / "b"))
    await database.close()

    assert (tmp_path / "a" / "b" / "data" / "fwai.db").stat().st_mode & 0o007 == 0


async def test_a_directory_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")

    with pytest.raises(StoreError, match=r"fwai\.db cannot be created: EEXIST"):
        await Database.open(sqlite_url(tmp_path))


async def test_a_directory_without_write_permission_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # tests may run as root

    with pytest.raises(StoreError, match="data is not writable; make it"):
        await Database.open(sqlite_url(tmp_path))


@pytest.mark.parametrize("tries", [1, 50])
async def test_a_process_that_prepares_the_same_file_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tries: int
) -> None:
    monkeypatch.setattr("fwai.store.database.WAL_TRIES", tries)
    monkeypatch.setattr("fwai.store.database.WAL_RETRY_S", 0.01)
    monkeypatch.setattr("fwai.store.database.BUSY_TIMEOUT_MS", 1)
    prepare_file(sqlite_url(tmp_path))
    other = sqlite3.connect(tmp_path / "data" / "fwai.db")
    other.execute("BEGIN EXCLUSIVE")
    opening = asyncio.ensure_future(Database.open(sqlite_url(tmp_path)))

    await asyncio.sleep(0.1)
    other.close()

    if tries == 1:
        with pytest.raises(StoreError, match="another program holds the database"):
            await opening
    else:
        await (await opening).close()


def test_what_operators_are_told_to_run_is_there() -> None:
    """Told by words of errors, of the log and of the documents: ``run.py demo``."""
    root = Path(__file__).parents[3]
    commands = set(
        re.findall(r'add_parser\(\s*"(\w+)"', Path(arguments.__file__).read_text("utf-8"))
    )
    files = [*root.glob("src/**/*.py"), *root.glob("docs/*.md"), root / "README.md"]
    told = {
        (command, file.name)
        for file in files
        for command in re.findall(r"run\.py (\w+)", file.read_text("utf-8"))
    }

    assert {command for command, _ in told} >= {"demo"}
    assert [one for one in sorted(told) if one[0] not in commands] == []


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
        await run(database, "PRAGMA query_only=ON", "DELETE FROM calls")


@pytest.mark.parametrize("moment", range(1, 12))
async def test_a_task_cancelled_while_it_writes_locks_nobody_out(
    database: Database, moment: int
) -> None:
    task = asyncio.ensure_future(run(database, "DELETE FROM calls", "DELETE FROM turns"))
    for _ in range(moment * 2):
        await asyncio.sleep(0)
    task.cancel()
    (outcome,) = await asyncio.gather(task, return_exceptions=True)

    async with asyncio.timeout(1):
        await run(database, "DELETE FROM calls")
    assert outcome is None or isinstance(outcome, asyncio.CancelledError)


async def test_a_full_disk_says_so(database: Database) -> None:
    with pytest.raises(StoreError, match="free disk space"):
        await run(database, "PRAGMA max_page_count=1", "CREATE TABLE big AS SELECT zeroblob(99999)")


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


async def run(database: Database, *statements: str) -> None:
    async with database.write() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)


async def test_the_log_is_moved_into_the_file_and_no_commit_waits_for_it(
    database: Database,
) -> None:
    file = Path(database.place)
    insert = text("INSERT INTO requests VALUES ('s', :key, '', '', '2026-11-22', NULL, NULL, 0)")
    before = file.stat().st_size
    async with asyncio.TaskGroup() as tasks:
        tidier = tasks.create_task(database.keep_small())
        for number in range(CHECKPOINT_WRITES):
            async with database.write() as connection:
                await connection.execute(insert, {"key": f"{number}{'x' * 2000}"})
        await until(lambda: file.stat().st_size > before)
        tidier.cancel()
