"""Demos that were booked."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from fwai.domain.booking import Booking, BookingState
from fwai.domain.call_event import stamp
from fwai.web import paging
from fwai.web.errors import conflict, problems, unknown
from fwai.web.models import BookingBody, BookingPage
from fwai.web.responses import answer
from fwai.web.services import ApiServices
from fwai.web.values import moment, number, safe_id


def add(api: APIRouter, services: ApiServices) -> None:
    """Add the routes."""
    zone = services.rules.zone

    @api.get(
        "/bookings",
        tags=["bookings"],
        summary="List demos",
        response_model=BookingPage,
        responses=problems(),
    )
    async def listed(
        from_: Annotated[str, Query(alias="from", description="A moment, or a day.")] = "",
        to: Annotated[str, Query(description="A moment, not included; or a day, included.")] = "",
        phone: str = "",
        limit: paging.Limit = paging.USUAL,
        cursor: paging.Cursor = "",
    ) -> Response:
        """Return demos by their start, the earliest first; also canceled ones."""
        found = await services.bookings.page(
            from_=moment(from_, "from", zone) if from_ else None,
            to=moment(to, "to", zone, end=True) if to else None,
            phone=number(phone) if phone else "",
            after=paging.place_of(cursor),
            limit=limit + 1,
        )
        return answer(paging.page("bookings", found, limit, shown, _place_in_list))

    @api.get(
        "/bookings/{booking_id}",
        tags=["bookings"],
        summary="One demo",
        response_model=BookingBody,
        responses=problems(404),
    )
    async def one(booking_id: str) -> Response:
        return answer(shown(await _known(services, booking_id)))

    @api.delete(
        "/bookings/{booking_id}",
        tags=["bookings"],
        summary="Cancel a demo",
        response_model=BookingBody,
        responses=problems(404, 409, 413, 415),
    )
    async def cancel(booking_id: str) -> Response:
        """Take a demo back; confirmations still to be sent are not, an invitation is revoked."""
        before = await _known(services, booking_id)
        if before.state is BookingState.CANCELED:
            raise conflict("over", "It is over", "The demo is canceled already.")
        after = await services.bookings.cancel(before.id)
        if after is None:
            raise unknown("booking")
        return answer(shown(after))


def shown(booking: Booking) -> Mapping[str, Any]:
    """Return a demo as JSON."""
    return {
        "booking_id": booking.id,
        "phone": booking.phone or None,
        "name": booking.name,
        "interest": booking.interest,
        "email": booking.email or None,
        "starts_at": stamp(booking.starts_at),
        "minutes": booking.minutes,
        "call_id": booking.call_id or None,
        "status": booking.state.value,
        "created_at": stamp(booking.created_at),
    }


async def _known(services: ApiServices, booking_id: str) -> Booking:
    booking = await services.bookings.get(booking_id) if safe_id(booking_id) else None
    if booking is None:
        raise unknown("booking")
    return booking


def _place_in_list(booking: Booking) -> Any:  # noqa: ANN401
    return booking.starts_at, booking.id
