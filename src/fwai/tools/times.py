"""Parses times that callers name, and formats times for messages. No I/O."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from fwai.domain.hours import format_clock
from fwai.domain.spoken_time import LONGEST_TEXT, SpokenTimeError, parse_spoken_time
from fwai.errors import FieldError

MAX_WHEN: Final = LONGEST_TEXT
WHEN_DESCRIPTION: Final = (
    "The day and the time in the caller's own words, with none left out, such as 'tomorrow 5 pm', "
    "'in two hours' or 'kal shaam 5 baje'; or as ISO 8601, such as 2026-11-23T17:00. If the result "
    "asks something, ask the caller."
)


def parse_time(words: str, now: datetime, zone: ZoneInfo) -> datetime:
    """Parse a spoken or ISO 8601 time in ``zone``.

    Raises:
        FieldError: For ``when``; it is not understood, has passed, or is too far ahead.
    """
    try:
        return parse_spoken_time(words, now, zone)
    except SpokenTimeError as exc:
        raise FieldError("when", str(exc)) from None


def format_short_time(at: datetime) -> str:
    """Format ``at`` in little room: "Mon 23 Nov 2026, 5:00 PM"."""
    return f"{at:%a} {at.day} {at:%b} {at.year}, {format_clock(at.time())}"


def format_time(at: datetime) -> str:
    """Format ``at`` for a message: "Monday 23 November 2026, 5:00 PM (IST)"."""
    return f"{at:%A} {at.day} {at:%B} {at.year}, {format_clock(at.time())} ({at.tzname()})"
