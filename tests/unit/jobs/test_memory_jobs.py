"""The queue in memory does what the store does: else the tests of the worker prove nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fwai.domain.job import Dead, Done, Dropped, JobOutcome, NewJob, Postpone, Retry, Unknown
from fwai.store.jobs import Jobs
from unit.jobs.kit import MemoryJobs
from unit.store.kit import Clock, a_database, at, jobs_in, sqlite_url
from unit.store.kit import proven as proven_in

OUTCOMES: list[JobOutcome] = [
    Done({"a": 1}, "m-1"),
    Retry("no"),
    Retry("no", after_s=7.0),
    Postpone(at(500), "not now"),
    Postpone(at(500), "not now", begun=True),
    Dead("never"),
    Unknown("who knows"),
    Dropped("not wanted"),
]


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[tuple[Clock, Jobs]]:
    clock = Clock()
    async with a_database(sqlite_url(tmp_path)) as database:
        yield clock, jobs_in(database, clock)


async def story(jobs: Jobs | MemoryJobs, clock: Clock, outcome: JobOutcome, key: str) -> object:
    """Return everything one can see of a job that is leased, begun and settled twice over."""
    await jobs.enqueue(NewJob("sms", key))
    again = await jobs.enqueue(NewJob("email", key))
    await jobs.enqueue(NewJob("other", f"{key}:other"))
    (job,) = await jobs.lease(5, ["sms"])
    begun = await jobs.begin(job)
    lost = await jobs.get(job.id)
    assert lost is not None
    clock.move(121)
    (second,) = await jobs.lease(5, ["sms"])
    fenced = (await jobs.begin(job), await jobs.settle(job, Done()))
    state = await jobs.settle(second, outcome)
    end = await jobs.get(job.id)
    next_at = await jobs.next_at(["sms"])
    proven = await (
        jobs.proven(job.id, "m-9")
        if isinstance(jobs, MemoryJobs)
        else proven_in(jobs, job.id, "m-9")
    )
    assert end is not None
    return (
        again.kind,
        begun,
        lost.begun_at,
        second.attempts,
        second.begun_at,
        fenced,
        state,
        (end.state, end.attempts, end.begun_at, end.finished_at, end.ref, end.error),
        next_at,
        proven,
    )


@pytest.mark.parametrize("outcome", OUTCOMES, ids=repr)
async def test_both_tell_the_same_story(kept: tuple[Clock, Jobs], outcome: JobOutcome) -> None:
    clock, jobs = kept
    other_clock = Clock()

    told = await story(jobs, clock, outcome, "k")

    assert told == await story(MemoryJobs(other_clock), other_clock, outcome, "k")
