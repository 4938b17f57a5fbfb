"""Submits jobs that somebody waits for, and counts those of a day."""

import time
from datetime import UTC, datetime
from typing import Final

from fwai.domain.job import Job, NewJob
from fwai.domain.wall_clock import WallClock
from fwai.errors import StoreError
from fwai.interfaces.jobs import CountingJobQueue, JobWaiter

DAY_S: Final = 86_400.0


class JobSubmission:
    """Writes jobs and waits briefly for what comes of them. Implements ``JobSubmitter``.

    Args:
        queue: Where jobs are written and counted.
        waiter: Waits for them.
        wall: The clock that days are counted by; None is the system's. Setting it forward does not
            make a new day.
    """

    def __init__(
        self, queue: CountingJobQueue, waiter: JobWaiter, wall: WallClock | None = None
    ) -> None:
        self._queue = queue
        self._waiter = waiter
        self._wall = wall or WallClock(time.time, time.monotonic)

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
        return await self._queue.count(kind, phone, self._day_ago())

    async def count_for_caller(self, kind: str, caller: str) -> int:
        """Return how many jobs of a kind somebody's calls gave in the last 24 hours.

        All callers without a number are one, with an empty ``caller``.

        Raises:
            StoreError: The database failed.
        """
        return await self._queue.count_asked(kind, caller, self._day_ago())

    def _day_ago(self) -> datetime:
        return datetime.fromtimestamp(self._wall.before(DAY_S), UTC)
