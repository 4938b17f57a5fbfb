"""No call stays open whose dial job, or whose process, came to nothing."""

from dataclasses import replace

import pytest

from fakes import CALL, a_record
from fwai.calls.dial_cleanup import adopted_call_jobs, dial_cleanup_jobs
from fwai.calls.dialer import GRACE_S
from fwai.domain.call import CallState
from fwai.domain.job import JobState
from fwai.domain.record import CallRecord
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


def rang(provider_call_id: str = "p-1") -> CallRecord:
    call = replace(CALL, provider_call_id=provider_call_id, caller=PHONE)
    return replace(a_record(call, CallState.RINGING), written_at=T0)


def test_an_adopted_call_is_watched_for_as_long_as_it_may_ring() -> None:
    time = clock()
    time.move(20)

    (job,) = adopted_call_jobs(RING_S, time)(rang(), None)

    assert (job.key, job.phone) == (f"watch_call:{CALL.id}", PHONE)
    assert job.run_at == time.move(RING_S + GRACE_S), "its news are told again only now"


@pytest.mark.parametrize(("state", "watched"), [(JobState.UNKNOWN, 1), (JobState.RUNNING, 0)])
def test_an_adopted_call_of_which_nobody_knows_is_watched_when_no_job_will_end_it(
    state: JobState, watched: int
) -> None:
    """The provider did not answer, and the server crashed while it waited for news."""
    dial = a_job("dial", state=state)

    assert len(adopted_call_jobs(RING_S, clock())(rang(""), dial)) == watched
