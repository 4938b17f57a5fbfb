"""Finds the instants that a parsed spoken time may mean; one is the answer, two are asked back."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fwai.domain.hours import at_local_time
from fwai.domain.spoken_time_figures import WrittenDate
from fwai.domain.spoken_time_grammar import TimeExpression
from fwai.domain.spoken_time_kinds import DAY_S, HOURS_OF, MIDNIGHT, NIGHT, NOON
from fwai.domain.spoken_time_refusals import (
    DISAGREE,
    HOURS_DISAGREE,
    NO_DAY,
    NO_SUCH_DATE,
    NO_TIME,
    PASSED,
    TOO_FAR,
    UNCLEAR,
    refuse,
    refuse_readings,
)

LATE_S: Final = 60  # a time so little ago is not past
HORIZON_DAYS: Final = 365
PLAUSIBLE_HOURS: Final = range(8, 21)  # of an hour with nothing that says which half of the day
_RECENT_PAST: Final = timedelta(days=60)  # a date so little ago is a slip, not next year's
_SLIP: Final = timedelta(days=7)  # so is a day of the month, rather than next month's
_LAST_SMALL_HOUR: Final = 4
_MONTHS: Final = 12
_MONDAY, _SUNDAY = 0, 6
_LEAP_YEAR: Final = 2024
_ONE_DAY: Final = timedelta(days=1)


def resolve(said: TimeExpression, now: datetime, zone: ZoneInfo) -> datetime:
    """Return the one instant ahead that ``said`` means.

    Raises:
        SpokenTimeError: There is none, or more than one.
    """
    if said.ahead_s is not None:
        return _from_now(said, said.ahead_s, now)
    _check_parts(said)
    found = list(_Search(said, now, zone).instants())
    if not found:
        refuse(PASSED)
    return found[0] if len(set(found)) == 1 else refuse_readings(found, now)


def _from_now(said: TimeExpression, ahead_s: int, now: datetime) -> datetime:
    """Return the instant ``ahead_s`` from now; "today, in two hours" must be today."""
    if ahead_s > HORIZON_DAYS * DAY_S:
        refuse(TOO_FAR)
    at = now.astimezone(UTC) + timedelta(seconds=ahead_s)
    other = said.weekday is not None or said.date or said.week is not None or said.more_days
    other = other or said.month is not None
    if other or said.clock or said.parts or said.same_time:
        refuse()
    if said.counted_days is not None or (said.days is not None and not said.beside_today):
        refuse()
    # "Tomorrow in two hours", said shortly before midnight, may count from this time tomorrow.
    if said.days is not None and (said.days or at.astimezone(now.tzinfo).date() != now.date()):
        refuse(DISAGREE)
    return at


def _check_parts(said: TimeExpression) -> None:
    """Raise when parts are missing, or say something of what is not there."""
    if said.counted_days is not None and said.names_own_day:
        refuse(DISAGREE)  # "kal ke ek din baad" is not tomorrow
    if said.weekday is None and (said.week is not None or said.more_days is not None):
        anchored = said.days is not None and said.week is None
        if not anchored:
            refuse(NO_DAY)
    if said.month is not None and (said.date is None or said.date.month):
        refuse(NO_DAY)
    if said.same_time:
        if said.clock or said.meridiem is not None or said.parts:
            refuse()
        if not said.names_day or said.days == 0:
            refuse(NO_DAY)
    elif said.clock is None and not said.parts & {NOON, MIDNIGHT}:
        refuse(NO_TIME if said.names_day or said.parts else UNCLEAR)


class _Search:
    """Tries the days and hours that an expression may mean."""

    def __init__(self, said: TimeExpression, now: datetime, zone: ZoneInfo) -> None:
        self._said = said
        self._now = now
        self._zone = zone
        self._today = now.date()
        self._first = now.astimezone(UTC) - timedelta(seconds=LATE_S)
        self._minute = now.minute if said.same_time else said.clock[1] if said.clock else 0
        self._hours = [now.hour] if said.same_time else _candidate_hours(said)
        self._either = said.either or (said.to_twelve and said.meridiem is not None)

    def instants(self) -> Iterator[datetime]:
        """Yield each instant ahead that is meant or may be."""
        if not self._said.names_day or self._is_tonight():
            yield from self._without_day()
            return
        days = self._days()
        for index, day in enumerate(days):
            found = list(self._on_day(day))
            written = self._said.date
            if not (found or index) and len(days) > 1 and written and written.swappable:
                refuse(PASSED)  # 12/01 of this year is rather 12 January than 1 December
            yield from found

    def _is_tonight(self) -> bool:
        said = self._said
        only_today = said.days == 0 and said.weekday is None and said.date is None
        return only_today and self._is_after_midnight()

    def _is_after_midnight(self) -> bool:
        """Whether the hour is a small one of a night, which began on the evening before."""
        return self._hours[0] <= _LAST_SMALL_HOUR and bool(self._said.parts & {NIGHT, MIDNIGHT})

    def _ahead(self, day: date, hours: list[int]) -> dict[int, datetime]:
        """Return by hour what is not past of ``hours`` on ``day``."""
        instants = {
            hour: at_local_time(day, time(hour, self._minute), self._zone) for hour in hours
        }
        return {hour: at for hour, at in instants.items() if at.astimezone(UTC) >= self._first}

    def _without_day(self) -> Iterator[datetime]:
        """Yield what a time without a day may be: its next occurrence, if that is a likely one."""
        today = self._ahead(self._today, self._hours)
        tomorrow = self._ahead(self._today + _ONE_DAY, self._hours)
        if len(self._hours) == 1:
            yield next(iter((today or tomorrow).values()))
            return
        likely = self._likely(self._today, today)
        yield from likely
        if not self._either and any(at.hour in PLAUSIBLE_HOURS for at in likely):
            return
        for hour, at in tomorrow.items():
            if hour in PLAUSIBLE_HOURS or not today:
                yield at

    def _on_day(self, day: date) -> Iterator[datetime]:
        """Yield what the time may be on ``day``."""
        if self._is_after_midnight():
            if MIDNIGHT in self._said.parts and NIGHT not in self._said.parts:
                yield from self._ahead(day, self._hours).values()  # at its start, or at its end
            yield from self._ahead(day + _ONE_DAY, self._hours).values()
            return
        yield from self._likely(day, self._ahead(day, self._hours))

    def _likely(self, day: date, ahead: dict[int, datetime]) -> list[datetime]:
        """Return what of ``ahead`` is likely on ``day``; all of it when that cannot be told."""
        soonest = min(ahead, default=0)
        # "At seven", said at half past six in the morning, may well be in half an hour.
        soon = day == self._today and len(ahead) > 1 and soonest not in PLAUSIBLE_HOURS
        if len(self._hours) == 1 or self._either or soon:
            return list(ahead.values())
        plausible = [at for hour, at in ahead.items() if hour in PLAUSIBLE_HOURS]
        return plausible or list(ahead.values())

    # ---- days -----------------------------------------------------------------------------------

    def _days(self) -> list[date]:
        """Return the days that may be meant."""
        said, today = self._said, self._today
        more = timedelta(days=said.more_days or 0)
        if said.more_days and said.days is None and said.weekday is None:
            refuse(NO_DAY)
        days = [day for day in self._named_dates() if self._is_named(day)]
        if not days:
            refuse(DISAGREE)
        if said.next_weekday and said.weekday is not None:
            days = self._next_weekdays(said.weekday)
        if max(days) > today + timedelta(days=HORIZON_DAYS + 1):
            refuse(TOO_FAR)
        return [day + more for day in days]

    def _is_named(self, day: date) -> bool:
        """Whether ``day`` agrees with every word for it."""
        said = self._said
        return (
            (said.weekday is None or day.weekday() == said.weekday)
            and (said.days is None or (day - self._today).days == said.days)
            and (said.week is None or day in self._days_of_week(day.weekday(), said.week))
        )

    def _days_of_week(self, weekday: int, weeks: int) -> list[date]:
        """Return what ``weekday`` of this week (0) or the next (1) may be.

        Many a week begins on a Sunday: then "next Monday", said on one, is not tomorrow.
        """
        begins = (_MONDAY, _SUNDAY) if weeks else (_MONDAY,)
        ahead = {
            7 * weeks + (weekday - begin) % 7 - (self._today.weekday() - begin) % 7
            for begin in begins
        }
        return [self._today + timedelta(days=days) for days in sorted(ahead)]

    def _named_dates(self) -> Iterator[date]:
        said, today = self._said, self._today
        if said.date is not None:
            yield from _resolve_dates(said.date, today, said.month)
        elif said.days is not None or said.counted_days is not None:
            days = said.days if said.days is not None else said.counted_days or 0
            if days > HORIZON_DAYS:
                refuse(TOO_FAR)
            yield today + timedelta(days=days)
        elif said.weekday is not None:
            if said.week is not None:
                yield from self._days_of_week(said.weekday, said.week)
                return
            ahead = (said.weekday - today.weekday()) % 7
            yield today + timedelta(days=ahead)
            if not ahead:
                yield today + timedelta(days=7)  # on a Sunday, "Sunday" may be either

    def _next_weekdays(self, weekday: int) -> list[date]:
        """Return what "next Friday" may be: the first one ahead, and the one of next week."""
        if self._said.days is not None or self._said.date is not None:
            refuse()
        first = self._today + timedelta(days=(weekday - self._today.weekday() - 1) % 7 + 1)
        of_next_week = self._days_of_week(weekday, 1)
        if self._said.week == 0:
            refuse()
        return of_next_week if self._said.week else sorted({first, *of_next_week})


def _candidate_hours(said: TimeExpression) -> list[int]:
    """Return the hours of the day that match the expression, earliest first."""
    if said.clock is None:
        candidates = [0, 12]
    elif said.exact and said.meridiem is None and not said.parts:
        candidates = [said.clock[0]]
    else:
        hour = said.clock[0]
        candidates = [hour] if hour == 0 or hour > 12 else sorted({hour % 12, hour % 12 + 12})
    if said.meridiem is not None or said.parts:
        candidates = [one for one in candidates if _hour_matches(one, said)]
    return candidates or refuse(HOURS_DISAGREE)


def _hour_matches(hour: int, said: TimeExpression) -> bool:
    # "Quarter to twelve PM" may be before noon, or at night.
    half = said.meridiem is None or said.to_twelve or (hour >= 12) == (said.meridiem == 12)
    return half and all(hour in HOURS_OF[part] for part in said.parts)


def _resolve_dates(written: WrittenDate, today: date, months_ahead: int | None) -> list[date]:
    """Return the dates that may be meant: two if day and month may be the other way round."""
    day, month, year, swappable = written
    if months_ahead is not None:
        more_years, index = divmod(today.month - 1 + months_ahead, _MONTHS)
        return [_resolve_date(day, index + 1, today.year + more_years, today)]
    if not swappable or day == month:
        return [_resolve_date(day, month, year, today)]
    orders = ((day, month), (month, day))
    possible = [order for order in orders if _valid_date(*order, year or _LEAP_YEAR)]
    found = [_resolve_date(*order, year, today) for order in possible]
    return found or refuse(NO_SUCH_DATE)


def _resolve_date(day: int, month: int, year: int, today: date) -> date:
    """Resolve a date; without a month or a year to the next one."""
    if year:
        return _valid_date(day, month, year) or refuse(NO_SUCH_DATE)
    if month:
        years = (_valid_date(day, month, today.year + more) for more in range(9))
        dates = [one for one in years if one is not None]
        ahead = next((one for one in dates if one >= today - _RECENT_PAST), None)
        return ahead or refuse(NO_SUCH_DATE)
    # "The 31st", said in November, is of no month that comes next: which one is not guessed.
    for more in range(2):
        more_years, index = divmod(today.month - 1 + more, _MONTHS)
        found = _valid_date(day, index + 1, today.year + more_years)
        if found is None:
            break
        if found >= today:
            return found
        if found > today - _SLIP:
            refuse(PASSED)
    return refuse(NO_SUCH_DATE)


def _valid_date(day: int, month: int, year: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
