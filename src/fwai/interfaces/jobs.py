"""Background jobs: who writes them, who leases them, who waits for them.

Every coroutine that asks the store raises ``StoreError`` when the database fails.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from fwai.domain.job import Job, JobOutcome, JobState, NewJob

ListPosition = tuple[datetime, str]
"""Where a page of a list begins: the time and the id of the item before it."""


class JobLookup(Protocol):
    """Finds jobs."""

    async def get(self, job_id: str) -> Job | None:
        """Return a job, or None when it is unknown."""
        ...


class JobQueue(Protocol):
    """Where jobs are written."""

    async def enqueue(self, new: NewJob) -> Job:
        """Write a job, or return the one that has its key."""
        ...


class CountingJobQueue(JobQueue, JobLookup, Protocol):
    """A queue that also counts, for limits of a day."""

    async def count(self, kind: str, phone: str, since: datetime) -> int:
        """Return how many jobs of a kind concern a person."""
        ...

    async def count_asked(self, kind: str, caller: str, since: datetime) -> int:
        """Return how many jobs of a kind the calls of one caller gave."""
        ...


class JobLeases(JobLookup, Protocol):
    """The worker's side of the jobs."""

    async def lease(self, limit: int, kinds: Collection[str]) -> list[Job]:
        """Take up to ``limit`` jobs of ``kinds`` that are due."""
        ...

    async def begin(self, job: Job) -> bool:
        """Mark the point of no return; False when the lease was lost."""
        ...

    async def settle(self, job: Job, outcome: JobOutcome) -> JobState | None:
        """Write what became of a job; None when the lease was lost."""
        ...

    async def next_at(self, kinds: Collection[str]) -> datetime | None:
        """Return when the next one of ``kinds`` is due."""
        ...


class JobWaiter(Protocol):
    """Lets others wait for a job."""

    async def wait(self, jobs: JobLookup, job: Job, within_s: float) -> Job:
        """Wait until a job is settled, for a while, and return it as it is then."""
        ...


class JobSubmitter(Protocol):
    """Takes work that is done once, and waits for it briefly."""

    async def submit(self, new: NewJob, within_s: float) -> Job:
        """Write a job, wait a little, and return it as it is then."""
        ...

    async def count_for_recipient(self, kind: str, phone: str) -> int:
        """Return how many jobs of a kind a person got in the last 24 hours."""
        ...

    async def count_for_caller(self, kind: str, caller: str) -> int:
        """Return how many jobs of a kind somebody's calls gave in the last 24 hours.

        All callers without a number are one, with an empty ``caller``.
        """
        ...


class JobPurge(JobQueue, Protocol):
    """What housekeeping needs of the jobs."""

    async def purge(self, before: datetime, given_up_before: datetime) -> int:
        """Delete what was done before a time, and what was given up before another."""
        ...

    async def forget_words(self, before: datetime, kinds: Collection[str] = ()) -> int:
        """Leave of what was given up before a time only the outcome; of ``kinds``, or of all."""
        ...


class JobList(JobLookup, Protocol):
    """The jobs as operators see them."""

    async def page(
        self,
        *,
        states: Collection[JobState] = (),
        kind: str = "",
        after: ListPosition | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Return the newest first."""
        ...

    async def revive(self, job_id: str) -> bool:
        """Try a dead or unknown job again; False if it is neither, or its words are forgotten."""
        ...
