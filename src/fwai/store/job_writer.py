"""Writes jobs, within the transactions of what causes them, and takes them back."""

import secrets
import time
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, cast, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fwai.domain.call import CallState
from fwai.domain.instance import Owner
from fwai.domain.job import Job, JobState, NewJob
from fwai.domain.wall_clock import WallClock
from fwai.store.clock_steps import OPEN_STATES, ClockSteps
from fwai.store.database import Database
from fwai.store.job_reader import JobReader
from fwai.store.job_rows import ONLY_OUTCOME, stored_job
from fwai.store.job_tables import jobs
from fwai.store.portions import change_portions, delete_portions
from fwai.store.tables import calls
from fwai.store.transcript_files import clean

OVER_STATES: Final = (JobState.DONE.value, JobState.CANCELED.value)
GIVEN_UP_STATES: Final = (JobState.DEAD.value, JobState.UNKNOWN.value)
_HOLDS_WORDS: Final = cast(jobs.c.payload, Text) != "{}"  # JSON has no operators everywhere

# Told when jobs of some kinds were committed (None: of any), none of them due before a time, if
# that is given.
OnNew = Callable[[datetime | None, Collection[str] | None], None]


def wake_nobody(due_at: datetime | None, kinds: Collection[str] | None) -> None:
    """Wake no worker."""


class JobWriter(JobReader):
    """Writes, cancels, revives and purges jobs.

    Args:
        owner: This process among those that share the database.
        clock: The time now, aware.
        wall: Tells how the clock was set; None is the system's.
        on_new: Told that jobs were committed.
    """

    def __init__(
        self,
        database: Database,
        *,
        owner: Owner | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wall: WallClock | None = None,
        on_new: OnNew = wake_nobody,
    ) -> None:
        super().__init__(database)
        self._owner = owner or Owner()
        self._clock = clock
        self._wall = wall or WallClock(time.time, time.monotonic)
        self._steps = ClockSteps(database, self._owner, self._wall)
        self.on_new = on_new

    async def add(self, connection: AsyncConnection, new: Iterable[NewJob]) -> int:
        """Write jobs within somebody's transaction and return how many are new.

        Call `notify` once that is committed.
        """
        added = 0
        for job in new:
            row = new_row(job, self._clock(), self._owner.id)
            self._steps.written([row["id"]])
            statement = self._database.insert(jobs).values(row).on_conflict_do_nothing()
            added += (await connection.execute(statement)).rowcount
        return added

    def notify(self, at: datetime | None = None, kinds: Collection[str] | None = None) -> None:
        """Wake the workers: jobs were committed, none of them due before ``at`` if it is given.

        Without ``kinds`` they may be of any.
        """
        self.on_new(at, kinds)

    async def enqueue(self, new: NewJob) -> Job:
        """Write a job and return it, or the one that has its key already.

        Raises:
            StoreError: The database failed.
        """
        async with self._database.write() as connection:
            await self.add(connection, [new])
            query = select(jobs).where(jobs.c.key == new.key)
            row = (await connection.execute(query)).mappings().one()
        self.notify(new.run_at, [new.kind])
        return stored_job(row)

    async def stranded(self, kind: str) -> list[Job]:
        """Return the finished jobs of a kind whose call was never dialled, nor closed.

        Raises:
            StoreError: The database failed.
        """
        waits = calls.c.state.in_([CallState.QUEUED.value, CallState.SCHEDULED.value])
        here = (jobs.c.kind == kind) & jobs.c.state.not_in(OPEN_STATES) & waits
        query = select(jobs).join(calls, calls.c.id == jobs.c.call_id).where(here)
        async with self._database.read() as connection:
            return [stored_job(row) for row in (await connection.execute(query)).mappings()]

    async def revive(self, job_id: str) -> bool:
        """Try a dead or unknown job again, from the start.

        Returns:
            False when it is neither, or when what it was to do is not kept any more.

        Raises:
            StoreError: The database failed.
        """
        here = jobs.c.state.in_(GIVEN_UP_STATES) & _HOLDS_WORDS
        now = self._clock()
        values = {
            "state": JobState.WAITING.value,
            "run_at": now,
            "next_at": now,
            "attempts": 0,
            "begun_at": None,
            "finished_at": None,
            "leased_by": self._owner.id,
        }
        self._steps.written([job_id])
        async with self._database.write() as connection:
            reviving = update(jobs).where((jobs.c.id == job_id) & here).values(values)
            revived = (await connection.execute(reviving)).rowcount == 1
        self.notify()
        return revived

    async def cancel(self, connection: AsyncConnection, key: str) -> bool:
        """Cancel a job that nobody has begun, within somebody's transaction."""
        here = (jobs.c.key == key) & (jobs.c.state == JobState.WAITING.value)
        now = self._clock()
        values = ONLY_OUTCOME | {
            "state": JobState.CANCELED.value,
            "next_at": None,
            "finished_at": now,
        }
        return (await connection.execute(update(jobs).where(here).values(values))).rowcount == 1

    async def any_of(self, connection: AsyncConnection, keys: Collection[str]) -> bool:
        """Whether a job of these keys is known, within somebody's transaction."""
        query = select(jobs.c.id).where(jobs.c.key.in_(list(keys))).limit(1)
        return await connection.scalar(query) is not None

    async def withdraw(self, connection: AsyncConnection, keys: Collection[str]) -> set[str]:
        """Cancel jobs however far they are, within somebody's transaction.

        Whoever works on one loses its lease and cannot begin; one that is done stays.

        Returns:
            The keys of those that may have had their effect.
        """
        here = jobs.c.key.in_(list(keys))
        query = select(jobs.c.key, jobs.c.state, jobs.c.begun_at).where(here).with_for_update()
        rows = (await connection.execute(query)).all()
        stands = here & jobs.c.state.not_in(OVER_STATES)
        values = ONLY_OUTCOME | {
            "state": JobState.CANCELED.value,
            "next_at": None,
            "finished_at": self._clock(),
        }
        await connection.execute(update(jobs).where(stands).values(values))
        effective = {JobState.DONE.value, JobState.UNKNOWN.value}
        return {
            row.key
            for row in rows
            if row.state in effective or (row.state in OPEN_STATES and row.begun_at is not None)
        }

    async def purge(self, before: datetime, given_up_before: datetime) -> int:
        """Delete what was done or canceled before a time, and what was given up before another.

        What a clock that was set forward made look that old is kept.

        Raises:
            StoreError: The database failed.
        """
        before, given_up_before = self._certainly(before), self._certainly(given_up_before)
        old = jobs.c.state.in_(OVER_STATES) & (jobs.c.finished_at < before)
        old |= jobs.c.state.in_(GIVEN_UP_STATES) & (jobs.c.finished_at < given_up_before)
        return await delete_portions(self._database, jobs, old)

    async def forget_words(self, before: datetime, kinds: Collection[str] = ()) -> int:
        """Leave of what was given up before a time only the outcome; return of how many jobs.

        They cannot be tried again from then on.

        Args:
            before: Aware.
            kinds: Only jobs of these; of all, if there are none.

        Raises:
            StoreError: The database failed.
        """
        before = self._certainly(before)
        old = jobs.c.state.in_(GIVEN_UP_STATES) & (jobs.c.finished_at < before)
        if kinds:
            old &= jobs.c.kind.in_(list(kinds))
        return await self._keep_outcome(old)

    async def _keep_outcome(self, here: ColumnElement[bool]) -> int:
        outcome = ONLY_OUTCOME | {"confirmation": None}
        return await change_portions(self._database, jobs, here & _HOLDS_WORDS, outcome)

    def _certainly(self, before: datetime) -> datetime:
        age_s = (self._clock() - before).total_seconds()
        return before - timedelta(seconds=self._wall.forward_s(age_s))


def new_row(job: NewJob, now: datetime, writer: str = "") -> dict[str, Any]:
    """Return the row of a new job; for writers that insert many rows at once.

    Args:
        job: What is to be done.
        now: The time now, aware.
        writer: Id of the instance that writes it.
    """
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
        "leased_by": writer,
        "call_id": job.call_id,
        "phone": job.phone,
        "ref": "",
        "confirmation": None if job.confirmation is None else clean(job.confirmation),
        "created_at": now,
    }
