"""Dial clean-up: closes calls whose dial job, or whose process, came to nothing.

Most dial jobs close their call themselves; not one that failed too often, was cut off, or killed
its process again and again. A promise to call back whose job came to nothing is tried anew, until
its time has gone by and that can be told.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from fwai.calls.dialer import GRACE_S, promised_at
from fwai.domain.job import CALLBACK, DIAL, WATCH_CALL, Job, JobState, NewJob
from fwai.domain.record import CallRecord

ANEW_S: Final = 60.0


def close_call_job(job: Job, at: datetime) -> NewJob:
    """Return the job that closes the call of a dial job, if nobody carries it by then."""
    call_id = job.call_id  # a job that is over keeps no payload
    return NewJob(
        WATCH_CALL,
        f"{WATCH_CALL}:{call_id}:{job.id}",
        {"call_id": call_id},
        run_at=at,
        call_id=call_id,
        phone=job.phone,
    )


def _callback_anew(job: Job, at: datetime) -> NewJob:
    """Return a job that does what a callback's job did not; it makes the same call."""
    number = job.key.rpartition(":")[2]
    return NewJob(
        CALLBACK,
        f"{CALLBACK}_anew:{job.id}:{number}",
        {"callback_id": job.payload["callback_id"], "due": promised_at(job).isoformat()},
        run_at=at,
        call_id=job.call_id,
        phone=job.phone,
    )


def dial_cleanup_jobs(
    ring_s: float, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Callable[[Job, JobState], Sequence[NewJob]]:
    """Return what names the jobs that follow a job's reaching a state, for ``Jobs.follows``.

    Args:
        ring_s: How long a call rings: one of which nobody knows may ring until then.
        clock: The time now, aware.
    """
    given_up = (JobState.DEAD, JobState.UNKNOWN)
    patience = {JobState.DEAD: timedelta(0), JobState.UNKNOWN: timedelta(seconds=ring_s + GRACE_S)}

    def follow(job: Job, state: JobState) -> Sequence[NewJob]:
        if job.kind == CALLBACK and state in given_up:
            return [_callback_anew(job, clock() + timedelta(seconds=ANEW_S))]
        if job.kind != DIAL or state not in patience:
            return ()
        return [close_call_job(job, clock() + patience[state])]

    return follow


def adopted_call_jobs(
    ring_s: float, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Callable[[CallRecord, Job | None], Sequence[NewJob]]:
    """Return what names the jobs about a call that dialled or rang when its process died.

    One that was never heard of is left to its dial job, if that still waits; any other is watched:
    its news may come to us, or never.

    Args:
        ring_s: How long a call rings.
        clock: The time now, aware.
    """

    def watch(record: CallRecord, dial: Job | None) -> Sequence[NewJob]:
        call = record.call
        settled = dial is not None and dial.state.final
        if not call.provider_call_id and not settled:
            return ()
        return [
            NewJob(
                WATCH_CALL,
                f"{WATCH_CALL}:{call.id}",
                {"call_id": call.id},
                run_at=max(record.written_at, clock()) + timedelta(seconds=ring_s + GRACE_S),
                call_id=call.id,
                phone=call.caller,
            )
        ]

    return watch
