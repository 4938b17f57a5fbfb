"""Dial clean-up: closes calls whose dial job, or whose process, came to nothing.

Most dial jobs close their call themselves; not one that failed too often, was cut off, or killed
its process again and again.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from fwai.calls.dialer import GRACE_S
from fwai.domain.job import DIAL, WATCH_CALL, Job, JobState, NewJob
from fwai.domain.record import CallRecord


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


def dial_cleanup_jobs(
    ring_s: float, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Callable[[Job, JobState], Sequence[NewJob]]:
    """Return what names the jobs that follow a job's reaching a state, for ``Jobs.follows``.

    Args:
        ring_s: How long a call rings: one of which nobody knows may ring until then.
        clock: The time now, aware.
    """
    patience = {JobState.DEAD: timedelta(0), JobState.UNKNOWN: timedelta(seconds=ring_s + GRACE_S)}

    def follow(job: Job, state: JobState) -> Sequence[NewJob]:
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
