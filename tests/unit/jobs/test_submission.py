"""Work that somebody waits for."""

from datetime import UTC, datetime

import pytest

from fwai.domain.job import Job, JobState, NewJob
from fwai.errors import StoreError
from fwai.interfaces.jobs import JobLookup
from fwai.jobs.submission import JobSubmission
from unit.jobs.kit import PHONE, T0, MemoryJobs
from unit.store.kit import Clock

NEW = NewJob("send_sms", "send_sms:c-1:x", phone=PHONE)


class Patient:
    """Settles whatever is waited for, or cannot look."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.waited: list[float] = []

    async def wait(self, jobs: JobLookup, job: Job, within_s: float) -> Job:
        self.waited.append(within_s)
        if self.fault is not None:
            raise self.fault
        return Job(**{**{f: getattr(job, f) for f in job.__slots__}, "state": JobState.DONE})


@pytest.fixture
def queue() -> MemoryJobs:
    clock = Clock()
    clock.now = T0
    return MemoryJobs(clock)


async def test_a_job_is_written_and_waited_for(queue: MemoryJobs) -> None:
    worker = Patient()

    job = await JobSubmission(queue, worker).submit(NEW, 8.0)

    assert (job.key, job.state, worker.waited) == (NEW.key, JobState.DONE, [8.0])


async def test_a_job_that_was_given_before_is_the_same_and_not_waited_for_when_it_is_over(
    queue: MemoryJobs,
) -> None:
    worker = Patient()
    submission = JobSubmission(queue, worker)
    first = await submission.submit(NEW, 8.0)
    queue.rows[first.id] = first

    again = await submission.submit(NEW, 8.0)

    assert again == first
    assert len(worker.waited) == 1


async def test_a_job_that_was_written_is_not_called_lost_when_it_cannot_be_watched(
    queue: MemoryJobs,
) -> None:
    job = await JobSubmission(queue, Patient(StoreError("disk"))).submit(NEW, 8.0)

    assert job.state is JobState.WAITING


async def test_a_job_that_cannot_be_written_is_an_error(queue: MemoryJobs) -> None:
    async def sick(new: NewJob) -> Job:
        raise StoreError("disk")

    queue.enqueue = sick  # type: ignore[method-assign]

    with pytest.raises(StoreError):
        await JobSubmission(queue, Patient()).submit(NEW, 8.0)


async def test_what_one_caller_asked_for_is_counted_for_a_day() -> None:
    queue = MemoryJobs(lambda: datetime.now(UTC))
    submission = JobSubmission(queue, Patient())
    queue.callers = {"c-1": PHONE, "c-2": ""}
    for number, call_id in enumerate(("c-1", "c-1", "c-2", "")):
        await queue.enqueue(NewJob("send_sms", f"k{number}", call_id=call_id))

    assert await submission.count_for_caller("send_sms", PHONE) == 2
    assert await submission.count_for_caller("send_sms", "") == 1
    assert await submission.count_for_caller("send_email", PHONE) == 0
