"""What the database says of the time, for whoever doubts the clock of this machine."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from fwai.store.database import Database
from fwai.store.database_url import parse_url, sqlite_file
from fwai.store.job_tables import instances, jobs
from fwai.store.tables import calls

_TIMES: Final = (calls.c.created_at, jobs.c.created_at, instances.c.seen_at)


class ClockWitness:
    """Tells what the time was, and is, as far as the database knows.

    Attributes:
        newest: The newest time that was written before this process began to write; None when
            nothing was.
    """

    def __init__(self, database: Database, newest: datetime | None = None) -> None:
        self.newest = newest
        self._database = database

    async def now(self) -> datetime | None:
        """Return the database server's time; None where its clock is this machine's.

        Raises:
            StoreError: The database failed.
        """
        if self._database.engine.dialect.name == "sqlite":
            return None
        async with self._database.read() as connection:
            moment: datetime | None = await connection.scalar(select(func.clock_timestamp()))
        return moment

    async def look(self, file_written: datetime | None) -> None:
        """Find ``newest``; to be called before this process writes.

        Args:
            file_written: What `file_written_at` returned before the database was opened.

        Raises:
            StoreError: The database failed.
        """
        found = [] if file_written is None else [file_written]
        async with self._database.read() as connection:
            for column in _TIMES:
                moment = await connection.scalar(select(func.max(column)))
                if moment is not None:
                    found.append(moment)
        self.newest = max(found, default=None)


async def file_written_at(url: str) -> datetime | None:
    """Return when SQLite's file was last written; None when there is none."""
    parsed = parse_url(url).url
    if parsed.get_backend_name() != "sqlite":
        return None
    file = sqlite_file(parsed)
    return await asyncio.to_thread(_written_at, [Path(file), Path(f"{file}-wal")])


def _written_at(files: list[Path]) -> datetime | None:
    found = []
    for file in files:
        try:
            found.append(datetime.fromtimestamp(file.stat().st_mtime, UTC))
        except (OSError, ValueError, OverflowError):
            continue
    return max(found, default=None)
