"""The work of the server, and what an operator does about what failed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from fwai.domain.call_event import stamp
from fwai.domain.job import EVENT, Job, JobState
from fwai.interfaces.jobs import ListPosition
from fwai.web import paging
from fwai.web.errors import conflict, problems, unknown
from fwai.web.models import JobBody, JobPage, Replayed, ReplayRequest
from fwai.web.responses import answer
from fwai.web.services import ApiServices
from fwai.web.values import safe_id

MAX_REPLAYED: Final = 1_000


def add(api: APIRouter, services: ApiServices) -> None:
    """Add the routes."""

    @api.get(
        "/jobs",
        tags=["jobs"],
        summary="List work",
        response_model=JobPage,
        responses=problems(),
    )
    async def listed(
        status: Annotated[list[JobState], Query(description="One or several.")] = [],  # noqa: B006
        kind: Annotated[str, Query(pattern=r"^[a-z_]{0,40}$")] = "",
        limit: paging.Limit = paging.USUAL,
        cursor: paging.Cursor = "",
    ) -> Response:
        """Return work, the newest first. `dead` and `unknown` wait for an operator."""
        found = await services.jobs.page(
            states=status, kind=kind, after=paging.place_of(cursor), limit=limit + 1
        )
        return answer(paging.page("jobs", found, limit, _shown, _place_in_list))

    @api.get(
        "/jobs/{job_id}",
        tags=["jobs"],
        summary="One piece of work",
        response_model=JobBody,
        responses=problems(404),
    )
    async def one(job_id: str) -> Response:
        return answer(_shown(await _known(services, job_id)))

    @api.post(
        "/jobs/{job_id}/retry",
        tags=["jobs"],
        summary="Try dead or unknown work again",
        response_model=JobBody,
        responses=problems(404, 409, 413, 415),
    )
    async def retry(job_id: str) -> Response:
        """Try again from the start. Unknown work may have been done: it could be done twice."""
        job = await _known(services, job_id)
        if not await services.jobs.revive(job.id):
            detail = f"The job is {job.state.value}; only dead and unknown ones are tried again."
            raise conflict("not-dead", "Not dead", detail)
        return answer(_shown(await _known(services, job_id)))

    @api.post(
        "/events/replay",
        tags=["jobs"],
        summary="Deliver dead events again",
        response_model=Replayed,
        responses=problems(400, 413, 415),
    )
    async def replay(body: ReplayRequest | None = None) -> Response:
        """Try to deliver every event again that was given up."""
        since = body.since if body is not None else None
        dead = await _dead_events(services, since)
        revived = [await services.jobs.revive(job.id) for job in dead[:MAX_REPLAYED]]
        return answer({"replayed": sum(revived), "more": len(dead) > MAX_REPLAYED})


async def _known(services: ApiServices, job_id: str) -> Job:
    job = await services.jobs.get(job_id) if safe_id(job_id) else None
    if job is None:
        raise unknown("job")
    return job


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
        after = _place_in_list(found[-1])
    return dead


def _shown(job: Job) -> Mapping[str, Any]:
    return {
        "job_id": job.id,
        "kind": job.kind,
        "status": job.state.value,
        "run_at": stamp(job.run_at),
        "attempts": job.attempts,
        "error": job.error,
        "call_id": job.call_id or None,
        "event_type": _event_type(job),
        "created_at": stamp(job.created_at),
    }


def _event_type(job: Job) -> str | None:
    """Return what an event tells of; everything else a job holds may be personal."""
    body = job.payload.get("body") if job.kind == EVENT else None
    kind = body.get("type") if isinstance(body, Mapping) else None
    return kind if isinstance(kind, str) else None


def _place_in_list(job: Job) -> ListPosition:
    return job.created_at, job.id
