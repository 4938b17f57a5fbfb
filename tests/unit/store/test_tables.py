from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import StatementError
from sqlalchemy.schema import CreateTable

from fwai.store.database import Database
from fwai.store.job_tables import metadata
from fwai.store.tables import Instant, calls, instant, turns
from unit.store.kit import T0


@settings(deadline=None)
@given(st.floats())
def test_any_number_is_some_moment(at: float) -> None:
    assert instant(at).tzinfo is UTC


@pytest.mark.parametrize(
    "table",
    [
        table
        for table in metadata.sorted_tables
        if any(isinstance(column.type, Instant) for column in table.columns)
    ],
    ids=lambda table: table.name,
)
def test_times_carry_a_zone_on_postgresql(table: object) -> None:
    ddl = str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[arg-type, no-untyped-call]

    assert "WITHOUT TIME ZONE" not in ddl
    assert "TIMESTAMP WITH TIME ZONE" in ddl


def test_a_time_read_from_sqlite_is_utc_again() -> None:
    naive = datetime(2026, 11, 24, 4, 0)  # noqa: DTZ001 - what SQLite gives back

    read = Instant().process_result_value(naive, sqlite.dialect())

    assert read == datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


async def test_a_time_keeps_its_instant_whatever_its_zone(database: Database) -> None:
    kolkata = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2026, 11, 24, 9, 30, tzinfo=kolkata)

    async with database.write() as connection:
        await connection.execute(insert(calls).values(call_row(created_at=moment)))
        read = await connection.scalar(select(calls.c.created_at))

    assert read == moment
    assert read.utcoffset() == timedelta(0)


async def test_a_naive_time_is_refused(database: Database) -> None:
    naive = datetime(2026, 11, 24, 4, 0)  # noqa: DTZ001 - the mistake under test

    async with database.engine.connect() as connection:
        with pytest.raises(StatementError):
            await connection.execute(insert(calls).values(call_row(created_at=naive)))


async def test_turns_go_with_their_call(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(insert(calls).values(call_row()))
        turn = {"call_id": "c", "seq": 1, "role": "caller", "turn": 1, "text": "hi"}
        await connection.execute(
            insert(turns).values(turn | {"at": instant(T0), "interrupted": False})
        )
        await connection.execute(calls.delete())
        left = (await connection.execute(select(turns))).all()

    assert left == []


def call_row(**changes: object) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(
        ("provider", "provider_call_id", "direction", "caller", "line", "agent", "instance"), "x"
    )
    moments = {"created_at": instant(T0), "written_at": instant(T0)}
    return row | {"id": "c", "state": "queued", "context": {}} | moments | changes
