"""The jobs of calls at one provider, so that each provider's calls wait in a line of their own."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from fwai.domain.job import DIAL, Job, JobOutcome, JobState
from fwai.store.database import Database
from fwai.store.job_tables import jobs
from fwai.store.jobs import Jobs
from fwai.store.tables import calls


class ProviderJobs:
    """Leases the jobs of a provider's calls, the oldest first. Implements ``JobLeases``.

    Args:
        store: All jobs.
        provider: Whose calls; empty takes those of providers that are not in ``others``, and of
            calls that are not known any more.
        others: Providers that have a line of their own.
    """

    def __init__(self, store: Jobs, provider: str = "", others: Collection[str] = ()) -> None:
        self._store = store
        here = calls.c.id == jobs.c.call_id
        self._where: ColumnElement[bool]
        if provider:
            self._where = select(calls.c.id).where(here, calls.c.provider == provider).exists()
        else:
            known = select(calls.c.id).where(here, calls.c.provider.in_(list(others)))
            self._where = ~known.exists()

    async def get(self, job_id: str) -> Job | None:
        """Return a job.

        Raises:
            StoreError: The database failed.
        """
        return await self._store.get(job_id)

    async def lease(self, limit: int, kinds: Collection[str]) -> list[Job]:
        """Take up to ``limit`` jobs that are due, of ``kinds``.

        Raises:
            StoreError: The database failed.
        """
        return await self._store.lease(limit, kinds, self._where, oldest_first=True)

    async def begin(self, job: Job) -> bool:
        """Mark that what follows may have an effect; False when the lease was lost.

        Raises:
            StoreError: The database failed.
        """
        return await self._store.begin(job)

    async def settle(self, job: Job, outcome: JobOutcome) -> JobState | None:
        """Write what became of a job; None when the lease was lost.

        Raises:
            StoreError: The database failed.
        """
        return await self._store.settle(job, outcome)

    async def next_at(self, kinds: Collection[str]) -> datetime | None:
        """Return when the next one of ``kinds`` is due.

        Raises:
            StoreError: The database failed.
        """
        return await self._store.next_at(kinds, self._where)


async def last_dialled(database: Database, provider: str) -> datetime | None:
    """Return when a call was last begun at a provider, as far as its job is kept.

    Raises:
        StoreError: The database failed.
    """
    both = jobs.join(calls, calls.c.id == jobs.c.call_id)
    here = (jobs.c.kind == DIAL) & (calls.c.provider == provider)
    query = select(func.max(jobs.c.begun_at)).select_from(both).where(here)
    async with database.read() as connection:
        return await connection.scalar(query)
