"""Demo bookings."""

import enum
from dataclasses import dataclass
from datetime import datetime


class BookingState(enum.StrEnum):
    """State of a booking."""

    BOOKED = "booked"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class NewBooking:
    """A demo to book.

    Attributes:
        key: The same booking twice has the same key; at most 160 characters.
        phone: Who comes, E.164; empty when withheld.
        starts_at: When.
        minutes: How long.
        email: Where the invitation goes; empty for none.
        call_id: The call it was booked in, or empty.
    """

    key: str
    phone: str
    name: str
    interest: str
    starts_at: datetime
    minutes: int
    email: str = ""
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Booking:
    """A stored booking; fields as in `NewBooking`."""

    id: str
    phone: str
    name: str
    interest: str
    starts_at: datetime
    minutes: int
    email: str
    call_id: str
    state: BookingState
    created_at: datetime
