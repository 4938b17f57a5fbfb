"""Routes of scheduled callbacks: list, create, read, cancel."""

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from fwai.domain.call_event import format_utc
from fwai.domain.callback import Callback, CallbackState, NewCallback
from fwai.domain.field_faults import FieldFaults
from fwai.domain.spoken_time import SpokenTimeError, format_spoken_time, parse_spoken_time
from fwai.errors import FieldError, RefusedError
from fwai.web import paging
from fwai.web.errors import conflict, not_found, problem_responses
from fwai.web.idempotency import Idempotency, Key, KeyUse, Reply
from fwai.web.models import CallbackBody, CallbackPage, CallbackRequest
from fwai.web.responses import json_response
from fwai.web.services import ApiServices
from fwai.web.values import is_safe_id, parse_asked_phone, parse_moment, parse_phone


def add(api: APIRouter, services: ApiServices, idempotency: Idempotency) -> None:
    """Add the routes."""

    @api.get(
        "/callbacks",
        tags=["callbacks"],
        summary="List callbacks",
        response_model=CallbackPage,
        responses=problem_responses(),
    )
    async def listed(
        status: Annotated[list[CallbackState], Query(description="One or several.")] = [],  # noqa: B006
        phone: str = "",
        due_before: Annotated[str, Query(description="A moment, or a day, included.")] = "",
        limit: paging.Limit = paging.DEFAULT_PAGE,
        cursor: paging.Cursor = "",
    ) -> Response:
        """Return callbacks, the soonest first."""
        zone = services.rules.zone
        before = parse_moment(due_before, "due_before", zone, end=True) if due_before else None
        asked = parse_asked_phone(phone)
        found = await services.callbacks.page(
            states=status,
            phone=asked.number,
            due_before=before,
            after=paging.decode_position(cursor),
            limit=limit + 1,
        )
        asked.require(found, cursor)
        return json_response(paging.page("callbacks", found, limit, callback_json, _position))

    @api.post(
        "/callbacks",
        tags=["callbacks"],
        summary="Promise a callback",
        status_code=201,
        response_model=CallbackBody,
        responses=problem_responses(400, 409, 413, 415),
    )
    async def promise(
        body: CallbackRequest, request: Request, idempotency_key: Key = None
    ) -> Response:
        """Call somebody at a time inside the calling hours; the answer says which time it is."""

        async def work(use: KeyUse) -> Reply:
            callback, _ = await services.schedule(await _validated(services, body, use))
            return Reply(callback_json(callback), 201, f"/api/callbacks/{callback.id}")

        return await idempotency.run_once(
            request, idempotency_key, "callbacks", body.model_dump(), work
        )

    @api.get(
        "/callbacks/{callback_id}",
        tags=["callbacks"],
        summary="One callback",
        response_model=CallbackBody,
        responses=problem_responses(404),
    )
    async def one(callback_id: str) -> Response:
        return json_response(callback_json(await _get_callback(services, callback_id)))

    @api.delete(
        "/callbacks/{callback_id}",
        tags=["callbacks"],
        summary="Take a callback back",
        response_model=CallbackBody,
        responses=problem_responses(404, 409, 413, 415),
    )
    async def take_back(callback_id: str) -> Response:
        """Cancel a callback; a call that is being made for it goes on."""
        before = await _get_callback(services, callback_id)
        after = None if before.state.final else await services.callbacks.cancel(before.id)
        if after is None or after.state is not CallbackState.CANCELED:
            state = (after or before).state.value
            raise conflict("over", "It is over", f"The callback is {state} and stays so.")
        return json_response(callback_json(after))


def callback_json(callback: Callback) -> Mapping[str, Any]:
    """Build the JSON of a callback."""
    return {
        "callback_id": callback.id,
        "to": callback.phone,
        "when": format_utc(callback.due_at),
        "note": callback.note,
        "status": callback.state.value,
        "agent": callback.agent,
        "provider": callback.provider or None,
        "attempts": callback.attempts,
        "source_call_id": callback.source_call_id or None,
        "last_call_id": callback.last_call_id or None,
        "created_at": format_utc(callback.created_at),
    }


async def _get_callback(services: ApiServices, callback_id: str) -> Callback:
    callback = await services.callbacks.get(callback_id) if is_safe_id(callback_id) else None
    if callback is None:
        raise not_found("callback")
    return callback


def _position(callback: Callback) -> Any:  # noqa: ANN401
    return callback.due_at, callback.id


async def _validated(services: ApiServices, body: CallbackRequest, use: KeyUse) -> NewCallback:
    rules, faults = services.rules, FieldFaults()
    phone, agent, due_at = body.to, body.agent or rules.agents[0], services.clock()
    with faults.of_field():
        phone = parse_phone(body.to, "to")
        rules.check_reach(phone, body.provider)
    with faults.of_field():
        _require_one_of("agent", agent, rules.agents)
    with faults.of_field():
        if body.provider:
            _require_one_of("provider", body.provider, rules.providers)
    with faults.of_field():
        due_at = _due_time(services, body.when, use.at if use.id else due_at)
    faults.check()
    if await services.contacts.do_not_call(phone):
        raise RefusedError("do-not-call", "This person is on the do-not-call list.")
    key = f"api:{use.name('callback') if use.id else secrets.token_hex(8)}"
    return NewCallback(key, phone, body.provider, agent, due_at, body.note)


def _due_time(services: ApiServices, when: str, now: datetime) -> datetime:
    rules = services.rules
    try:
        due_at = parse_spoken_time(when, now, rules.zone)
    except SpokenTimeError as exc:
        raise FieldError("when", str(exc)) from None
    opens_at = rules.hours.next_open(due_at, rules.zone)
    if opens_at != due_at:
        first = format_spoken_time(opens_at.astimezone(rules.zone), now)
        fix = f"calls are made {rules.hours}, {rules.zone.key}; the next time is {first}"
        raise FieldError("when", f"{fix} ({opens_at.isoformat()})")
    return due_at


def _require_one_of(field: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise FieldError(field, f"unknown {field}; there are: {', '.join(known) or 'none'}")
