"""Parses spoken or ISO 8601 times to instants, and formats them to be read back.

Theory of operation: ``spoken_time_words.tokenize`` turns the text into words with a meaning,
``spoken_time_grammar.TimeParser`` parses them to day and clock, and ``_resolve`` takes the first
future instant that matches all of it. What is not understood is refused: the agent asks again.
Conventions: "kal" and "parso" lie ahead; "next Friday" is the Friday of the week that begins
next Monday, "Friday" the first one ahead; at night the small hours belong to the evening before,
so that "kal raat 1 baje" is an hour past tomorrow's midnight.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fwai.domain.hours import at_local_time, format_clock
from fwai.domain.spoken_time_grammar import (
    DISAGREE,
    UNCLEAR,
    SpokenTimeError,
    TimeExpression,
    TimeParser,
    refuse,
)
from fwai.domain.spoken_time_words import (
    DAY_S,
    HOURS_OF,
    MIDNIGHT,
    NIGHT,
    NOON,
    Kind,
    Word,
    tokenize,
)

__all__ = ["SpokenTimeError", "format_spoken_time", "parse_spoken_time"]

LONGEST_TEXT: Final = 200
LATE_S: Final = 60  # a time so little ago is not past
HORIZON_DAYS: Final = 365
PLAUSIBLE_HOURS: Final = range(8, 21)  # of an hour with nothing that says which half of the day
_RECENT_PAST: Final = timedelta(days=60)  # a date so little ago is a slip, not next year's
_LAST_SMALL_HOUR: Final = 4

_TOO_LONG = "That is too long for a time; give only the day and the time, such as tomorrow at 5 PM."
_NO_TIME = "No time of day was given; ask at what time."
_PASSED = "That time has passed; ask for another."
_TOO_FAR = "That is more than a year ahead; ask for an earlier date."


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
        SpokenTimeError: It is not understood, lacks a time of day, has passed, or is more than
            ``HORIZON_DAYS`` ahead.
    """
    if len(words) > LONGEST_TEXT:
        raise SpokenTimeError(_TOO_LONG)
    now = now.astimezone(zone).replace(microsecond=0)
    try:
        written = _parse_iso(words.strip().upper(), zone)
        at = written or _resolve(
            TimeParser(_drop_zone_name(tokenize(words), now)).parse(), now, zone
        )
        _check_range(at, now)
        return (written.replace(second=0, microsecond=0) if written else at).astimezone(zone)
    except OverflowError:
        raise SpokenTimeError(_TOO_FAR) from None


def format_spoken_time(at: datetime, now: datetime) -> str:
    """Format ``at`` to be read back in English: "tomorrow, Monday 23 November, at 5:00 PM".

    The words are local to the zone of ``at``; the year is said if it is not this one.
    """
    today = now.astimezone(at.tzinfo).date()
    clock = format_clock(at.time())
    if at.date() == today:
        return f"today at {clock}"
    tomorrow = "tomorrow, " if at.date() - today == timedelta(days=1) else ""
    year = "" if at.year == today.year else f" {at.year}"
    return f"{tomorrow}{at:%A} {at.day} {at:%B}{year}, at {clock}"


def _parse_iso(text: str, zone: ZoneInfo) -> datetime | None:
    """Parse ``text`` if it is ISO 8601 with a time of day."""
    if len(text) <= len("2026-11-25"):
        return None
    try:
        written = datetime.fromisoformat(text)
    except ValueError:
        return None
    if written.tzinfo is None:
        return at_local_time(written.date(), written.time(), zone)
    return written.astimezone(UTC)


def _drop_zone_name(words: list[Word], now: datetime) -> list[Word]:
    """Remove the zone's own abbreviation: "5 PM IST" in India, but not in London."""
    name = (now.tzname() or "").lower()
    return [word for word in words if word.kind is not Kind.UNKNOWN or word.text != name]


def _check_range(at: datetime, now: datetime) -> None:
    ahead = at.astimezone(UTC) - now.astimezone(UTC)
    if ahead < -timedelta(seconds=LATE_S):
        refuse(_PASSED)
    if ahead > timedelta(days=HORIZON_DAYS):
        refuse(_TOO_FAR)


# ---- to an instant ------------------------------------------------------------------------------


def _resolve(said: TimeExpression, now: datetime, zone: ZoneInfo) -> datetime:
    if said.ahead_s is not None:
        if said.names_day or said.next_week or said.clock or said.parts:
            refuse()
        if said.ahead_s > HORIZON_DAYS * DAY_S:
            refuse(_TOO_FAR)
        return now.astimezone(UTC) + timedelta(seconds=said.ahead_s)
    if said.next_week and said.weekday is None:
        refuse()
    hours = _candidate_hours(said)
    first, at = now.astimezone(UTC) - timedelta(seconds=LATE_S), None
    for day in _candidate_days(said, now.date(), small_hour=hours[0] <= _LAST_SMALL_HOUR):
        for hour in hours:
            at = at_local_time(day, time(hour, said.clock[1] if said.clock else 0), zone)
            if at.astimezone(UTC) >= first:
                return at
    return at if at is not None else refuse(DISAGREE)


def _candidate_hours(said: TimeExpression) -> list[int]:
    """Return the hours of the day that match the expression, earliest first."""
    if said.clock is None:
        if said.parts & {NOON, MIDNIGHT}:
            return sorted(hour for hour in (0, 12) if _hour_matches(hour, said)) or refuse()
        return refuse(_NO_TIME if said.names_day or said.parts or said.next_week else UNCLEAR)
    hour = said.clock[0]
    candidates = [hour] if hour == 0 or hour > 12 else sorted({hour % 12, hour % 12 + 12})
    if said.meridiem is not None or said.parts:
        candidates = [one for one in candidates if _hour_matches(one, said)]
    elif said.exact:
        candidates = [hour]
    elif len(candidates) > 1:
        candidates = [one for one in candidates if one in PLAUSIBLE_HOURS]
    return candidates or refuse()


def _hour_matches(hour: int, said: TimeExpression) -> bool:
    half = said.meridiem is None or (hour >= 12) == (said.meridiem == 12)
    return half and all(hour in HOURS_OF[part] for part in said.parts)


def _candidate_days(said: TimeExpression, today: date, *, small_hour: bool) -> Iterator[date]:
    """Yield the candidate days in order; ``small_hour``: the hour is one after midnight."""
    one = timedelta(days=1)
    shift = one if small_hour and said.parts & {NIGHT, MIDNIGHT} else timedelta(0)
    tonight = shift and said.days == 0 and said.weekday is None and said.date is None
    if tonight or not said.names_day:
        yield from (today, today + one)
    else:
        yield from (
            day + shift for day in _named_dates(said, today) if _day_matches(day, said, today)
        )


def _day_matches(day: date, said: TimeExpression, today: date) -> bool:
    on_weekday = said.weekday is None or day.weekday() == said.weekday
    return on_weekday and (said.days is None or (day - today).days == said.days)


def _named_dates(said: TimeExpression, today: date) -> Iterator[date]:
    if said.date is not None:
        yield _resolve_date(*said.date, today)
    elif said.days is not None:
        if said.days > HORIZON_DAYS:
            refuse(_TOO_FAR)
        yield today + timedelta(days=said.days)
    elif said.weekday is not None:
        ahead = (said.weekday - today.weekday()) % 7
        if said.next_week:
            yield today + timedelta(days=7 - today.weekday() + said.weekday)
        else:
            yield from (today + timedelta(days=ahead), today + timedelta(days=ahead + 7))


def _resolve_date(day: int, month: int, year: int, today: date) -> date:
    """Resolve a date; without a month or a year to the next one that exists."""
    if year:
        return _valid_date(day, month, year) or refuse()
    if month:
        years = (_valid_date(day, month, today.year + more) for more in range(9))
        dates = [one for one in years if one is not None]
        ahead = next((one for one in dates if one >= today - _RECENT_PAST), None)
        return ahead or refuse()
    months = (divmod(today.month - 1 + more, 12) for more in range(3))
    found = (_valid_date(day, index + 1, today.year + years) for years, index in months)
    return next((one for one in found if one is not None and one >= today), None) or refuse()


def _valid_date(day: int, month: int, year: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
