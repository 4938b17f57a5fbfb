"""Parses written figures of times and dates: 17:30, 1.5, 25/11/2026."""

from typing import Final, NamedTuple

from fwai.domain.spoken_time_refusals import NO_SUCH_CLOCK, refuse

_FRACTIONS: Final = {"5": 30, "25": 15, "75": 45}  # in sixtieths
_MONTHS: Final = range(1, 13)
_DAYS: Final = range(1, 32)


class WrittenDate(NamedTuple):
    """A date as it was said; 0 is unsaid.

    Attributes:
        day: Day of the month.
        month: 1 is January; 0 is any.
        year: 0 is any.
        swappable: Day and month were figures, so that they may be the other way round.
    """

    day: int
    month: int = 0
    year: int = 0
    swappable: bool = False


def whole_number(sixtieths: int) -> int:
    """Return the number that ``sixtieths`` are; a fraction is refused."""
    number, rest = divmod(sixtieths, 60)
    return refuse() if rest else number


def is_hundreds(text: str) -> bool:
    """Whether ``text`` is written like the 1730 of "1730 hours" or the 730 of "at 730"."""
    return len(text) in (3, 4) and text.isdecimal()


def decimal_sixtieths(figures: str) -> int | None:
    """Parse ``1.5``, ``1.25`` or ``1.75`` to sixtieths; None for what else it may be.

    1.30 hours are an hour and thirty minutes to most who say it, and no 78 minutes.
    """
    whole, _, rest = figures.partition(".")
    if not (whole.isdecimal() and len(whole) <= 4 and rest in _FRACTIONS):
        return None
    return int(whole) * 60 + _FRACTIONS[rest]


def is_dotted_date(figures: str) -> bool:
    """Whether ``figures`` may be a day and a month, as 5.12 is the fifth of December."""
    day, _, month = figures.partition(".")
    return day.isdecimal() and month.isdecimal() and int(day) in _DAYS and int(month) in _MONTHS


def clock_figures(figures: str) -> int:
    """Parse ``17:30``, ``5.30`` or ``17:30:00`` to minutes."""
    parts = figures.replace(".", ":").split(":")
    if not (len(parts) in (2, 3) and all(part.isdecimal() and len(part) <= 2 for part in parts)):
        refuse()
    hour, minute = int(parts[0]), int(parts[1])
    if hour > 23 or minute > 59 or len(parts[1]) != 2:
        refuse(NO_SUCH_CLOCK)
    return hour * 60 + minute


def date_figures(figures: str) -> WrittenDate | None:
    """Parse ``2026-11-25``, ``25/11/2026``, ``25.11.26`` or ``25/11``."""
    for mark in "-/.":
        parts = figures.split(mark)
        if not all(part.isdecimal() and len(part) <= 4 for part in parts):
            continue
        numbers = [int(part) for part in parts]
        if len(numbers) == 2 and mark == "/":
            return WrittenDate(numbers[0], numbers[1], 0, swappable=True)
        if len(numbers) == 3 and len(parts[0]) == 4:
            return WrittenDate(numbers[2], numbers[1], numbers[0])
        if len(numbers) == 3:
            year = numbers[2] if numbers[2] > 99 else 2000 + numbers[2]
            return WrittenDate(numbers[0], numbers[1], year, swappable=True)
    return None
