"""What the tests of jobs share: a queue in memory on the loop's clock, calls, and handlers."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

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
from fwai.errors import StoreError

T0 = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)  # 09:30 in India
PHONE = "+919999900001"
LEASE_S = 120.0
_FINAL: Mapping[type, JobState] = {
    Done: JobState.DONE,
    Dead: JobState.DEAD,
    Unknown: JobState.UNKNOWN,
    Dropped: JobState.CANCELED,
}


def loop_clock() -> Callable[[], datetime]:
    """Return a clock that begins at `T0` and goes with the running loop's time."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    return lambda: T0 + timedelta(seconds=loop.time() - began)


async def no_mark() -> None:
    """Begin what needs no mark."""


class Begun:
    """A mark that counts how often it was set."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> None:
        self.times += 1


def a_job(kind: str = "sms", **facts: Any) -> Job:  # noqa: ANN401 - fields of a job
    fields: dict[str, Any] = {
        "id": "job_1",
        "kind": kind,
        "key": f"{kind}:1",
        "payload": {},
        "state": JobState.RUNNING,
        "run_at": T0,
        "attempts": 1,
        "created_at": T0,
    }
    return Job(**(fields | facts))


class MemoryJobs:
    """What the store does for a worker, in memory; `test_memory_jobs` holds it to the store.

    Attributes:
        sick: How many of the next requests fail.
        asked: How often it was asked for work.
        callers: Who called, by call.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.rows: dict[str, Job] = {}
        self.next: dict[str, datetime | None] = {}
        self.on_new: Callable[[datetime | None], None] = lambda _: None
        self.sick = 0
        self.asked = 0
        self.callers: dict[str, str] = {}

    async def enqueue(self, new: NewJob) -> Job:
        known = [job for job in self.rows.values() if job.key == new.key]
        if known:
            return known[0]
        now = self._clock()
        run_at = new.run_at or now
        job = Job(
            f"job_{len(self.rows) + 1}",
            new.kind,
            new.key,
            new.payload,
            JobState.WAITING,
            run_at,
            0,
            now,
            call_id=new.call_id,
            phone=new.phone,
        )
        self.rows[job.id] = job
        self.next[job.id] = run_at
        self.on_new(new.run_at)
        return job

    async def count(self, kind: str, phone: str, since: datetime) -> int:
        return sum(
            (job.kind, job.phone) == (kind, phone) and job.created_at >= since
            for job in self.rows.values()
        )

    async def count_asked(self, kind: str, caller: str, since: datetime) -> int:
        return sum(
            (job.kind, self.callers.get(job.call_id)) == (kind, caller) and job.created_at >= since
            for job in self.rows.values()
        )

    async def lease(self, most: int, kinds: Collection[str]) -> list[Job]:
        self.asked += 1
        self._fail()
        await asyncio.sleep(0)  # as a database: others run meanwhile
        now = self._clock()
        due = sorted(
            (at, job_id)
            for job_id, at in self.next.items()
            if at is not None and at <= now and self.rows[job_id].kind in kinds
        )
        taken = []
        for _, job_id in due[:most]:
            job = self.rows[job_id]
            job = replace(job, state=JobState.RUNNING, attempts=job.attempts + 1)
            self.rows[job_id] = job
            self.next[job_id] = now + timedelta(seconds=LEASE_S)
            taken.append(job)
        return taken

    async def begin(self, job: Job) -> bool:
        self._fail()
        if not self._ours(job):
            return False
        self.rows[job.id] = replace(self.rows[job.id], begun_at=self._clock())
        return True

    async def settle(self, job: Job, outcome: JobOutcome) -> JobState | None:
        self._fail()
        await asyncio.sleep(0)
        if not self._ours(job):
            return None
        if isinstance(outcome, Retry) and (
            job.attempts < MAX_ATTEMPTS or outcome.after_s is not None
        ):
            gap = retry_delay_s(job.attempts, 0.5) if outcome.after_s is None else outcome.after_s
            return self._wait(job, job.attempts, self._clock() + timedelta(seconds=gap), outcome)
        if isinstance(outcome, Postpone):
            return self._wait(job, job.attempts - 1, outcome.run_at, outcome)
        state = _FINAL.get(type(outcome), JobState.DEAD)
        self.rows[job.id] = replace(
            self.rows[job.id],
            state=state,
            finished_at=self._clock(),
            ref=getattr(outcome, "ref", ""),
            result=getattr(outcome, "result", None),
            error=getattr(outcome, "why", "") or None,
        )
        self.next[job.id] = None
        return state

    async def next_at(self, kinds: Collection[str] | None = None) -> datetime | None:
        times = [
            at
            for job_id, at in self.next.items()
            if at is not None and (kinds is None or self.rows[job_id].kind in kinds)
        ]
        return min(times, default=None)

    async def get(self, job_id: str) -> Job | None:
        self._fail()
        return self.rows.get(job_id)

    async def proven(self, job_id: str, ref: str) -> bool:
        job = self.rows.get(job_id)
        settled = (JobState.DONE, JobState.DEAD, JobState.CANCELED)
        if job is None or job.begun_at is None or job.state in settled:
            return False
        self.rows[job_id] = replace(
            job, state=JobState.DONE, finished_at=self._clock(), ref=ref, error=None
        )
        self.next[job_id] = None
        return True

    def keys(self, kind: str) -> list[str]:
        return [job.key for job in self.rows.values() if job.kind == kind]

    def _wait(self, job: Job, attempts: int, at: datetime, outcome: Retry | Postpone) -> JobState:
        kept = job.begun_at if isinstance(outcome, Postpone) and outcome.begun else None
        self.rows[job.id] = replace(
            self.rows[job.id],
            state=JobState.WAITING,
            attempts=attempts,
            error=outcome.why or None,
            begun_at=kept,
        )
        self.next[job.id] = at
        return JobState.WAITING

    def _ours(self, job: Job) -> bool:
        kept = self.rows[job.id]
        return kept.state is JobState.RUNNING and kept.attempts == job.attempts

    def _fail(self) -> None:
        if self.sick:
            self.sick -= 1
            raise StoreError("database: disk I/O error")


Begin = Callable[[], Awaitable[None]]
