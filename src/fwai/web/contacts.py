"""People: what is known of them, whether they may be called, and that they are forgotten."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response

from fwai.domain.call import CallState
from fwai.domain.call_event import call_summary, stamp
from fwai.domain.contact import Contact
from fwai.http.problem import ProblemError
from fwai.web import bookings, callbacks, paging
from fwai.web.errors import conflict, problems
from fwai.web.models import ContactBody, ContactUpdate, DoNotCallEntry, DoNotCallPage, ErasureBody
from fwai.web.responses import answer
from fwai.web.services import ApiServices
from fwai.web.values import number

NEWEST: Final = 20
_NOT_OVER: Final = [state for state in CallState if not state.final]

Phone = Annotated[str, Path(description="With its country code; `+` may be left out.")]


def add(api: APIRouter, services: ApiServices) -> None:
    """Add the routes."""

    @api.get(
        "/contacts/{phone}",
        tags=["contacts"],
        summary="What is known of a person",
        response_model=ContactBody,
        responses=problems(),
    )
    async def one(phone: Phone) -> Response:
        """Return a person; of somebody unknown there is nothing in it."""
        who = number(phone)
        contact = await services.contacts.get(who)
        promised = await services.callbacks.open_for(who)
        booked = await services.bookings.open_for(who, services.clock())
        newest = await services.calls.page(phone=who, limit=NEWEST)
        return answer(
            _shown(contact)
            | {
                "memory": [
                    {
                        "at": stamp(entry.at),
                        "call_id": entry.call_id,
                        "agent": entry.agent,
                        "text": entry.text,
                    }
                    for entry in contact.memory
                ],
                "callbacks": [callbacks.shown(callback) for callback in promised],
                "bookings": [bookings.shown(booking) for booking in booked],
                "calls": [call_summary(record) for record in newest],
            }
        )

    @api.put(
        "/contacts/{phone}",
        tags=["contacts"],
        summary="Forbid calls to a person, or permit them again",
        response_model=DoNotCallEntry,
        responses=problems(400, 413, 415),
    )
    async def change(phone: Phone, body: ContactUpdate) -> Response:
        who = number(phone)
        await services.contacts.set_do_not_call(who, body.do_not_call, body.reason)
        return answer(_shown(await services.contacts.get(who)))

    @api.delete(
        "/contacts/{phone}",
        tags=["contacts"],
        summary="Erase a person",
        response_model=ErasureBody,
        responses=problems(409, 413, 415),
    )
    async def erase(phone: Phone) -> Response:
        """Remove calls, transcripts, recordings, memory, callbacks and demos of a person.

        That they must not be called is kept: without it they would be called again.
        """
        who = number(phone)
        open_calls = await services.calls.page(phone=who, states=_NOT_OVER, limit=1)
        if open_calls:
            raise _live(f"Call {open_calls[0].call.id} is not over; hang it up first.")
        erased = await services.erase(who)
        if erased.live:
            raise _live("A call began meanwhile; erase again when it is over.")
        counts = ("calls", "callbacks", "bookings", "jobs", "files", "contact")
        return answer({name: getattr(erased, name) for name in counts})

    @api.get(
        "/do-not-call",
        tags=["contacts"],
        summary="List people who must not be called",
        response_model=DoNotCallPage,
        responses=problems(),
    )
    async def forbidden(limit: paging.Limit = paging.USUAL, cursor: paging.Cursor = "") -> Response:
        """Return people who must not be called, by number."""
        after = paging.number_after(cursor)
        found = await services.contacts.page_do_not_call(after, limit + 1)
        page = paging.page("contacts", found, limit, _shown, lambda contact: [contact.phone])
        return answer(page)


def _live(detail: str) -> ProblemError:
    return conflict("call-live", "A call is not over", detail)


def _shown(contact: Contact) -> dict[str, Any]:
    shown: Mapping[str, Any] = {
        "phone": contact.phone,
        "do_not_call": contact.do_not_call,
        "reason": contact.reason,
    }
    return dict(shown)
