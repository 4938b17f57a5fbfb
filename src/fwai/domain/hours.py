"""Calling hours: a daily time range on the wall clock of a time zone."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Final, Self
from zoneinfo import ZoneInfo

_SPAN = re.compile(r"\s*(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})\s*", re.ASCII)  # noqa: RUF001
_DAY_MINUTES = 24 * 60
MORNING: Final = timedelta(minutes=15)
MAX_NIGHTS: Final = 31
_FIX = "write it as 09:00-21:00, the start before the end on the same day (24:00 at most)"


@dataclass(frozen=True, slots=True)
class CallingHours:
    """A daily time range; whole minutes, the end not included.

    Attributes:
        start: Where it opens, local time.
        end: Where it closes; 00:00 is the end of the day, so 00:00 to 00:00 is always.

    Raises:
        ValueError: The end is not after the start.
    """

    start: time
    end: time

    def __post_init__(self) -> None:
        if self.start_minute >= self.end_minute:
            raise ValueError(_FIX)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse hours written as ``09:00-21:00``; ``00:00-24:00`` is always.

        Raises:
            ValueError: They are written otherwise; the text says how to write them.
        """
        found = _SPAN.fullmatch(text)
        if found is None:
            raise ValueError(_FIX)
        hour, minute, end_hour, end_minute = map(int, found.groups())
        if (end_hour, end_minute) == (24, 0):
            end_hour = 0
        elif (end_hour, end_minute) == (0, 0):
            raise ValueError(_FIX)
        try:
            return cls(time(hour, minute), time(end_hour, end_minute))
        except ValueError:
            raise ValueError(_FIX) from None

    @property
    def start_minute(self) -> int:
        """Minutes from midnight to the start."""
        return self.start.hour * 60 + self.start.minute

    @property
    def end_minute(self) -> int:
        """Minutes from midnight to the end, 1440 at most."""
        return self.end.hour * 60 + self.end.minute or _DAY_MINUTES

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end_minute // 60:02}:{self.end_minute % 60:02}"

    def contains(self, at: datetime, zone: ZoneInfo) -> bool:
        """Whether ``at``, local to ``zone``, is within the hours."""
        local = at.astimezone(zone)
        return self.start_minute <= local.hour * 60 + local.minute < self.end_minute

    def next_open(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return ``at`` itself within the hours, else their next opening, in ``zone``."""
        if self.contains(at, zone):
            return at
        today = at.astimezone(zone).date()
        instant = at.astimezone(UTC)  # times of one zone are compared by the clock, not in time
        # A clock put back shows the opening twice; one put forward may skip a short span.
        return next(
            opening
            for days in count()
            for fold in (0, 1)
            if (opening := at_local_time(today + timedelta(days), self.start, zone, fold))
            >= instant
            and self.contains(opening, zone)
        )

    def closes_after(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return the first moment after ``at`` at which the day's hours are over, in ``zone``."""
        today = at.astimezone(zone).date()
        whole_day = self.end_minute == _DAY_MINUTES
        instant = at.astimezone(UTC)
        return next(
            closing
            for days in count()
            for fold in (0, 1)
            if (
                closing := at_local_time(today + timedelta(days + whole_day), self.end, zone, fold)
            ).astimezone(UTC)
            > instant
        )

    def open_for(self, at: datetime, seconds: float, zone: ZoneInfo) -> datetime:
        """Return the moment by which it was open for ``seconds`` since ``at``, in ``zone``.

        What is left at closing counts from the next opening on, where it is at least `MORNING`:
        what had to wait for the night is not late at once. After `MAX_NIGHTS` no more is counted.
        """
        since, left = self.next_open(at, zone).astimezone(UTC), timedelta(seconds=seconds)
        for _ in range(MAX_NIGHTS):
            closes = self.closes_after(since, zone)
            closing = closes.astimezone(UTC)
            opening = self.next_open(closes, zone).astimezone(UTC)
            if since + left < closing:
                break
            left -= closing - since
            if opening > closing:
                left = max(left, min(MORNING, timedelta(seconds=seconds)))
            since = opening
        return (since + left).astimezone(zone)


def at_local_time(day: date, clock: time, zone: ZoneInfo, fold: int = 0) -> datetime:
    """Return the instant at which ``zone``'s wall clock shows ``clock`` on ``day``.

    A time that the clock skips is moved forward by what is skipped; of one that it shows twice the
    first is meant, the second with ``fold`` 1.
    """
    wall = datetime.combine(day, clock.replace(fold=fold), zone)
    return wall.astimezone(UTC).astimezone(zone)


def format_clock(clock: time) -> str:
    """Format ``clock`` in the English 12-hour form: ``5:00 PM``."""
    return f"{clock.hour % 12 or 12}:{clock.minute:02} {'AM' if clock.hour < 12 else 'PM'}"
