"""What can be asked about jobs."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, func, select

from fwai.domain.job import Job, JobState
from fwai.store.database import Database
from fwai.store.job_rows import stored_job
from fwai.store.job_tables import jobs
from fwai.store.tables import calls

LONGEST_BEFORE: Final = timedelta(days=31)  # that a call is written before it is made


class JobReader:
    """Finds and counts jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, job_id: str) -> Job | None:
        """Return a job.

        Raises:
            StoreError: The database failed.
        """
        return await self._first(select(jobs).where(jobs.c.id == job_id))

    async def by_key(self, key: str) -> Job | None:
        """Return the job of a key.

        Raises:
            StoreError: The database failed.
        """
        return await self._first(select(jobs).where(jobs.c.key == key))

    async def count(self, kind: str, phone: str, since: datetime) -> int:
        """Return how many jobs of a kind were written for a person since a time.

        Raises:
            StoreError: The database failed.
        """
        here = (jobs.c.phone == phone) & (jobs.c.kind == kind) & (jobs.c.created_at >= since)
        async with self._database.read() as connection:
            return await connection.scalar(select(func.count()).where(here)) or 0

    async def count_asked(self, kind: str, caller: str, since: datetime) -> int:
        """Return how many jobs of a kind the calls of one caller gave since a time.

        All callers without a number are one, with an empty ``caller``.

        Raises:
            StoreError: The database failed.
        """
        here = (calls.c.caller == caller) & (calls.c.created_at >= since - LONGEST_BEFORE)
        here &= (jobs.c.kind == kind) & (jobs.c.created_at >= since)
        both = jobs.join(calls, calls.c.id == jobs.c.call_id)
        async with self._database.read() as connection:
            query = select(func.count()).select_from(both).where(here)
            return await connection.scalar(query) or 0

    async def page(
        self,
        *,
        states: Collection[JobState] = (),
        kind: str = "",
        after: tuple[datetime, str] | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Return the newest jobs first, those after the given creation time and id.

        Raises:
            StoreError: The database failed.
        """
        query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        if states:
            query = query.where(jobs.c.state.in_([state.value for state in states]))
        if kind:
            query = query.where(jobs.c.kind == kind)
        if after is not None:
            at, last = after
            older = (jobs.c.created_at < at) | (jobs.c.id < last)
            query = query.where(jobs.c.created_at <= at, older)
        async with self._database.read() as connection:
            return [stored_job(row) for row in (await connection.execute(query)).mappings()]

    async def _first(self, query: Select[Any]) -> Job | None:
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else stored_job(row)
