"""What is to be done later: written with what caused it, leased by one worker at a time.

Theory of operation. ``next_at`` says when somebody must look at a job: its due time while it waits,
the end of the lease while somebody works on it, null when it is finished. So one indexed question
finds due work and abandoned work alike, and one tells how long a worker may sleep. The number of
the attempt fences: whoever lost its lease can neither begin nor settle.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, Select, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fwai.domain.job import (
    MOST_ATTEMPTS,
    Again,
    Dead,
    Done,
    Dropped,
    Job,
    JobOutcome,
    JobState,
    Later,
    NewJob,
    Unknown,
    gap_s,
)
from fwai.store.database import Database
from fwai.store.transcript_files import clean
from fwai.store.work_tables import jobs

LEASE_S: Final = 120.0
MOST_ERROR: Final = 300
_OPEN: Final = (JobState.WAITING.value, JobState.RUNNING.value)


class Jobs:
    """All jobs.

    Args:
        instance: Names this process among those that share the database.
        clock: The time now, aware.
        jitter: In [0, 1), for gaps between attempts.
        keep_words: Keep what was sent; else it is forgotten once it is sent.
    """

    def __init__(
        self,
        database: Database,
        *,
        instance: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = lambda: secrets.randbelow(1000) / 1000.0,
        keep_words: bool = True,
    ) -> None:
        self._database = database
        self._instance = instance
        self._clock = clock
        self._jitter = jitter
        self._keep_words = keep_words
        self.on_new: Callable[[], None] = lambda: None

    # ---- writing --------------------------------------------------------------------------------

    async def add(self, connection: AsyncConnection, new: Iterable[NewJob]) -> int:
        """Write jobs within somebody's transaction and return how many are new.

        Call `stirred` once that is committed.
        """
        added = 0
        for job in new:
            row = new_row(job, self._clock())
            statement = self._database.insert(jobs).values(row).on_conflict_do_nothing()
            added += (await connection.execute(statement)).rowcount
        return added

    def stirred(self) -> None:
        """Wake the worker: jobs were committed."""
        self.on_new()

    async def enqueue(self, new: NewJob) -> Job:
        """Write a job and return it, or the one that has its key already.

        Raises:
            StoreError: The database failed.
        """
        async with self._database.write() as connection:
            await self.add(connection, [new])
            query = select(jobs).where(jobs.c.key == new.key)
            row = (await connection.execute(query)).mappings().one()
        self.stirred()
        return _job(row)

    # ---- the worker's side ----------------------------------------------------------------------

    async def lease(self, most: int, kinds: Collection[str]) -> list[Job]:
        """Take up to ``most`` jobs that are due, of ``kinds``; nobody else gets them meanwhile.

        Raises:
            StoreError: The database failed.
        """
        now = self._clock()
        due = (
            select(jobs.c.id)
            .where(jobs.c.next_at <= now, jobs.c.kind.in_(list(kinds)))
            .order_by(jobs.c.next_at)
            .limit(most)
        )
        if self._database.engine.dialect.name != "sqlite":
            # Only WITH is evaluated once: a subquery may be for each row, and take as many again.
            due = select(due.with_for_update(skip_locked=True).cte("due").c.id)
        taking = (
            update(jobs)
            .where(jobs.c.id.in_(due.scalar_subquery()))
            .values(
                state=JobState.RUNNING.value,
                attempts=jobs.c.attempts + 1,
                next_at=now + timedelta(seconds=LEASE_S),
                leased_by=self._instance,
            )
            .returning(jobs)
        )
        async with self._database.write() as connection:
            rows = (await connection.execute(taking)).mappings().all()
        return sorted((_job(row) for row in rows), key=lambda job: (job.run_at, job.created_at))

    async def begin(self, job: Job) -> bool:
        """Mark that what follows may have an effect; False when the lease was lost.

        Raises:
            StoreError: The database failed.
        """
        return await self._ours(job, {"begun_at": self._clock()})

    async def settle(self, job: Job, outcome: JobOutcome) -> JobState | None:
        """Write what became of a job and return its state; None when the lease was lost.

        Raises:
            StoreError: The database failed.
        """
        values = self._values(job, outcome)
        return JobState(values["state"]) if await self._ours(job, values) else None

    async def next_at(self, kinds: Collection[str] = ()) -> datetime | None:
        """Return when the next job, of ``kinds`` if given, must be looked at; None: there is none.

        Raises:
            StoreError: The database failed.
        """
        next_at = jobs.c.next_at
        query = select(next_at).where(next_at.is_not(None)).order_by(next_at).limit(1)
        if kinds:
            query = query.where(jobs.c.kind.in_(list(kinds)))
        async with self._database.read() as connection:
            return await connection.scalar(query)

    async def release(self) -> int:
        """Make due at once what an earlier process of this name was working on.

        Raises:
            StoreError: The database failed.
        """
        here = (jobs.c.state == JobState.RUNNING.value) & (jobs.c.leased_by == self._instance)
        async with self._database.write() as connection:
            freeing = update(jobs).where(here).values(next_at=self._clock())
            return (await connection.execute(freeing)).rowcount

    # ---- reading and the operator's side --------------------------------------------------------

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

    async def by_ref(self, ref: str) -> Job | None:
        """Return the newest job that a provider knows by ``ref``; none has an empty one.

        Raises:
            StoreError: The database failed.
        """
        if not ref:
            return None
        here = select(jobs).where(jobs.c.ref == ref).order_by(jobs.c.created_at.desc())
        return await self._first(here)

    async def count(self, kind: str, phone: str, since: datetime) -> int:
        """Return how many jobs of a kind were written for a person since a time.

        Raises:
            StoreError: The database failed.
        """
        here = (jobs.c.phone == phone) & (jobs.c.kind == kind) & (jobs.c.created_at >= since)
        async with self._database.read() as connection:
            return await connection.scalar(select(func.count()).where(here)) or 0

    async def page(
        self,
        *,
        states: Collection[JobState] = (),
        kind: str = "",
        after: tuple[datetime, str] | None = None,
        most: int = 50,
    ) -> list[Job]:
        """Return the newest jobs first, those after the given creation time and id.

        Raises:
            StoreError: The database failed.
        """
        query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(most)
        if states:
            query = query.where(jobs.c.state.in_([state.value for state in states]))
        if kind:
            query = query.where(jobs.c.kind == kind)
        if after is not None:
            at, last = after
            older = (jobs.c.created_at < at) | (jobs.c.id < last)
            query = query.where(jobs.c.created_at <= at, older)
        async with self._database.read() as connection:
            return [_job(row) for row in (await connection.execute(query)).mappings()]

    async def revive(self, job_id: str) -> bool:
        """Try a dead or unknown job again, from the start; False when it is neither.

        Raises:
            StoreError: The database failed.
        """
        here = jobs.c.state.in_([JobState.DEAD.value, JobState.UNKNOWN.value])
        values = {
            "state": JobState.WAITING.value,
            "next_at": self._clock(),
            "attempts": 0,
            "begun_at": None,
            "finished_at": None,
        }
        async with self._database.write() as connection:
            reviving = update(jobs).where((jobs.c.id == job_id) & here).values(values)
            revived = (await connection.execute(reviving)).rowcount == 1
        self.stirred()
        return revived

    async def cancel(self, connection: AsyncConnection, key: str) -> bool:
        """Cancel a job that nobody has begun, within somebody's transaction."""
        here = (jobs.c.key == key) & (jobs.c.state == JobState.WAITING.value)
        now = self._clock()
        values = {"state": JobState.CANCELED.value, "next_at": None, "finished_at": now}
        return (await connection.execute(update(jobs).where(here).values(values))).rowcount == 1

    async def note_result(self, ref: str, facts: Mapping[str, Any]) -> Job | None:
        """Add what became known later (delivered, failed) to the result of a job, by its ``ref``.

        Returns:
            The newest job of that ``ref``, with what was added; None when there is none.

        Raises:
            StoreError: The database failed.
        """
        if not ref:
            return None
        newest = select(jobs).where(jobs.c.ref == ref).order_by(jobs.c.created_at.desc()).limit(1)
        async with self._database.change() as connection:
            row = (await connection.execute(newest.with_for_update())).mappings().first()
            if row is None:
                return None
            result = clean({**(row["result"] or {}), **facts})
            noting = update(jobs).where(jobs.c.id == row["id"]).values(result=result)
            noted = await connection.execute(noting.returning(jobs))
            return _job(noted.mappings().one())

    async def proven(self, job_id: str, ref: str) -> bool:
        """Settle an unsettled job as done, because a provider told of what it did.

        Raises:
            StoreError: The database failed.
        """
        here = (jobs.c.id == job_id) & (jobs.c.begun_at.is_not(None))
        here &= jobs.c.state.in_([*_OPEN, JobState.UNKNOWN.value])
        values: dict[str, Any] = {
            "state": JobState.DONE.value,
            "next_at": None,
            "finished_at": self._clock(),
            "ref": ref[:255],
            "error": None,
        }
        if not self._keep_words:
            values["payload"] = {}
        async with self._database.write() as connection:
            return (await connection.execute(update(jobs).where(here).values(values))).rowcount == 1

    async def purge(self, before: datetime) -> int:
        """Delete what was done or canceled before a time; what failed is kept for the operator.

        Raises:
            StoreError: The database failed.
        """
        over = jobs.c.state.in_([JobState.DONE.value, JobState.CANCELED.value])
        async with self._database.write() as connection:
            old = delete(jobs).where(over & (jobs.c.finished_at < before))
            return (await connection.execute(old)).rowcount

    # ---- inside ---------------------------------------------------------------------------------

    async def _ours(self, job: Job, values: Mapping[str, Any]) -> bool:
        here = (jobs.c.id == job.id) & (jobs.c.state == JobState.RUNNING.value)
        here &= jobs.c.attempts == job.attempts
        async with self._database.write() as connection:
            return (await connection.execute(update(jobs).where(here).values(values))).rowcount == 1

    async def _first(self, query: Select[Any]) -> Job | None:
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else _job(row)

    def _values(self, job: Job, outcome: JobOutcome) -> dict[str, Any]:
        now = self._clock()
        match outcome:
            case Done(result, ref):
                values = _final(JobState.DONE, None, now)
                if not self._keep_words:
                    values["payload"] = {}
                return values | {"result": clean(result), "ref": ref[:255]}
            case Again(why, after_s):
                if job.attempts >= MOST_ATTEMPTS and after_s is None:
                    return _final(JobState.DEAD, why, now)
                gap = gap_s(job.attempts, self._jitter()) if after_s is None else after_s
                return _waiting(now + timedelta(seconds=gap), why, job.attempts)
            case Later(run_at, why, begun):
                values = _waiting(run_at, why, job.attempts - 1)
                return values | {"begun_at": job.begun_at if begun else None}
            case Dead(why):
                return _final(JobState.DEAD, why, now)
            case Unknown(why):
                return _final(JobState.UNKNOWN, why, now)
            case Dropped(why):
                return _final(JobState.CANCELED, why, now)


def new_row(job: NewJob, now: datetime) -> dict[str, Any]:
    """Return the row of a new job; for writers that insert many rows at once."""
    run_at = job.run_at or now
    return {
        "id": f"job_{secrets.token_hex(12)}",
        "kind": job.kind,
        "key": job.key,
        "payload": clean(job.payload),
        "state": JobState.WAITING.value,
        "run_at": run_at,
        "next_at": run_at,
        "attempts": 0,
        "leased_by": "",
        "call_id": job.call_id,
        "phone": job.phone,
        "ref": "",
        "created_at": now,
    }


def _final(state: JobState, why: str | None, now: datetime) -> dict[str, Any]:
    error = why[:MOST_ERROR] if why else None
    return {"state": state.value, "next_at": None, "finished_at": now, "error": error}


def _waiting(at: datetime, why: str, attempts: int) -> dict[str, Any]:
    # Nothing happened in this attempt: the next one begins afresh.
    return {
        "state": JobState.WAITING.value,
        "next_at": at,
        "attempts": attempts,
        "error": why[:MOST_ERROR] or None,
        "begun_at": None,
    }


def _job(row: RowMapping) -> Job:
    return Job(
        id=row["id"],
        kind=row["kind"],
        key=row["key"],
        payload=row["payload"],
        state=JobState(row["state"]),
        run_at=row["run_at"],
        attempts=row["attempts"],
        created_at=row["created_at"],
        begun_at=row["begun_at"],
        finished_at=row["finished_at"],
        call_id=row["call_id"],
        phone=row["phone"],
        ref=row["ref"],
        result=row["result"],
        error=row["error"],
    )
