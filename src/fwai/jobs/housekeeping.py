"""Once a day: forgets what was done and need not be known any more."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from fwai.domain.job import HOUSEKEEPING, Begin, Done, Job, JobOutcome, NewJob
from fwai.interfaces.jobs import JobPurge
from fwai.interfaces.messages import SentMessagePurge
from fwai.interfaces.store import IdempotencyPurge, InstancePurge

JOBS_KEPT: Final = timedelta(days=7)
GIVEN_UP_KEPT: Final = timedelta(days=30)  # for the operator to look at, or to try again
REQUESTS_KEPT: Final = timedelta(days=1)
MESSAGES_KEPT: Final = timedelta(days=8)  # Meta repeats a report for seven days
FALLBACKS_KEPT: Final = timedelta(hours=48)  # of a text that nobody says anything of


class Housekeeping:
    """Handles the job of the day, which writes the next one."""

    def __init__(
        self,
        jobs: JobPurge,
        requests: IdempotencyPurge,
        instances: InstancePurge,
        messages: SentMessagePurge,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._jobs = jobs
        self._requests = requests
        self._instances = instances
        self._messages = messages
        self._clock = clock

    async def __call__(self, job: Job, begin: Begin) -> JobOutcome:  # noqa: ARG002 - repeatable
        """Tidy up."""
        now = self._clock()
        gone = await self._jobs.purge(now - JOBS_KEPT, now - GIVEN_UP_KEPT)
        gone += await self._requests.purge(now - REQUESTS_KEPT)
        gone += await self._instances.purge()
        gone += await self._messages.forget_old(now - MESSAGES_KEPT, now - FALLBACKS_KEPT)
        await self._jobs.enqueue(self.next(now + timedelta(days=1)))
        return Done({"rows": gone})

    @staticmethod
    def next(at: datetime) -> NewJob:
        """Return the job of a day; a second one of the same day is the same."""
        return NewJob(HOUSEKEEPING, f"{HOUSEKEEPING}:{at:%Y-%m-%d}", run_at=at)
