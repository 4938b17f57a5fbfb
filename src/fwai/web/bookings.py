"""Routes of demo bookings: list, read, cancel."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from fwai.domain.booking import Booking, BookingState
from fwai.domain.call_event import format_utc
from fwai.web import paging
from fwai.web.errors import conflict, not_found, problem_responses
from fwai.web.models import BookingBody, BookingPage
from fwai.web.responses import json_response
from fwai.web.services import ApiServices
from fwai.web.values import is_safe_id, parse_asked_phone, parse_moment


def add(api: APIRouter, services: ApiServices) -> None:
    """Add the routes."""
    zone = services.rules.zone

    @api.get(
        "/bookings",
        tags=["bookings"],
        summary="List demos",
        response_model=BookingPage,
        responses=problem_responses(),
    )
    async def listed(
        from_: Annotated[str, Query(alias="from", description="A moment, or a day.")] = "",
        to: Annotated[str, Query(description="A moment, not included; or a day, included.")] = "",
        phone: str = "",
        limit: paging.Limit = paging.DEFAULT_PAGE,
        cursor: paging.Cursor = "",
    ) -> Response:
        """Return demos by their start, the earliest first; also canceled ones."""
        asked = parse_asked_phone(phone)
        found = await services.bookings.page(
            from_=parse_moment(from_, "from", zone) if from_ else None,
            to=parse_moment(to, "to", zone, end=True) if to else None,
            phone=asked.number,
            after=paging.decode_position(cursor),
            limit=limit + 1,
        )
        asked.require(found, cursor)
        return json_response(paging.page("bookings", found, limit, booking_json, _position))

    @api.get(
        "/bookings/{booking_id}",
        tags=["bookings"],
        summary="One demo",
        response_model=BookingBody,
        responses=problem_responses(404),
    )
    async def one(booking_id: str) -> Response:
        return json_response(booking_json(await _get_booking(services, booking_id)))

    @api.delete(
        "/bookings/{booking_id}",
        tags=["bookings"],
        summary="Cancel a demo",
        response_model=BookingBody,
        responses=problem_responses(404, 409, 413, 415),
    )
    async def cancel(booking_id: str) -> Response:
        """Take a demo back; confirmations still to be sent are not, an invitation is revoked."""
        before = await _get_booking(services, booking_id)
        if before.state is BookingState.CANCELED:
            raise conflict("over", "It is over", "The demo is canceled already.")
        after = await services.bookings.cancel(before.id)
        if after is None:
            raise not_found("booking")
        return json_response(booking_json(after))


def booking_json(booking: Booking) -> Mapping[str, Any]:
    """Build the JSON of a booking."""
    return {
        "booking_id": booking.id,
        "phone": booking.phone or None,
        "name": booking.name,
        "interest": booking.interest,
        "email": booking.email or None,
        "starts_at": format_utc(booking.starts_at),
        "minutes": booking.minutes,
        "call_id": booking.call_id or None,
        "status": booking.state.value,
        "created_at": format_utc(booking.created_at),
    }


async def _get_booking(services: ApiServices, booking_id: str) -> Booking:
    booking = await services.bookings.get(booking_id) if is_safe_id(booking_id) else None
    if booking is None:
        raise not_found("booking")
    return booking


def _position(booking: Booking) -> Any:  # noqa: ANN401
    return booking.starts_at, booking.id
