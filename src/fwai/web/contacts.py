"""Routes of contacts: memory of earlier calls, the do-not-call list, erasure."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response

from fwai.domain.call import CallState
from fwai.domain.call_event import call_summary, format_utc
from fwai.domain.contact import Contact
from fwai.domain.erasure import Remainder
from fwai.http.problem import ProblemError
from fwai.web import bookings, callbacks, paging
from fwai.web.errors import conflict, problem_responses
from fwai.web.models import ContactBody, ContactUpdate, DoNotCallEntry, DoNotCallPage, ErasureBody
from fwai.web.responses import json_response
from fwai.web.services import ApiServices
from fwai.web.values import parse_asked_phone, parse_phone

NEWEST: Final = 20
MOST_NAMED: Final = 20
ELSEWHERE: Final = (
    Remainder("backups", "they are outside; a restored one is cleaned at the next start"),
    Remainder("what providers and n8n keep", "ask them: this server cannot erase there"),
)
_NOT_OVER: Final = [state for state in CallState if not state.final]

Phone = Annotated[str, Path(description="With its country code; `+` may be left out.")]


def add(api: APIRouter, services: ApiServices) -> None:
    """Add the routes."""

    @api.get(
        "/contacts/{phone}",
        tags=["contacts"],
        summary="What is known of a person",
        response_model=ContactBody,
        responses=problem_responses(),
    )
    async def one(phone: Phone) -> Response:
        """Return a person; of somebody unknown there is nothing in it."""
        asked = parse_asked_phone(phone)
        who = asked.number
        contact = await services.contacts.get(who)
        promised = await services.callbacks.open_for(who)
        booked = await services.bookings.open_for(who, services.clock())
        newest = await services.calls.page(phone=who, limit=NEWEST)
        asked.require(contact.memory, contact.do_not_call, promised, booked, newest)
        return json_response(
            _to_json(contact)
            | {
                "memory": [
                    {
                        "at": format_utc(entry.at),
                        "call_id": entry.call_id,
                        "agent": entry.agent,
                        "text": entry.text,
                    }
                    for entry in contact.memory
                ],
                "callbacks": [callbacks.callback_json(callback) for callback in promised],
                "bookings": [bookings.booking_json(booking) for booking in booked],
                "calls": [call_summary(record) for record in newest],
            }
        )

    @api.put(
        "/contacts/{phone}",
        tags=["contacts"],
        summary="Forbid calls to a person, or permit them again",
        response_model=DoNotCallEntry,
        responses=problem_responses(400, 413, 415),
    )
    async def change(phone: Phone, body: ContactUpdate) -> Response:
        # Whom nobody can call need not be barred, but an old entry of theirs can be taken back.
        who = parse_phone(phone) if body.do_not_call else parse_asked_phone(phone).number
        reason = body.reason
        if body.do_not_call and "reason" not in body.model_fields_set:
            reason = (await services.contacts.get(who)).reason
        await services.contacts.set_do_not_call(who, body.do_not_call, reason)
        return json_response(_to_json(await services.contacts.get(who)))

    @api.delete(
        "/contacts/{phone}",
        tags=["contacts"],
        summary="Erase a person",
        response_model=ErasureBody,
        responses=problem_responses(409, 413, 415),
    )
    async def erase(phone: Phone) -> Response:
        """Remove calls, transcripts, recordings, memory, callbacks and demos of a person.

        That they must not be called is kept: without it they would be called again.
        """
        asked = parse_asked_phone(phone)
        who = asked.number
        open_calls = await services.calls.page(phone=who, states=_NOT_OVER, limit=MOST_NAMED)
        if open_calls:
            raise _call_live(_not_over([record.call.id for record in open_calls]))
        erased = await services.erase(who)
        if erased.live:
            raise _call_live("A call began meanwhile; erase again when it is over.")
        names = ("calls", "callbacks", "bookings", "jobs", "files", "contact", "masked")
        counts = {name: getattr(erased, name) for name in names}
        asked.require(*counts.values(), erased.left)
        left = [{"what": one.what, "why": one.why} for one in (*erased.left, *ELSEWHERE)]
        return json_response({**counts, "left": left})

    @api.get(
        "/do-not-call",
        tags=["contacts"],
        summary="List people who must not be called",
        response_model=DoNotCallPage,
        responses=problem_responses(),
    )
    async def forbidden(
        limit: paging.Limit = paging.DEFAULT_PAGE, cursor: paging.Cursor = ""
    ) -> Response:
        """Return people who must not be called, by number."""
        after = paging.decode_phone(cursor)
        found = await services.contacts.page_do_not_call(after, limit + 1)
        page = paging.page("contacts", found, limit, _to_json, lambda contact: [contact.phone])
        return json_response(page)


def _not_over(call_ids: Sequence[str]) -> str:
    names = ", ".join(call_ids)
    more = " and perhaps more" if len(call_ids) == MOST_NAMED else ""
    return (
        f"These calls are not over: {names}{more}. Send POST /api/calls/<id>/hangup for each: it "
        "ends one that goes on, and cancels one that waits to be dialled."
    )


def _call_live(detail: str) -> ProblemError:
    return conflict("call-live", "A call is not over", detail)


def _to_json(contact: Contact) -> dict[str, Any]:
    shown: Mapping[str, Any] = {
        "phone": contact.phone,
        "do_not_call": contact.do_not_call,
        "reason": contact.reason,
    }
    return dict(shown)
