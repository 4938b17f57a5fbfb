"""A demo's database is never the business's: whose it is, rows of the other side, older demos."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Float, Integer, Table, false, true, update

from fwai.domain.call import CallId, CallState, Direction
from fwai.domain.callback import CallbackState, NewCallback
from fwai.domain.demo import DEMO_LINE
from fwai.domain.job import DIAL, NewJob
from fwai.errors import StoreError
from fwai.store.callbacks import Callbacks
from fwai.store.database import Database
from fwai.store.demo_guard import MARKED, OlderDemo, claim
from fwai.store.installation import Installation
from fwai.store.job_tables import jobs as jobs_table
from fwai.store.jobs import Jobs
from fwai.store.tables import Instant
from unit.store.kit import NOW, T0, Clock, Kept, a_call, at, jobs_in


@pytest.fixture
async def demo(database: Database) -> AsyncIterator[Database]:
    """The same database, as a demo has it open."""
    opened = await Database.open(database.url.render_as_string(hide_password=False), demo=True)
    yield opened
    await opened.close()


def filled(column: "Column[Any]") -> object:
    """Return some value that a column takes."""
    kinds: list[tuple[type, object]] = [
        (Boolean, False), (Integer, 1), (Float, 1.0), (Instant, NOW),
    ]  # fmt: skip
    value = next((value for kind, value in kinds if isinstance(column.type, kind)), "x")
    assert not isinstance(value, datetime) or value.tzinfo is not None
    return value


async def put_row(database: Database, table: Table) -> None:
    row = {one.name: filled(one) for one in table.c if not one.nullable and one.name != "demo"}
    async with database.write() as connection:
        await connection.execute(database.insert(table).values(row))


def test_every_table_that_something_is_done_from_is_marked() -> None:
    assert {table.name for table in MARKED} >= {
        "calls", "jobs", "callbacks", "bookings", "contacts", "standings", "requests",
        "sent_messages",
    }  # fmt: skip


async def test_whoever_comes_first_has_the_database_and_finds_it_again(
    database: Database, demo: Database
) -> None:
    await claim(demo)
    await claim(demo)

    with pytest.raises(StoreError, match=r"holds what a demo simulated.*set DATABASE_URL to"):
        await claim(database)


async def test_a_demo_does_not_take_the_business_s_database(
    database: Database, demo: Database
) -> None:
    await claim(database)
    await claim(database)

    with pytest.raises(StoreError, match="is the business's; a demo keeps to a database of its"):
        await claim(demo)


@pytest.mark.parametrize("table", MARKED, ids=lambda table: table.name)
async def test_one_row_of_a_demo_among_the_business_s_own_is_refused(
    database: Database, demo: Database, table: Table
) -> None:
    """As when somebody copied it there."""
    await claim(database)
    await put_row(demo, table)

    with pytest.raises(StoreError, match=rf"rows in {table.name}, .*WHERE demo"):
        await claim(database)


@pytest.mark.parametrize("table", MARKED, ids=lambda table: table.name)
async def test_an_installation_from_before_the_marks_is_no_demo_s(
    database: Database, demo: Database, table: Table
) -> None:
    await put_row(database, table)

    with pytest.raises(StoreError, match=rf"is the business's, rows in {table.name}"):
        await claim(demo)
    await claim(database)  # the demo that was refused has not taken it


async def test_rows_of_a_demo_in_a_database_of_nobody_are_refused(
    database: Database, demo: Database
) -> None:
    await put_row(demo, MARKED[0])

    with pytest.raises(StoreError, match="set DATABASE_URL to a database that no demo has used"):
        await claim(database)
    assert await Installation(database).get("demo") is None


@pytest.mark.parametrize("owner", ["demo", "business"])
async def test_neither_side_leases_or_awaits_what_the_other_wrote(
    database: Database, demo: Database, clock: Clock, owner: str
) -> None:
    ours, theirs = jobs_in(database, clock), jobs_in(demo, clock)
    if owner == "demo":
        ours, theirs = theirs, ours
    await theirs.enqueue(NewJob(DIAL, "dial:theirs", run_at=at(-10)))
    await ours.enqueue(NewJob(DIAL, "dial:ours", run_at=at(30)))

    assert await ours.lease(9, [DIAL]) == []
    assert await ours.next_at() == await ours.next_at([DIAL]) == at(30)
    clock.move(30)
    assert [job.key for job in await ours.lease(9, [DIAL])] == ["dial:ours"]
    assert [job.key for job in await theirs.lease(9, [DIAL])] == ["dial:theirs"]


async def test_a_job_whose_mark_comes_while_it_waits_is_not_done(
    database: Database, jobs: Jobs
) -> None:
    await jobs.enqueue(NewJob(DIAL, "dial:1", run_at=at(-10)))
    async with database.write() as connection:
        await connection.execute(update(jobs_table).values(demo=true()))
    assert await jobs.lease(9, [DIAL]) == []

    async with database.write() as connection:
        await connection.execute(update(jobs_table).values(demo=false()))
    assert len(await jobs.lease(9, [DIAL])) == 1


# ---- what an older demo left --------------------------------------------------------------------

OURS = "+912200000000"


@pytest.mark.parametrize(
    ("line", "state", "direction", "found"),
    [
        (DEMO_LINE, CallState.SCHEDULED, Direction.OUTBOUND, True),
        (DEMO_LINE, CallState.QUEUED, Direction.OUTBOUND, True),
        (DEMO_LINE, CallState.DIALING, Direction.OUTBOUND, False),
        (DEMO_LINE, CallState.IN_PROGRESS, Direction.OUTBOUND, False),
        (DEMO_LINE, CallState.SCHEDULED, Direction.INBOUND, False),
        (OURS, CallState.SCHEDULED, Direction.OUTBOUND, False),
        ("", CallState.SCHEDULED, Direction.OUTBOUND, False),
        ("8888800000", CallState.SCHEDULED, Direction.OUTBOUND, False),
    ],
)
async def test_only_a_waiting_call_from_the_demo_s_number_is_an_older_demo_s(
    database: Database,
    kept: Kept,
    line: str,
    state: CallState,
    direction: Direction,
    found: bool,
) -> None:
    call = replace(a_call(), line=line, direction=direction)
    await kept.calls.open(call, state, T0)
    await kept.flush()

    assert await OlderDemo(database).waiting_calls(DEMO_LINE) == ([call.id] if found else [])


@pytest.mark.parametrize(
    ("line", "source", "over", "found"),
    [
        (DEMO_LINE, "c-1", False, True),
        (DEMO_LINE, "c-1", True, False),
        (DEMO_LINE, "", False, False),
        (OURS, "c-1", False, False),
    ],
)
async def test_only_an_open_promise_of_such_a_call_is_an_older_demo_s(
    database: Database, kept: Kept, jobs: Jobs, line: str, source: str, over: bool, found: bool
) -> None:
    await kept.calls.open(replace(a_call(), line=line), CallState.IN_PROGRESS, T0)
    await kept.flush()
    callbacks = Callbacks(database, jobs)
    new = NewCallback("cb:1", "+919999900001", "plivo", "FWAI_Core", at(60))
    promise, _ = await callbacks.schedule(replace(new, source_call_id=CallId(source)))
    if over:
        canceled = await callbacks.cancel(promise.id)
        assert canceled is not None
        assert canceled.state is CallbackState.CANCELED

    assert await OlderDemo(database).open_callbacks(DEMO_LINE) == ([promise.id] if found else [])
