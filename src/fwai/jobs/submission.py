"""Work that somebody waits for, a little: it is a job all the same."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from fwai.domain.job import Job, NewJob
from fwai.errors import StoreError

DAY: timedelta = timedelta(days=1)


class Queue(Protocol):
    """What is needed of the store; every method raises ``StoreError``."""

    async def enqueue(self, new: NewJob) -> Job:
        """Write a job, or return the one that has its key."""
        ...

    async def count(self, kind: str, phone: str, since: datetime) -> int:
        """Return how many jobs of a kind concern a person."""
        ...

    async def count_asked(self, kind: str, caller: str, since: datetime) -> int:
        """Return how many jobs of a kind the calls of one caller gave."""
        ...


class Waiter(Protocol):
    """Runs jobs."""

    async def done(self, job: Job, within_s: float) -> Job:
        """Wait until a job is settled, for a while, and return it as it is then."""
        ...


class JobSubmission:
    """Gives work to the worker and waits for what comes of it."""

    def __init__(self, queue: Queue, worker: Waiter) -> None:
        self._queue = queue
        self._worker = worker

    async def give(self, new: NewJob, within_s: float) -> Job:
        """Write a job and return it as it is when it is settled, or ``within_s`` later.

        The job of a key that is known already is waited for and returned in the same way.

        Raises:
            StoreError: The database failed; nothing will be done.
        """
        job = await self._queue.enqueue(new)
        if job.state.final:
            return job
        try:
            return await self._worker.done(job, within_s)
        except StoreError:
            return job  # it is written and will be done; how it goes cannot be seen now

    async def given(self, kind: str, phone: str) -> int:
        """Return how many jobs of a kind a person got in the last 24 hours.

        Raises:
            StoreError: The database failed.
        """
        return await self._queue.count(kind, phone, datetime.now(UTC) - DAY)

    async def asked(self, kind: str, caller: str) -> int:
        """Return how many jobs of a kind somebody's calls gave in the last 24 hours.

        All callers without a number are one, with an empty ``caller``.

        Raises:
            StoreError: The database failed.
        """
        return await self._queue.count_asked(kind, caller, datetime.now(UTC) - DAY)
