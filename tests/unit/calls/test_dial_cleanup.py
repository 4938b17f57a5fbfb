"""No call stays open whose dial job came to nothing."""

import pytest

from fwai.calls.dial_cleanup import dial_cleanup_jobs
from fwai.calls.dialer import GRACE_S
from fwai.domain.job import JobState
from unit.jobs.kit import PHONE, T0, a_job
from unit.store.kit import Clock

RING_S = 45
DIALS = a_job("dial", payload={"call_id": "c-1"}, call_id="c-1", phone=PHONE)


def clock() -> Clock:
    clock = Clock()
    clock.now = T0
    return clock


@pytest.mark.parametrize(
    ("state", "due_s"), [(JobState.DEAD, 0.0), (JobState.UNKNOWN, RING_S + GRACE_S)]
)
def test_a_call_is_closed_after_a_dial_job_that_ended_badly(state: JobState, due_s: float) -> None:
    time = clock()

    (job,) = dial_cleanup_jobs(RING_S, time)(DIALS, state)

    assert (job.kind, job.key) == ("watch_call", "watch_call:c-1:job_1")
    assert job.run_at == time.move(due_s)
    assert (job.payload, job.call_id, job.phone) == ({"call_id": "c-1"}, "c-1", PHONE)


@pytest.mark.parametrize("state", [JobState.DONE, JobState.WAITING, JobState.CANCELED])
def test_nothing_follows_what_ended_well_or_goes_on(state: JobState) -> None:
    assert dial_cleanup_jobs(RING_S, clock())(DIALS, state) == ()


def test_other_jobs_may_die_without_consequence() -> None:
    assert dial_cleanup_jobs(RING_S, clock())(a_job("send_sms"), JobState.DEAD) == ()
