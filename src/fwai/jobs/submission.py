"""Submits jobs that somebody waits for, and counts those of a day."""

from datetime import UTC, datetime, timedelta

from fwai.domain.job import Job, NewJob
from fwai.errors import StoreError
from fwai.interfaces.jobs import CountingJobQueue, JobWaiter

DAY: timedelta = timedelta(days=1)


class JobSubmission:
    """Writes jobs and waits briefly for what comes of them. Implements ``JobSubmitter``."""

    def __init__(self, queue: CountingJobQueue, waiter: JobWaiter) -> None:
        self._queue = queue
        self._waiter = waiter

    async def submit(self, new: NewJob, within_s: float) -> Job:
        """Write a job and return it as it is when it is settled, or ``within_s`` later.

        The job of a key that is known already is waited for and returned in the same way.

        Raises:
            StoreError: The database failed; nothing will be done.
        """
        job = await self._queue.enqueue(new)
        if job.state.final:
            return job
        try:
            return await self._waiter.wait(self._queue, job, within_s)
        except StoreError:
            return job  # it is written and will be done; how it goes cannot be seen now

    async def count_for_recipient(self, kind: str, phone: str) -> int:
        """Return how many jobs of a kind a person got in the last 24 hours.

        Raises:
            StoreError: The database failed.
        """
        return await self._queue.count(kind, phone, datetime.now(UTC) - DAY)

    async def count_for_caller(self, kind: str, caller: str) -> int:
        """Return how many jobs of a kind somebody's calls gave in the last 24 hours.

        All callers without a number are one, with an empty ``caller``.

        Raises:
            StoreError: The database failed.
        """
        return await self._queue.count_asked(kind, caller, datetime.now(UTC) - DAY)
