"""Parses spoken or ISO 8601 times to instants, and formats them to be read back.

Theory of operation: ``spoken_time_words.tokenize`` turns the text into words with a meaning,
``spoken_time_grammar.TimeParser`` parses them to day and clock, and ``spoken_time_days`` finds the
instants ahead that fit all of it. What is not understood, and what fits two of them, is refused:
the agent asks. Conventions, and what is asked back: docs/adr/0010-spoken-times.md.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fwai.domain.hours import at_local_time
from fwai.domain.spoken_time_days import HORIZON_DAYS, LATE_S, PLAUSIBLE_HOURS, resolve
from fwai.domain.spoken_time_grammar import TimeParser
from fwai.domain.spoken_time_kinds import Kind, Word
from fwai.domain.spoken_time_refusals import (
    PASSED,
    TOO_FAR,
    TOO_LONG,
    SpokenTimeError,
    format_spoken_time,
    refuse,
    refuse_zone,
)
from fwai.domain.spoken_time_words import tokenize

__all__ = [
    "HORIZON_DAYS",
    "LONGEST_TEXT",
    "PLAUSIBLE_HOURS",
    "SpokenTimeError",
    "format_spoken_time",
    "parse_spoken_time",
]

LONGEST_TEXT: Final = 200


def parse_spoken_time(words: str, now: datetime, zone: ZoneInfo) -> datetime:
    """Parse a spoken or ISO 8601 time to an instant in ``zone``.

    Args:
        words: ISO 8601 (in ``zone`` when it has no offset), or a time in English, Hindi in Latin
            script or Devanagari; ``LONGEST_TEXT`` characters at most.
        now: The current time, timezone-aware. "In 10 minutes" counts from its second; all else is
            at whole minutes.
        zone: Time zone of the caller. A local time that it skips is moved forward, of one that it
            shows twice the first is taken.

    Raises:
        SpokenTimeError: A word of it is not understood, it fits several times or none, it has
            passed, or it is more than ``HORIZON_DAYS`` ahead.
    """
    if len(words) > LONGEST_TEXT:
        raise SpokenTimeError(TOO_LONG)
    now = now.astimezone(zone).replace(microsecond=0)
    try:
        names = _zone_names(now)
        written, name = _parse_iso(words.strip(), zone, names)
        if written is not None:
            at = written
        else:
            said, name = _without_zone_name(tokenize(words), names)
            if name and name not in names:
                refuse_zone(name, zone.key)
            at = resolve(TimeParser(said).parse(), now, zone)
        _check_range(at, now)
        local = at.astimezone(zone)
    except OverflowError:
        raise SpokenTimeError(TOO_FAR) from None
    if name and name != (local.tzname() or "").lower():
        refuse_zone(name, zone.key)
    return local.replace(second=0, microsecond=0) if written is not None else local


def _parse_iso(text: str, zone: ZoneInfo, own: set[str]) -> tuple[datetime | None, str]:
    """Parse ``text`` if it is ISO 8601 with a time of day; return also a zone's name behind it."""
    date_and_time, _, last = text.rpartition(" ")
    named = last.lower() in own or any(word.kind is Kind.ZONE for word in tokenize(last))
    name = last.lower() if named else ""
    iso = (date_and_time if name else text).strip().upper()
    if len(iso) <= len("2026-11-25"):
        return None, ""
    try:
        written = datetime.fromisoformat(iso)
    except ValueError:
        return None, ""
    if written.tzinfo is None:
        return at_local_time(written.date(), written.time(), zone), name
    return written.astimezone(UTC), name


def _without_zone_name(words: list[Word], own: set[str]) -> tuple[list[Word], str]:
    """Separate the name of a time zone from the words: "5 PM IST"."""
    named = [
        word.text
        for word in words
        if word.kind is Kind.ZONE or (word.kind is Kind.UNKNOWN and word.text in own)
    ]
    if len(set(named)) > 1:
        refuse()
    said = [word for word in words if word.text not in named]
    return said, named[0] if named else ""


def _zone_names(now: datetime) -> set[str]:
    """Return the abbreviations of the zone of ``now``, in summer and in winter."""
    of_year = (now.replace(month=month, day=1) for month in (1, 7))
    return {(at.tzname() or "").lower() for at in of_year}


def _check_range(at: datetime, now: datetime) -> None:
    ahead = at.astimezone(UTC) - now.astimezone(UTC)
    if ahead < -timedelta(seconds=LATE_S):
        refuse(PASSED)
    if ahead > timedelta(days=HORIZON_DAYS):
        refuse(TOO_FAR)
