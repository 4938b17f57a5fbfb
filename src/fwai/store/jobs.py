"""What is to be done later: written with what caused it, leased by one worker at a time.

Theory of operation. ``next_at`` says when somebody must look at a job: its due time while it waits,
the end of the lease while somebody works on it, null when it is finished. So one indexed question
finds due work and abandoned work alike, and one tells how long a worker may sleep. The number of
the attempt fences: whoever lost its lease can neither begin nor settle.

A wall clock that is set ends no lease: this process holds its own as long as it lasts, and what a
process that lives works on is left to it, whatever ``next_at`` says (`membership` frees the work of
one that died).
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fwai.domain.instance import Owner
from fwai.domain.job import (
    MAX_ATTEMPTS,
    Dead,
    Done,
    Dropped,
    Job,
    JobOutcome,
    JobState,
    NewJob,
    Postpone,
    Retry,
    Unknown,
    retry_delay_s,
)
from fwai.domain.wall_clock import WallClock
from fwai.store.clock_steps import OPEN_STATES, lives
from fwai.store.database import Database
from fwai.store.job_leases import LEASE_S as LEASE_S  # noqa: PLC0414 - of its jobs
from fwai.store.job_leases import HeldJobs, taking
from fwai.store.job_rows import ONLY_OUTCOME, finished, stored_job, waiting
from fwai.store.job_tables import jobs
from fwai.store.job_writer import JobWriter, OnNew, wake_nobody
from fwai.store.transcript_files import clean


def follow_no_job(job: Job, state: JobState) -> Iterable[NewJob]:  # noqa: ARG001
    """Follow no job."""
    return ()


class Jobs(JobWriter):
    """All jobs: written by `JobWriter`, leased and settled here.

    Args:
        owner: This process among those that share the database.
        clock: The time now, aware.
        wall: Tells how the clock was set; None is the system's.
        jitter: In [0, 1), for gaps between attempts.
        on_new: Told that jobs were committed.
        follows: What is to be done once a job is over or put off; written in the same transaction.
    """

    def __init__(
        self,
        database: Database,
        *,
        owner: Owner | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wall: WallClock | None = None,
        jitter: Callable[[], float] = lambda: secrets.randbelow(1000) / 1000.0,
        on_new: OnNew = wake_nobody,
        follows: Callable[[Job, JobState], Iterable[NewJob]] = follow_no_job,
    ) -> None:
        super().__init__(database, owner=owner, clock=clock, wall=wall, on_new=on_new)
        self._held = HeldJobs(self._clock, self._wall, demo=database.demo)
        self._jitter = jitter
        self.follows = follows

    # ---- the worker's side ----------------------------------------------------------------------

    async def lease(
        self,
        limit: int,
        kinds: Collection[str],
        where: ColumnElement[bool] | None = None,
        *,
        oldest_first: bool = False,
    ) -> list[Job]:
        """Take up to ``limit`` jobs that are due, of ``kinds``; nobody else gets them meanwhile.

        Args:
            limit: How many at most.
            kinds: Those that are wanted.
            where: A further condition.
            oldest_first: By when they were asked for, not by when they came to be due.

        Raises:
            StoreError: The database failed.
        """
        due_at = await self.next_at(kinds, where)  # a look takes no lock
        now = self._clock()
        if due_at is None or due_at > now:
            return []
        statement = taking(
            self._held.free(self._owner.id, kinds, where),
            now,
            self._owner.id,
            limit,
            oldest_first=oldest_first,
            sqlite=self._database.engine.dialect.name == "sqlite",
        )
        async with self._database.write() as connection:
            rows = (await connection.execute(statement)).mappings().all()
        ids = [row["id"] for row in rows]
        self._held.add(ids)
        self._steps.written(ids)
        return sorted(
            (stored_job(row) for row in rows), key=lambda job: (job.run_at, job.created_at)
        )

    async def begin(self, job: Job) -> bool:
        """Mark that what follows may have an effect; False when the lease was lost.

        Raises:
            StoreError: The database failed.
        """
        async with self._database.write() as connection:
            return await self._ours(connection, job, {"begun_at": self._clock()})

    async def settle(self, job: Job, outcome: JobOutcome) -> JobState | None:
        """Write what became of a job and return its state; None when the lease was lost.

        Raises:
            StoreError: The database failed.
        """
        values = self._values(job, outcome)
        state = JobState(values["state"])
        self._steps.written([job.id])
        async with self._database.write() as connection:
            if not await self._ours(connection, job, values):
                return None
            follows = list(self.follows(job, state))
            if follows:
                await self.add(connection, follows)
        self._held.drop(job.id)
        if follows:
            self.notify(kinds=[job.kind for job in follows])
        return state

    async def next_at(
        self, kinds: Collection[str] | None = None, where: ColumnElement[bool] | None = None
    ) -> datetime | None:
        """Return when the next job must be looked at, of ``kinds`` or of any; None: there is none.

        What is being worked on counts only once nobody who lives holds it.

        Raises:
            StoreError: The database failed.
        """
        await self._steps.follow()
        next_at, free = jobs.c.next_at, self._held.free(self._owner.id, kinds, where)
        query = select(next_at).where(next_at.is_not(None), free).order_by(next_at).limit(1)
        async with self._database.read() as connection:
            return await connection.scalar(query)

    async def release(self, instance: str) -> int:
        """Make due at once what an instance that died was working on; return how many jobs.

        Raises:
            StoreError: The database failed.
        """
        here = (jobs.c.state == JobState.RUNNING.value) & (jobs.c.leased_by == instance)
        here &= ~lives(jobs.c.leased_by)  # it may have come back meanwhile, and works on others
        if instance == self._owner.id:  # a process that was taken for dead and lives
            self._held.clear()
        async with self._database.write() as connection:
            freeing = update(jobs).where(here).values(next_at=self._clock())
            return (await connection.execute(freeing)).rowcount

    async def prove(self, connection: AsyncConnection, job_id: str, ref: str) -> bool:
        """Settle a begun job as done, within somebody's transaction; False if it is settled.

        A provider told of what it did. Whoever works on it loses its lease.
        """
        here = (jobs.c.id == job_id) & (jobs.c.begun_at.is_not(None))
        here &= jobs.c.state.in_([*OPEN_STATES, JobState.UNKNOWN.value])
        values: dict[str, Any] = ONLY_OUTCOME | {
            "state": JobState.DONE.value,
            "next_at": None,
            "finished_at": self._clock(),
            "ref": ref[:255],
            "error": None,
        }
        return (await connection.execute(update(jobs).where(here).values(values))).rowcount == 1

    # ---- inside ---------------------------------------------------------------------------------

    async def _ours(self, connection: AsyncConnection, job: Job, values: Mapping[str, Any]) -> bool:
        here = (jobs.c.id == job.id) & (jobs.c.state == JobState.RUNNING.value)
        here &= jobs.c.attempts == job.attempts
        return (await connection.execute(update(jobs).where(here).values(values))).rowcount == 1

    def _values(self, job: Job, outcome: JobOutcome) -> dict[str, Any]:
        now = self._clock()
        match outcome:
            case Done(result, ref):
                values = finished(JobState.DONE, None, now) | ONLY_OUTCOME
                return values | {"result": clean(result), "ref": ref[:255]}
            case Retry(why, after_s):
                if job.attempts >= MAX_ATTEMPTS and after_s is None:
                    return finished(JobState.DEAD, why, now)
                gap = retry_delay_s(job.attempts, self._jitter()) if after_s is None else after_s
                return waiting(now + timedelta(seconds=gap), why, job.attempts)
            case Postpone(run_at, why, begun):
                values = waiting(run_at, why, job.attempts - 1)
                return values | {"begun_at": job.begun_at if begun else None}
            case Dead(why):
                return finished(JobState.DEAD, why, now)
            case Unknown(why):
                return finished(JobState.UNKNOWN, why, now)
            case Dropped(why):
                return finished(JobState.CANCELED, why, now) | ONLY_OUTCOME
