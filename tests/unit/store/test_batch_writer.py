import asyncio

import pytest
from sqlalchemy import func, insert, select
from structlog.testing import capture_logs

from fwai.store import batch_writer
from fwai.store.batch_writer import MAX_ROWS, BatchWriter
from fwai.store.database import Database
from fwai.store.tables import calls, instant, turns
from unit.store.kit import T0, until
from unit.store.test_tables import call_row


def turn(seq: int, call_id: str = "c", **changes: object) -> dict[str, object]:
    row = {"call_id": call_id, "seq": seq, "role": "caller", "turn": 1, "text": "hello"}
    return row | {"at": instant(T0 + seq), "interrupted": False} | changes


@pytest.fixture
async def call(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(insert(calls).values(call_row()))


async def count(database: Database) -> int:
    async with database.read() as connection:
        return await connection.scalar(select(func.count()).select_from(turns)) or 0


async def until_count(database: Database, wanted: int) -> None:
    async def written() -> bool:
        return await count(database) == wanted

    await until(written)


@pytest.mark.usefixtures("call")
async def test_rows_are_written_after_the_period(database: Database) -> None:
    writer = BatchWriter(database, flush_s=0.01)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        writer.add(turns, turn(1))
        await until_count(database, 1)
        writer.add(turns, turn(2))
        writer.stop()

    assert await count(database) == 2
    assert writer._rows == []


@pytest.mark.usefixtures("call")
async def test_many_rows_do_not_wait_for_the_period(database: Database) -> None:
    writer = BatchWriter(database, flush_s=3600)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        await asyncio.sleep(0)
        for seq in range(200):
            writer.add(turns, turn(seq))
        await until_count(database, 200)
        writer.stop()


@pytest.mark.usefixtures("call")
async def test_a_cancelled_run_writes_what_it_has(database: Database) -> None:
    writer = BatchWriter(database)
    task = asyncio.ensure_future(writer.run())
    await asyncio.sleep(0)
    writer.add(turns, turn(1))

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await count(database) == 1


@pytest.mark.usefixtures("call")
@pytest.mark.parametrize("moment", range(1, 30, 2))
async def test_a_run_cancelled_in_the_middle_of_a_write_loses_nothing(
    database: Database, moment: int
) -> None:
    writer = BatchWriter(database, flush_s=0)
    for seq in range(50):
        writer.add(turns, turn(seq))
    task = asyncio.ensure_future(writer.run())

    for _ in range(moment):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await count(database) == 50
    assert writer.dropped_rows == 0


@pytest.mark.usefixtures("call")
async def test_a_row_written_twice_is_one_row(database: Database) -> None:
    writer = BatchWriter(database)

    writer.add(turns, turn(1))
    await writer.flush()
    writer.add(turns, turn(1))
    await writer.flush()

    assert await count(database) == 1
    assert writer.dropped_rows == 0


@pytest.mark.usefixtures("call")
async def test_a_failing_batch_is_kept_and_written_later(database: Database) -> None:
    writer = BatchWriter(database)
    writer.add(turns, turn(1))

    with capture_logs() as logs:
        await rename(database, "turns", "elsewhere")
        assert not await writer.flush()
        assert not await writer.flush()
        await rename(database, "elsewhere", "turns")
        assert await writer.flush()

    assert await count(database) == 1
    assert [entry["event"] for entry in logs] == [
        "database_write_failed",
        "database_writes_resumed",
    ]


@pytest.mark.usefixtures("call")
async def test_run_goes_on_after_a_failure_without_hurry(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fwai.store.batch_writer.FLUSH_S", 0.01)
    await rename(database, "turns", "elsewhere")
    writer = BatchWriter(database, flush_s=0)
    for seq in range(300):
        writer.add(turns, turn(seq))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        await until(lambda: writer._failing)
        await rename(database, "elsewhere", "turns")
        await until_count(database, 300)
        writer.stop()


@pytest.mark.usefixtures("call")
@pytest.mark.parametrize("refused", [turn(2, at="no time"), turn(2, text=None)])
async def test_a_row_that_can_never_be_written_is_dropped_alone(
    database: Database, refused: dict[str, object]
) -> None:
    writer = BatchWriter(database)

    with capture_logs() as logs:
        for row in (turn(1), refused, turn(3)):
            writer.add(turns, row)
        assert await writer.flush()

    assert await count(database) == 2
    assert writer.dropped_rows == 1
    assert [entry["event"] for entry in logs] == ["database_rows_refused"]
    assert "hello" not in str(logs)


async def test_a_row_whose_call_is_not_kept_yet_waits_for_it(database: Database) -> None:
    writer = BatchWriter(database)
    writer.add(turns, turn(1))
    assert await writer.flush()
    assert await count(database) == 0

    async with database.write() as connection:
        await connection.execute(insert(calls).values(call_row()))
    assert await writer.flush()

    assert await count(database) == 1
    assert writer.dropped_rows == 0


async def test_a_row_whose_call_is_never_kept_is_dropped_after_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_writer, "ORPHAN_S", 0.0)
    writer = BatchWriter(database)
    writer.add(turns, turn(1))
    assert await writer.flush()

    with capture_logs() as logs:
        assert await writer.flush()

    assert writer.dropped_rows == 1
    assert [entry["event"] for entry in logs] == ["database_rows_refused"]


async def test_above_its_bound_the_newest_rows_are_dropped_and_logged_once(
    database: Database,
) -> None:
    writer = BatchWriter(database)

    with capture_logs() as logs:
        for seq in range(MAX_ROWS + 5):
            writer.add(turns, turn(seq))

    assert len(writer._rows) == MAX_ROWS
    assert writer.dropped_rows == 5
    assert [entry["event"] for entry in logs] == ["database_rows_dropped"]


async def test_what_cannot_be_written_at_the_end_is_reported(database: Database) -> None:
    writer = BatchWriter(database)
    await rename(database, "turns", "elsewhere")
    writer.add(turns, turn(1))

    with capture_logs() as logs:
        writer.stop()
        await writer.run()

    assert logs[-1] == {"event": "database_rows_lost", "rows": 1, "log_level": "error"}


async def rename(database: Database, old: str, new: str) -> None:
    async with database.write() as connection:
        await connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")


async def test_a_flush_that_is_cancelled_loses_no_row_that_waits_for_its_call(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = BatchWriter(database)
    for seq in range(5):
        writer.add(turns, turn(seq))
    assert await writer.flush()

    async def hang(_: object) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(writer, "_write_one", hang)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await writer.flush()
    async with database.write() as connection:
        await connection.execute(insert(calls).values(call_row()))
    writer.orphans_are_due()
    assert await writer.flush()

    assert await count(database) == 5
    assert writer.dropped_rows == 0


async def test_of_rows_that_wait_one_try_is_enough_while_the_database_fails(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = BatchWriter(database)
    for seq in range(5):
        writer.add(turns, turn(seq))
    assert await writer.flush()
    tried: list[object] = []

    async def fail(entry: object) -> Exception:
        tried.append(entry)
        return OSError("away")

    monkeypatch.setattr(writer, "_write_one", fail)
    await writer.flush()
    await writer.flush()

    assert len(tried) == 1
    assert len(writer._orphans) == 5
