"""Once a day: forgets what was done and need not be known any more, and removes what is too old."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from fwai.domain.job import (
    ASK_CALL_PERMISSION,
    HOUSEKEEPING,
    REPLACE_WHATSAPP,
    SEND_EMAIL,
    SEND_SMS,
    SEND_WHATSAPP,
    Begin,
    Done,
    Job,
    JobOutcome,
    NewJob,
    Postpone,
)
from fwai.interfaces.jobs import JobPurge
from fwai.interfaces.keeping import Expiry
from fwai.interfaces.messages import SentMessagePurge
from fwai.interfaces.nonces import NoncePurge
from fwai.interfaces.store import IdempotencyPurge, InstancePurge
from fwai.jobs.clock_watch import ClockWatch

JOBS_KEPT: Final = timedelta(days=7)
REVIVABLE: Final = timedelta(days=30)
"""How long what was given up can be tried again; then only its outcome stays."""
GIVEN_UP_KEPT: Final = timedelta(days=90)
UNSAID_KEPT: Final = timedelta(days=1)
"""How long a given-up message can be tried again where no words are kept."""
REQUESTS_KEPT: Final = timedelta(days=1)
NONCES_KEPT: Final = timedelta(days=30)
MESSAGES_KEPT: Final = timedelta(days=8)  # Meta repeats a report for seven days
FALLBACKS_KEPT: Final = timedelta(hours=48)  # of a text that nobody says anything of

MESSAGES: Final = (
    SEND_SMS,
    SEND_EMAIL,
    SEND_WHATSAPP,
    REPLACE_WHATSAPP,
    ASK_CALL_PERMISSION,
)

# Both together, and what the rest takes, are below the longest that a job may take.
REMOVE_S: Final = 40.0
LOOK_AGAIN_S: Final = 30.0
GO_ON_AFTER: Final = timedelta(minutes=1)

_log = structlog.get_logger()


class Housekeeping:
    """Handles the job of the day, which writes the next one.

    Args:
        jobs: Those whose outcome, and those whose words, need not be known any more.
        requests: Idempotency-Keys.
        instances: Processes that are over.
        messages: How messages fare.
        expiry: Calls, recordings and people.
        watch: Nothing is removed by a clock that is in doubt.
        nonces: Of signed webhooks.
        keep_words: Words of calls are kept at all.
        clock: The time now, aware.
    """

    def __init__(
        self,
        jobs: JobPurge,
        requests: IdempotencyPurge,
        instances: InstancePurge,
        messages: SentMessagePurge,
        expiry: Expiry,
        watch: ClockWatch,
        *,
        nonces: NoncePurge,
        keep_words: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._jobs = jobs
        self._requests = requests
        self._instances = instances
        self._messages = messages
        self._expiry = expiry
        self._watch = watch
        self._nonces = nonces
        self._keep_words = keep_words
        self._clock = clock

    async def __call__(self, job: Job, begin: Begin) -> JobOutcome:  # noqa: ARG002 - repeatable
        """Tidy up, and tell how much is gone."""
        if why := await self._watch.doubt():
            _log.warning("nothing_removed", reason=why)
            # The time it was written for is one to be believed: it is due until the clock is
            # right. So that it does not turn in a circle until then, it waits here.
            await asyncio.sleep(LOOK_AGAIN_S)
            return Postpone(job.run_at, why)
        now = self._clock()
        # First: whatever becomes of this day, there is a next one.
        await self._jobs.enqueue(self.next(now + timedelta(days=1)))
        rows = await self._jobs.purge(now - JOBS_KEPT, now - GIVEN_UP_KEPT)
        rows += await self._requests.purge(now - REQUESTS_KEPT)
        rows += await self._nonces.purge(now - NONCES_KEPT)
        rows += await self._instances.purge()
        rows += await self._messages.forget_old(now - MESSAGES_KEPT, now - FALLBACKS_KEPT)
        words = await self._forget_words(now)
        removed = await self._expiry.expire(now, REMOVE_S)
        if removed.more:
            await self._jobs.enqueue(self.go_on(now + GO_ON_AFTER))
        return Done({"rows": rows, "jobs_without_words": words, **removed.counts()})

    async def _forget_words(self, now: datetime) -> int:
        words_end = await self._expiry.words_end(now)
        end = now - REVIVABLE if words_end is None else max(now - REVIVABLE, words_end)
        words = await self._jobs.forget_words(end)
        if not self._keep_words:
            words += await self._jobs.forget_words(now - UNSAID_KEPT, MESSAGES)
        return words

    @staticmethod
    def next(at: datetime) -> NewJob:
        """Return the job of a day; a second one of the same day is the same."""
        day = f"{at:%Y-%m-%d}"
        return NewJob(HOUSEKEEPING, f"{HOUSEKEEPING}:{day}", {"day": day}, run_at=at)

    @staticmethod
    def go_on(at: datetime) -> NewJob:
        """Return the job that does what a day's first one had no time for."""
        moment = f"{at:%Y-%m-%dT%H:%M}"
        return NewJob(HOUSEKEEPING, f"{HOUSEKEEPING}:{moment}", {"day": moment}, run_at=at)
