"""Times that callers name, and times that are written to them. No I/O."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from fwai.domain.hours import clock_words
from fwai.domain.spoken_time import LONGEST_TEXT, SpokenTimeError, resolve
from fwai.errors import FieldError

MAX_WHEN: Final = LONGEST_TEXT
WHEN: Final = (
    "The day and the time, in the caller's own words or as ISO 8601, such as 'tomorrow 5 pm', "
    "'in two hours' or 2026-11-23T17:00."
)


def moment(words: str, now: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant that ``words`` mean, in ``zone``.

    Raises:
        FieldError: For ``when``; it is not understood, has passed, or is too far ahead.
    """
    try:
        return resolve(words, now, zone)
    except SpokenTimeError as exc:
        raise FieldError("when", str(exc)) from None


def written(at: datetime) -> str:
    """Return ``at`` for a letter: "Monday 23 November 2026, 5:00 PM (IST)"."""
    return f"{at:%A} {at.day} {at:%B} {at.year}, {clock_words(at.time())} ({at.tzname()})"
