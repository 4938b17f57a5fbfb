"""Wakes workers when jobs were written, and callers when the job they wait for is settled.

One object of a process, made before the store and the workers, so that both are given it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime

from fwai.domain.job import Job
from fwai.interfaces.jobs import JobLookup


class JobSignals:
    """Connects those who write jobs, those who run them and those who wait for them."""

    def __init__(self) -> None:
        self._wakes: list[tuple[Callable[[datetime | None], None], Collection[str] | None]] = []
        self._stops: list[Callable[[], None]] = []
        self._waiters: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)

    def subscribe(
        self,
        wake: Callable[[datetime | None], None],
        stop: Callable[[], None],
        kinds: Collection[str] | None = None,
    ) -> None:
        """Call ``wake`` whenever jobs were written, and ``stop`` at the end; neither may block.

        ``kinds`` are those that matter; None is all.
        """
        self._wakes.append((wake, kinds))
        self._stops.append(stop)

    def stop(self) -> None:
        """Let every worker end what it does and return."""
        for stop in self._stops:
            stop()

    def written(self, due_at: datetime | None = None, kinds: Collection[str] | None = None) -> None:
        """Jobs were committed, none of them due before ``due_at`` if it is given.

        They are all of ``kinds``, if those are known: each look at the database costs something.
        """
        for wake, wanted in self._wakes:
            if kinds is None or wanted is None or not set(kinds).isdisjoint(wanted):
                wake(due_at)

    def settled(self, job_id: str) -> None:
        """A job was settled or put off: those who wait for it look again."""
        for waiter in self._waiters.get(job_id, ()):
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, jobs: JobLookup, job: Job, within_s: float) -> Job:
        """Wait until a job is settled, at most ``within_s``, and return it as it is then.

        Raises:
            StoreError: The database failed.
        """
        settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiters[job.id]
        waiting.add(settled)
        try:
            now = await jobs.get(job.id)
            if now is not None and (now.state.final or (now.attempts and now.error)):
                return now
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await settled
        finally:
            waiting.discard(settled)
            if not waiting:
                self._waiters.pop(job.id, None)
        return await jobs.get(job.id) or job
