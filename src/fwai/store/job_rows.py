"""A job as its row holds it."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping

from fwai.domain.job import Job, JobState

MAX_ERROR: Final = 300
ONLY_OUTCOME: Final[dict[str, Any]] = {"payload": {}}
"""Written into a job that is not to be done any more: nothing of what it was about stays."""


def finished(state: JobState, why: str | None, now: datetime) -> dict[str, Any]:
    """Return what a job's row holds once nothing more is to be done."""
    error = why[:MAX_ERROR] if why else None
    return {"state": state.value, "next_at": None, "finished_at": now, "error": error}


def waiting(at: datetime, why: str, attempts: int) -> dict[str, Any]:
    """Return what a job's row holds while it waits for another try."""
    # Nothing happened in this attempt: the next one begins afresh.
    return {
        "state": JobState.WAITING.value,
        "next_at": at,
        "attempts": attempts,
        "error": why[:MAX_ERROR] or None,
        "begun_at": None,
    }


def stored_job(row: RowMapping) -> Job:
    """Return the job of a row."""
    return Job(
        id=row["id"],
        kind=row["kind"],
        key=row["key"],
        payload=row["payload"],
        state=JobState(row["state"]),
        run_at=row["run_at"],
        attempts=row["attempts"],
        created_at=row["created_at"],
        begun_at=row["begun_at"],
        finished_at=row["finished_at"],
        call_id=row["call_id"],
        phone=row["phone"],
        ref=row["ref"],
        result=row["result"],
        error=row["error"],
        confirmation=row["confirmation"],
    )
