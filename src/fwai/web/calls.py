"""Routes of calls: place one, list, read."""

from datetime import UTC
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from fwai.domain.call import CallId, CallState, Direction
from fwai.domain.call_event import call_data, call_summary, format_utc
from fwai.domain.outbound import CallRequest
from fwai.domain.record import CallRecord
from fwai.web import paging
from fwai.web.call_models import CallAccepted, CallData, CallPage, NewCall
from fwai.web.errors import not_found, problem_responses
from fwai.web.idempotency import Idempotency, Key, KeyUse, Reply
from fwai.web.responses import json_response
from fwai.web.services import ApiServices
from fwai.web.values import is_safe_id, parse_asked_phone, parse_moment

CallPath = Annotated[str, Path(description="As `call_id` in answers and events.")]


def add(api: APIRouter, services: ApiServices, idempotency: Idempotency) -> None:
    """Add the routes."""
    zone = services.rules.zone

    @api.post(
        "/calls",
        tags=["calls"],
        summary="Place a call",
        status_code=202,
        response_model=CallAccepted,
        responses=problem_responses(400, 409, 413, 415),
    )
    async def place(body: NewCall, request: Request, idempotency_key: Key = None) -> Response:
        """Accept a call; it is dialled at once, or when the calling hours and `not_before` allow.

        Whatever becomes of it is told by the event `call.ended`, and here.
        """

        async def work(use: KeyUse) -> Reply:
            return await _place_call(services, body, use)

        asked = body.model_dump(mode="json") if idempotency_key is not None else None
        return await idempotency.run_once(request, idempotency_key, "calls", asked, work)

    @api.get(
        "/calls",
        tags=["calls"],
        summary="List calls",
        response_model=CallPage,
        responses=problem_responses(),
    )
    async def listed(
        status: Annotated[list[CallState], Query(description="One or several.")] = [],  # noqa: B006
        provider: Annotated[str, Query(pattern=r"^[a-z]{0,32}$")] = "",
        phone: Annotated[str, Query(description="Of the person, whoever dialled.")] = "",
        direction: Direction | None = None,
        from_: Annotated[str, Query(alias="from", description="A moment, or a day.")] = "",
        to: Annotated[str, Query(description="A moment, not included; or a day, included.")] = "",
        limit: paging.Limit = paging.DEFAULT_PAGE,
        cursor: paging.Cursor = "",
    ) -> Response:
        """Return calls, the newest first."""
        after = paging.decode_position(cursor)
        asked = parse_asked_phone(phone)
        found = await services.calls.page(
            states=status,
            provider=provider,
            phone=asked.number,
            direction=direction,
            created_from=parse_moment(from_, "from", zone) if from_ else None,
            created_to=parse_moment(to, "to", zone, end=True) if to else None,
            after=None if after is None else (after[0], CallId(after[1])),
            limit=limit + 1,
        )
        asked.require(found, cursor)
        return json_response(paging.page("calls", found, limit, call_summary, _position))

    @api.get(
        "/calls/{call_id}",
        tags=["calls"],
        summary="One call, with what was said and done",
        response_model=CallData,
        responses=problem_responses(404),
    )
    async def one(call_id: CallPath) -> Response:
        record = await get_call(services, call_id)
        turns = await services.calls.turns(record.call.id)
        tools = await services.calls.tool_calls(record.call.id)
        return json_response(call_data(record, turns, tools))


async def get_call(services: ApiServices, call_id: str) -> CallRecord:
    """Load the record of a call.

    Raises:
        ProblemError: 404, there is no call of this id.
    """
    record = await services.calls.get(CallId(call_id)) if is_safe_id(call_id) else None
    if record is None:
        raise not_found("call")
    return record


def _position(record: CallRecord) -> Any:  # noqa: ANN401
    return record.created_at, record.call.id


async def _place_call(services: ApiServices, body: NewCall, use: KeyUse) -> Reply:
    # Made of the use of the key: worked on again after a crash, it is the same call.
    call_id = f"{use.at.astimezone(services.rules.zone):%Y%m%d}-{use.name()}" if use.id else ""
    accepted = await services.place(
        CallRequest(
            to=body.to,
            provider=body.provider,
            agent=body.agent,
            context=body.context,
            webhook_url=body.webhook_url,
            not_before=body.not_before,
            call_id=CallId(call_id),
        )
    )
    call, status = accepted.call, accepted.state
    if not accepted.new:
        record = await services.calls.get(call.id)
        status = status if record is None else record.state
    shown = {
        "call_id": call.id,
        "status": status.value,
        "provider": call.provider,
        "due_at": format_utc(accepted.due_at.astimezone(UTC)),
    }
    return Reply(shown, 202, f"/api/calls/{call.id}")
