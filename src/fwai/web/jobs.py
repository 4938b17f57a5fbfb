"""Routes of background jobs: list, read, retry, and replay of undelivered events."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from fwai.domain.call_event import format_utc
from fwai.domain.job import EVENT, HOUSEKEEPING, Job, JobState
from fwai.http.problem import ProblemError
from fwai.interfaces.jobs import ListPosition
from fwai.web import paging
from fwai.web.errors import conflict, not_found, problem_responses
from fwai.web.models import JobBody, JobPage, Replayed, ReplayRequest
from fwai.web.responses import json_response
from fwai.web.services import ApiServices
from fwai.web.values import is_safe_id

MAX_REPLAYED: Final = 1_000


def add(api: APIRouter, services: ApiServices) -> None:
    """Add the routes."""

    @api.get(
        "/jobs",
        tags=["jobs"],
        summary="List work",
        response_model=JobPage,
        responses=problem_responses(),
    )
    async def listed(
        status: Annotated[list[JobState], Query(description="One or several.")] = [],  # noqa: B006
        kind: Annotated[str, Query(pattern=r"^[a-z_]{0,40}$")] = "",
        limit: paging.Limit = paging.DEFAULT_PAGE,
        cursor: paging.Cursor = "",
    ) -> Response:
        """Return work, the newest first. `dead` and `unknown` wait for an operator."""
        found = await services.jobs.page(
            states=status, kind=kind, after=paging.decode_position(cursor), limit=limit + 1
        )
        return json_response(paging.page("jobs", found, limit, _to_json, _position))

    @api.get(
        "/jobs/{job_id}",
        tags=["jobs"],
        summary="One piece of work",
        response_model=JobBody,
        responses=problem_responses(404),
    )
    async def one(job_id: str) -> Response:
        return json_response(_to_json(await _get_job(services, job_id)))

    @api.post(
        "/jobs/{job_id}/retry",
        tags=["jobs"],
        summary="Try dead or unknown work again",
        response_model=JobBody,
        responses=problem_responses(404, 409, 413, 415),
    )
    async def retry(job_id: str) -> Response:
        """Try again from the start. Unknown work may have been done: it could be done twice.

        After 30 days only the outcome is kept, and there is nothing to try.
        """
        job = await _get_job(services, job_id)
        if not await services.jobs.revive(job.id):
            raise _not_revivable(job)
        return json_response(_to_json(await _get_job(services, job_id)))

    @api.post(
        "/events/replay",
        tags=["jobs"],
        summary="Deliver dead events again",
        response_model=Replayed,
        responses=problem_responses(400, 413, 415),
    )
    async def replay(body: ReplayRequest | None = None) -> Response:
        """Try to deliver every event again that was given up."""
        since = body.since if body is not None else None
        dead = await _dead_events(services, since)
        revived = [await services.jobs.revive(job.id) for job in dead[:MAX_REPLAYED]]
        return json_response({"replayed": sum(revived), "more": len(dead) > MAX_REPLAYED})


async def _get_job(services: ApiServices, job_id: str) -> Job:
    job = await services.jobs.get(job_id) if is_safe_id(job_id) else None
    if job is None:
        raise not_found("job")
    return job


def _not_revivable(job: Job) -> ProblemError:
    if job.state in (JobState.DEAD, JobState.UNKNOWN):
        detail = "Only its outcome is kept by now; ask anew for what it was to do."
        return conflict("only-outcome", "Only the outcome is kept", detail)
    detail = f"The job is {job.state.value}; only dead and unknown ones are tried again."
    return conflict("not-dead", "Not dead", detail)


async def _dead_events(services: ApiServices, since: datetime | None) -> list[Job]:
    """Return the newest dead events, at most one more than are replayed."""
    dead: list[Job] = []
    after: ListPosition | None = None
    while len(dead) <= MAX_REPLAYED:
        found = await services.jobs.page(
            states=[JobState.DEAD], kind=EVENT, after=after, limit=paging.MAX_PAGE
        )
        fitting = [job for job in found if since is None or job.created_at >= since]
        dead += fitting
        if len(fitting) < paging.MAX_PAGE:
            break
        after = _position(found[-1])
    return dead


def _to_json(job: Job) -> Mapping[str, Any]:
    return {
        "job_id": job.id,
        "kind": job.kind,
        "status": job.state.value,
        "run_at": format_utc(job.run_at),
        "attempts": job.attempts,
        "error": job.error,
        "result": _result(job),
        "call_id": job.call_id or None,
        "event_type": _event_type(job),
        "created_at": format_utc(job.created_at),
    }


def _event_type(job: Job) -> str | None:
    """Return the type of the event that a job delivers; the rest of its payload may be personal."""
    body = job.payload.get("body") if job.kind == EVENT else None
    kind = body.get("type") if isinstance(body, Mapping) else None
    return kind if isinstance(kind, str) else None


def _result(job: Job) -> Mapping[str, Any] | None:
    """Return what came of work that concerns nobody; what came of the rest may be personal."""
    return job.result if job.kind == HOUSEKEEPING else None


def _position(job: Job) -> ListPosition:
    return job.created_at, job.id
