"""Booking rules of availability.json: working hours, slots, holidays, notice."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from fwai.domain.hours import CallingHours, at_local_time, format_clock

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_SLOTS_SEARCHED: Final = 2000  # slots looked at in one search for free ones
_LIMITS: Final = {  # least and most of each number in the file
    "slot_minutes": (5, 1440),
    "duration_minutes": (5, 1440),
    "capacity": (1, 1000),
    "notice_minutes": (0, 43_200),
    "horizon_days": (1, 365),
}
_KEYS: Final = ("working_hours", "holidays", *_LIMITS)
_HOLIDAY_KEYS: Final = ("date", "name")


@dataclass(frozen=True, slots=True)
class Availability:
    """Booking rules; times are local to the zone passed to each method.

    Attributes:
        working: Seven days from Monday, the hours of each in order; empty is closed.
        slot_minutes: Demos start every so many minutes from the start of each span of hours.
        duration_minutes: How long one takes; it ends within the hours it starts in.
        capacity: How many may run at the same time.
        holidays: Closed days and what they are called, empty for no name.
        notice_minutes: Between now and the start at least.
        horizon_days: Between now and the start at most.
    """

    working: tuple[tuple[CallingHours, ...], ...]
    slot_minutes: int = 30
    duration_minutes: int = 30
    capacity: int = 1
    holidays: Mapping[date, str] = field(default_factory=dict)
    notice_minutes: int = 60
    horizon_days: int = 60

    def refusal(self, at: datetime, now: datetime, zone: ZoneInfo, taken: int) -> str | None:
        """Return why no demo can start at ``at``, as one sentence for the agent, or None.

        Args:
            at: When it shall start.
            now: The current time.
            zone: Time zone of the working hours.
            taken: How many booked demos overlap one that starts at ``at``.
        """
        local = at.astimezone(zone)
        refused = self._range_refusal(at.astimezone(UTC), now.astimezone(UTC)) or self._day_refusal(
            local.date()
        )
        refused = refused or self._slot_refusal(local)
        if refused is None and taken >= self.capacity:
            return "That slot is full; offer another one."
        return refused

    def next_free(
        self,
        at: datetime,
        now: datetime,
        zone: ZoneInfo,
        taken: Callable[[datetime], int],
        most: int = 3,
    ) -> list[datetime]:
        """Return the next bookable start times from ``at`` on, in order, in ``zone``.

        The search ends at the horizon or after ``MAX_SLOTS_SEARCHED`` slots; ``taken`` is called
        once for each of them and returns how many booked demos overlap one that starts then.
        """
        now = now.astimezone(UTC)  # sums and comparisons within a zone go by its clock
        first = max(at.astimezone(UTC), now + timedelta(minutes=self.notice_minutes))
        last = now + timedelta(days=self.horizon_days)
        slots = islice(self._slots(first, last, zone), MAX_SLOTS_SEARCHED)
        return list(islice((slot for slot in slots if taken(slot) < self.capacity), most))

    # ---- reasons --------------------------------------------------------------------------------

    def _range_refusal(self, at: datetime, now: datetime) -> str | None:
        if at < now:
            return "That time has passed; offer a later one."
        if at < now + timedelta(minutes=self.notice_minutes):
            notice = _format_minutes(self.notice_minutes)
            return f"A demo needs {notice} of notice; offer a later time."
        if at > now + timedelta(days=self.horizon_days):
            days = "1 day" if self.horizon_days == 1 else f"{self.horizon_days} days"
            return f"Demos are booked at most {days} ahead; offer an earlier date."
        return None

    def _day_refusal(self, day: date) -> str | None:
        if day in self.holidays:
            name = self.holidays[day]
            called = f" ({name})" if name else ""
            return f"{day.day} {day:%B} is a holiday{called}; offer another day."
        if not self.working[day.weekday()]:
            return f"There are no demos on a {day:%A}; offer another day."
        return None

    def _slot_refusal(self, local: datetime) -> str | None:
        minute = local.hour * 60 + local.minute
        spans = self.working[local.weekday()]
        span = next((one for one in spans if one.start_minute <= minute < one.end_minute), None)
        if span is None:
            open_hours = " and ".join(
                f"from {format_clock(one.start)} to {format_clock(one.end)}" for one in spans
            )
            return f"On a {local:%A} demos are {open_hours}; offer a time within."
        if minute + self.duration_minutes > span.end_minute:
            return (
                f"A demo takes {_format_minutes(self.duration_minutes)} and must end by "
                f"{format_clock(span.end)}; offer an earlier time."
            )
        if (minute - span.start_minute) % self.slot_minutes or local.second or local.microsecond:
            return (
                f"Demos start every {_format_minutes(self.slot_minutes)} from "
                f"{format_clock(span.start)}; offer one of those times."
            )
        return None

    # ---- slots ----------------------------------------------------------------------------------

    def _slots(self, first: datetime, last: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        day = first.astimezone(zone).date()
        final = last.astimezone(zone).date()
        while day <= final:
            if self._day_refusal(day) is None:
                yield from (slot for slot in self._slots_of_day(day, zone) if first <= slot <= last)
            day += timedelta(days=1)

    def _slots_of_day(self, day: date, zone: ZoneInfo) -> Iterator[datetime]:
        for span in self.working[day.weekday()]:
            latest = span.end_minute - self.duration_minutes
            for minute in range(span.start_minute, latest + 1, self.slot_minutes):
                clock = time(minute // 60, minute % 60)
                slot = at_local_time(day, clock, zone)
                if slot.time() == clock:  # not one that the clock skips
                    yield slot


DEFAULT: Final = Availability((*[(CallingHours(time(10), time(18)),)] * 6, ()))


def _format_minutes(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    number, unit = (minutes, "minute") if rest or not hours else (hours, "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"


# ---- the file -----------------------------------------------------------------------------------


def read_availability(raw: object) -> Availability:
    """Parse availability.json; an absent key keeps its value of ``DEFAULT``.

    A weekday that ``working_hours`` does not name is closed.

    Raises:
        ValueError: Every problem with its path in the file and its fix, one a line.
    """
    if not isinstance(raw, dict):
        raise ValueError(f"write an object with {', '.join(_KEYS)}")  # noqa: TRY004
    problems = [f"{key}: unknown key; use {', '.join(_KEYS)}" for key in raw if key not in _KEYS]
    numbers = {key: _parse_number(raw, key, problems) for key in _LIMITS}
    working = DEFAULT.working
    if "working_hours" in raw:
        working = _parse_working_hours(raw["working_hours"], numbers["duration_minutes"], problems)
    holidays = _parse_holidays(raw.get("holidays", []), problems)
    if problems:
        raise ValueError("\n".join(problems))
    return Availability(working=working, holidays=holidays, **numbers)


def _parse_number(raw: Mapping[str, Any], key: str, problems: list[str]) -> int:
    least, most = _LIMITS[key]
    default: int = getattr(DEFAULT, key)
    value = raw.get(key, default)
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    problems.append(f"{key}: write a whole number from {least} to {most}")
    return default


def _parse_working_hours(
    raw: object, duration_minutes: int, problems: list[str]
) -> tuple[tuple[CallingHours, ...], ...]:
    if not isinstance(raw, dict):
        problems.append(f"working_hours: write an object with {', '.join(DAYS)}")
        return DEFAULT.working
    problems += [
        f"working_hours.{day}: unknown day; use {', '.join(DAYS)}" for day in raw if day not in DAYS
    ]
    return tuple(_parse_day(raw.get(day, []), day, duration_minutes, problems) for day in DAYS)


def _parse_day(
    raw: object, day: str, duration_minutes: int, problems: list[str]
) -> tuple[CallingHours, ...]:
    where = f"working_hours.{day}"
    if not isinstance(raw, list):
        problems.append(f'{where}: write a list such as ["10:00-13:00", "14:00-18:00"], or []')
        return ()
    spans: list[CallingHours] = []
    for index, text in enumerate(raw):
        try:
            span = CallingHours.parse(text if isinstance(text, str) else "")
        except ValueError as exc:
            problems.append(f"{where}.{index}: {exc}")
            continue
        if span.end_minute - span.start_minute < duration_minutes:
            problems.append(f"{where}.{index}: shorter than duration_minutes ({duration_minutes})")
        if spans and span.start_minute < spans[-1].end_minute:
            problems.append(f"{where}.{index}: begins before {spans[-1]} ends; put them in order")
        spans.append(span)
    return tuple(spans)


def _parse_holidays(raw: object, problems: list[str]) -> dict[date, str]:
    if not isinstance(raw, list):
        problems.append('holidays: write a list such as ["2026-12-25"], or []')
        return {}
    found: dict[date, str] = {}
    for index, item in enumerate(raw):
        one: Any = item
        where, name = f"holidays.{index}", ""
        if isinstance(one, dict):
            where, one, name = f"{where}.date", one.get("date"), _parse_name(one, where, problems)
        try:
            found[date.fromisoformat(one if isinstance(one, str) else "")] = name
        except ValueError:
            problems.append(f"{where}: write a date as 2026-12-25")
    return found


def _parse_name(raw: Mapping[str, Any], where: str, problems: list[str]) -> str:
    problems += [
        f"{where}.{key}: unknown key; use date and name" for key in raw if key not in _HOLIDAY_KEYS
    ]
    name = raw.get("name", "")
    if isinstance(name, str):
        return name.strip()
    problems.append(f"{where}.name: write a text")
    return ""
