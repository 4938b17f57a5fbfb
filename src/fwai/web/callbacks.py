"""Promises to call somebody back."""

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from fwai.domain.call_event import stamp
from fwai.domain.callback import Callback, CallbackState, NewCallback
from fwai.domain.spoken_time import SpokenTimeError, resolve, spoken
from fwai.errors import FieldError, RefusedError
from fwai.web import paging
from fwai.web.errors import conflict, problems, unknown
from fwai.web.idempotency import Idempotency, Key, Reply, Use
from fwai.web.models import CallbackBody, CallbackPage, CallbackRequest
from fwai.web.responses import answer
from fwai.web.services import ApiServices
from fwai.web.values import moment, number, safe_id


def add(api: APIRouter, services: ApiServices, keys: Idempotency) -> None:
    """Add the routes."""

    @api.get(
        "/callbacks",
        tags=["callbacks"],
        summary="List callbacks",
        response_model=CallbackPage,
        responses=problems(),
    )
    async def listed(
        status: Annotated[list[CallbackState], Query(description="One or several.")] = [],  # noqa: B006
        phone: str = "",
        due_before: Annotated[str, Query(description="A moment, or a day, included.")] = "",
        limit: paging.Limit = paging.USUAL,
        cursor: paging.Cursor = "",
    ) -> Response:
        """Return callbacks, the soonest first."""
        zone = services.rules.zone
        before = moment(due_before, "due_before", zone, end=True) if due_before else None
        found = await services.callbacks.page(
            states=status,
            phone=number(phone) if phone else "",
            due_before=before,
            after=paging.place_of(cursor),
            limit=limit + 1,
        )
        return answer(paging.page("callbacks", found, limit, shown, _place_in_list))

    @api.post(
        "/callbacks",
        tags=["callbacks"],
        summary="Promise a callback",
        status_code=201,
        response_model=CallbackBody,
        responses=problems(400, 409, 413, 415),
    )
    async def promise(
        body: CallbackRequest, request: Request, idempotency_key: Key = None
    ) -> Response:
        """Call somebody at a time inside the calling hours; the answer says which time it is."""

        async def work(use: Use) -> Reply:
            callback, _ = await services.schedule(await _checked(services, body, use))
            return Reply(shown(callback), 201, f"/api/callbacks/{callback.id}")

        return await keys.once(request, idempotency_key, "callbacks", body.model_dump(), work)

    @api.get(
        "/callbacks/{callback_id}",
        tags=["callbacks"],
        summary="One callback",
        response_model=CallbackBody,
        responses=problems(404),
    )
    async def one(callback_id: str) -> Response:
        return answer(shown(await _known(services, callback_id)))

    @api.delete(
        "/callbacks/{callback_id}",
        tags=["callbacks"],
        summary="Take a callback back",
        response_model=CallbackBody,
        responses=problems(404, 409, 413, 415),
    )
    async def take_back(callback_id: str) -> Response:
        """Cancel a callback; a call that is being made for it goes on."""
        before = await _known(services, callback_id)
        after = None if before.state.final else await services.callbacks.cancel(before.id)
        if after is None or after.state is not CallbackState.CANCELED:
            state = (after or before).state.value
            raise conflict("over", "It is over", f"The callback is {state} and stays so.")
        return answer(shown(after))


def shown(callback: Callback) -> Mapping[str, Any]:
    """Return a callback as JSON."""
    return {
        "callback_id": callback.id,
        "to": callback.phone,
        "when": stamp(callback.due_at),
        "note": callback.note,
        "status": callback.state.value,
        "agent": callback.agent,
        "provider": callback.provider or None,
        "attempts": callback.attempts,
        "source_call_id": callback.source_call_id or None,
        "last_call_id": callback.last_call_id or None,
        "created_at": stamp(callback.created_at),
    }


async def _known(services: ApiServices, callback_id: str) -> Callback:
    callback = await services.callbacks.get(callback_id) if safe_id(callback_id) else None
    if callback is None:
        raise unknown("callback")
    return callback


def _place_in_list(callback: Callback) -> Any:  # noqa: ANN401
    return callback.due_at, callback.id


async def _checked(services: ApiServices, body: CallbackRequest, use: Use) -> NewCallback:
    rules, phone = services.rules, number(body.to, "to")
    agent = body.agent or rules.agents[0]
    _one_of("agent", agent, rules.agents)
    if body.provider:
        _one_of("provider", body.provider, rules.providers)
    due_at = _due(services, body.when, use.at if use.id else services.clock())
    if await services.contacts.do_not_call(phone):
        raise RefusedError("do-not-call", "This person is on the do-not-call list.")
    key = f"api:{use.name('callback') if use.id else secrets.token_hex(8)}"
    return NewCallback(key, phone, body.provider, agent, due_at, body.note)


def _due(services: ApiServices, when: str, now: datetime) -> datetime:
    rules = services.rules
    try:
        due_at = resolve(when, now, rules.zone)
    except SpokenTimeError as exc:
        raise FieldError("when", str(exc)) from None
    opens_at = rules.hours.next_open(due_at, rules.zone)
    if opens_at != due_at:
        first = spoken(opens_at.astimezone(rules.zone), now)
        fix = f"calls are made {rules.hours}, {rules.zone.key}; the next time is {first}"
        raise FieldError("when", f"{fix} ({opens_at.isoformat()})")
    return due_at


def _one_of(field: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise FieldError(field, f"unknown {field}; there are: {', '.join(known) or 'none'}")
