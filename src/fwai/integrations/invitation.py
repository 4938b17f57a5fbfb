"""Builds iCalendar invitations and cancellations.

Source: RFC 5545 (iCalendar) and RFC 5546 (iTIP), read 2026-11-22.

The icalendar library costs 4 MB and 50 ms to import: import this module at start, and only where
appointments can be booked.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from icalendar import Calendar, Event, vCalAddress

from fwai.domain.plain_text import readable

REQUEST: Final = "text/calendar; method=REQUEST"
CANCEL: Final = "text/calendar; method=CANCEL"
MAX_MINUTES: Final = 24 * 60


def invitation(
    uid: str,
    start: datetime,
    minutes: int,
    summary: str,
    description: str,
    organizer: str,
    attendee: str,
    location: str = "",
    sequence: int = 0,
    *,
    cancelled: bool = False,
    stamp: datetime | None = None,
) -> bytes:
    """Build an iCalendar file that invites ``attendee``, or cancels the invitation.

    Send it as `REQUEST`, or as `CANCEL` when ``cancelled``. A change of an appointment has the
    ``uid`` of the first invitation and a higher ``sequence``; so has a cancellation.

    Args:
        uid: Globally unique id of the appointment; never changes.
        start: With a time zone.
        minutes: How long it lasts, 1 to 1440.
        summary: Its title.
        description: What else to know; may have several lines.
        organizer: E-mail address.
        attendee: E-mail address.
        location: A place or a link.
        sequence: How often it was changed before.
        cancelled: Cancel the appointment.
        stamp: When this was written; now when absent.

    Raises:
        ValueError: A time without its zone, or a length out of range.
    """
    if start.tzinfo is None or (stamp is not None and stamp.tzinfo is None):
        raise ValueError("an invitation needs times with their zone")
    if not 1 <= minutes <= MAX_MINUTES:
        raise ValueError(f"an appointment lasts 1 to {MAX_MINUTES} minutes")
    begin = start.astimezone(UTC)
    event = Event()
    event.add("uid", _clean(uid))
    event.add("dtstamp", (stamp or datetime.now(UTC)).astimezone(UTC))
    event.add("dtstart", begin)
    event.add("dtend", begin + timedelta(minutes=minutes))
    event.add("summary", _clean(summary))
    for name, value in (("description", description), ("location", location)):
        if value:
            event.add(name, _clean(value))
    event.add("organizer", vCalAddress(f"mailto:{_clean(organizer)}"))
    event.add("attendee", _attendee(attendee, cancelled=cancelled))
    event.add("sequence", sequence)
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("transp", "OPAQUE")
    calendar = Calendar()
    calendar.add("prodid", "-//FWAI//Phone agent//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "CANCEL" if cancelled else "REQUEST")
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def _attendee(attendee: str, *, cancelled: bool) -> vCalAddress:
    address = vCalAddress(f"mailto:{_clean(attendee)}")
    address.params["CN"] = _clean(attendee)
    address.params["CUTYPE"] = "INDIVIDUAL"
    address.params["ROLE"] = "REQ-PARTICIPANT"
    if not cancelled:
        address.params["PARTSTAT"] = "NEEDS-ACTION"
        address.params["RSVP"] = "TRUE"
    return address


def _clean(text: str) -> str:
    """Remove control characters that iCalendar forbids; the library lets them through."""
    return readable(text, len(text)).replace("\r\n", "\n")
