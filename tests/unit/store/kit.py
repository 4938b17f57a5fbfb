"""What the store's tests share: a database with its tables, calls, and an open store."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import StaticPool, create_engine, delete, event, make_url

from fwai.domain.call import Call, CallEnding, CallId, CallState, Direction, EndReason
from fwai.domain.events import ToolCall, ToolResult
from fwai.domain.instance import Owner
from fwai.store.batch_writer import BatchWriter
from fwai.store.calls import Calls
from fwai.store.crash_recovery import CrashRecovery, Folders
from fwai.store.database import Database, prepare_file
from fwai.store.file_writer import FileWriter
from fwai.store.job_tables import metadata
from fwai.store.jobs import Jobs
from fwai.store.tables import instant
from polling import until as until  # noqa: PLC0414 - for whoever uses this store

KOLKATA = ZoneInfo("Asia/Kolkata")
T0 = 1_795_492_800.0  # 2026-11-24T09:30:00+05:30
LATER = T0 + 3600
DAY = "2026-11-24"
NOW = instant(T0)
PHONE = "+919999900001"
OTHER_PHONE = "+919999900002"

ENDING = CallEnding(
    CallState.COMPLETED,
    EndReason.AGENT_HUNG_UP,
    usage={"prompt": 10, "response": 4},
    latency_ms=(410.0, 520.5),
    audio_in_s=12.5,
    audio_out_s=7.25,
)
BUSY = CallEnding(CallState.BUSY, EndReason.NEVER_CONNECTED)
REQUEST = ToolCall("fc-1", "book_demo", {"when": "tomorrow", "name": "Asha"})
RESULT = ToolResult("fc-1", "book_demo", ok=True, text="The demo is booked.", data={})


def a_call(call_id: str = "c-1", provider_call_id: str | None = None) -> Call:
    if provider_call_id is None:  # of one provider no two calls have the same
        provider_call_id = f"uuid-{call_id}"
    return Call(
        id=CallId(call_id),
        provider="plivo",
        direction=Direction.INBOUND,
        caller="+919999900001",
        line="+912200000000",
        agent="FWAI_Core",
        provider_call_id=provider_call_id,
        context={"customer_name": "Asha"},
    )


class Clock:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


def at(seconds: float) -> datetime:
    """Return the moment so many seconds after `NOW`."""
    return NOW + timedelta(seconds=seconds)


def jobs_in(database: Database, clock: Clock, instance: str = "a") -> Jobs:
    return Jobs(database, owner=Owner(instance, 1), clock=clock, jitter=lambda: 0.5)


async def proven(jobs: Jobs, job_id: str, ref: str) -> bool:
    """Let a provider's word prove a job, in a transaction of its own."""
    async with jobs._database.write() as connection:
        return await jobs.prove(connection, job_id, ref)


async def plans(database: Database, asking: Awaitable[object]) -> str:
    """Await what asks SQLite, and return how SQLite finds the answers."""
    asked: list[tuple[str, Any]] = []

    def note(*of: Any) -> None:  # noqa: ANN401 - as SQLAlchemy calls it
        asked.append((of[2], of[3]))

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        await asking
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)
    lines = []
    async with database.read() as connection:
        for statement, values in asked:
            explained = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            lines += [row.detail for row in explained]
    return "\n".join(lines)


def sqlite_url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'data' / 'fwai.db'}"


@cache
def _file_with_tables() -> bytes:
    """Return what a SQLite file with all tables holds: to copy it takes a hundredth of the time."""
    with closing(sqlite3.connect(":memory:")) as connection:
        engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
        metadata.create_all(engine)
        return connection.serialize()


@asynccontextmanager
async def a_database(url: str) -> AsyncIterator[Database]:
    """Open a database with all tables; of what exists already they must be there."""
    if (place := make_url(url)).get_backend_name() == "sqlite":
        prepare_file(url)
        file = Path(str(place.database))
        if not file.stat().st_size:
            file.write_bytes(_file_with_tables())
    database = await Database.open(url)
    try:
        yield database
    finally:
        await database.close()


async def empty(database: Database) -> None:
    """Leave the next test nothing: of PostgreSQL all have one database, of SQLite each its own."""
    if database.engine.dialect.name == "postgresql":
        everything = [str(delete(table)) for table in reversed(metadata.sorted_tables)]
        async with database.write() as connection:
            raw = await connection.get_raw_connection()
            assert raw.driver_connection is not None
            await raw.driver_connection.execute(";".join(everything))


@dataclass(frozen=True)
class Kept:
    """A store whose writers only run when told to."""

    database: Database
    writer: BatchWriter
    files: FileWriter
    calls: Calls
    recovery: CrashRecovery
    transcripts: Path
    recordings: Path
    instance: str

    async def flush(self) -> None:
        assert await self.files.flush()
        assert await self.writer.flush()

    async def crashed(self) -> int:
        """Let another process take over from this one; return how many calls it closed."""
        return await self.recovery.take_over(self.instance, 1)

    def transcript(self, call_id: str = "c-1") -> Path:
        return self.transcripts / DAY / f"{call_id}.jsonl"


def kept_in(database: Database, folder: Path, *, texts: bool = True, instance: str = "a") -> Kept:
    writer = BatchWriter(database)
    files = FileWriter()
    transcripts = folder / "transcripts"
    recordings = folder / "recordings"
    calls = Calls(
        database,
        writer,
        files,
        transcripts_dir=transcripts if texts else None,
        recordings_dir=recordings,
        zone=KOLKATA,
        owner=Owner(instance, 1),
        clock=lambda: T0,
    )
    folders = Folders(transcripts if texts else None, recordings, KOLKATA)
    recovery = CrashRecovery(
        database,
        folders,
        Jobs(database),
        keep=(CallState.QUEUED, CallState.SCHEDULED, CallState.RINGING),
        clock=lambda: LATER,
    )
    return Kept(database, writer, files, calls, recovery, transcripts, recordings, instance)
