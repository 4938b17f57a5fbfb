"""Grammar of spoken times: parses words to a day, a clock time or an offset from now.

`TimeParser` makes one pass over the words. What it does not understand it refuses; no guesses.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

from fwai.domain.spoken_time_words import DAY_S, HOUR_S, MINUTE_S, Kind, Word

UNCLEAR: Final = "That time is not clear; ask for one day and one time, such as tomorrow at 5 PM."
DISAGREE: Final = "The days named do not agree; ask which day is meant."


class SpokenTimeError(ValueError):
    """A time cannot be parsed or used; the text tells the agent what to ask, in one sentence."""


@dataclass(slots=True)
class TimeExpression:
    """The parsed parts of a spoken time; None is unsaid.

    Attributes:
        ahead_s: Offset from now, in seconds.
        days: Days from today.
        weekday: 0 is Monday.
        next_week: The weekday is one of next week.
        date: Day, month (0: any) and year (0: any).
        clock: Hour and minute as said, 12-hour or 24-hour.
        exact: The clock was written as in 24-hour notation, with a leading zero.
        meridiem: 0 before noon, 12 after.
        parts: Parts of the day.
    """

    ahead_s: int | None = None
    days: int | None = None
    weekday: int | None = None
    next_week: bool = False
    date: tuple[int, int, int] | None = None
    clock: tuple[int, int] | None = None
    exact: bool = False
    meridiem: int | None = None
    parts: set[int] = field(default_factory=set)

    @property
    def names_day(self) -> bool:
        """Whether a day is named."""
        return self.days is not None or self.weekday is not None or self.date is not None


class TimeParser:
    """Single-pass parser; each rule looks a few words ahead and consumes what it matches."""

    def __init__(self, words: list[Word]) -> None:
        self._words = words
        self._at = 0
        self._expression = TimeExpression()
        self._rules: tuple[Callable[[], bool], ...] = (
            self._date,
            self._minutes_of_hour,
            self._duration,
            self._clock,
            self._day,
            self._connective,
        )

    def parse(self) -> TimeExpression:
        """Parse all words; one that no rule matches refuses the whole."""
        while self._at < len(self._words):
            if not any(rule() for rule in self._rules):
                refuse()
        return self._expression

    def _peek(self, ahead: int = 0) -> Word:
        at = self._at + ahead
        return self._words[at] if at < len(self._words) else _END

    def _next_are(self, *kinds: Kind) -> bool:
        return all(self._peek(ahead).kind is kind for ahead, kind in enumerate(kinds))

    def _set(self, name: str, value: object) -> None:
        if getattr(self._expression, name) not in (None, value):
            refuse(DISAGREE if name in ("days", "weekday", "date") else UNCLEAR)
        setattr(self._expression, name, value)

    # ---- days -----------------------------------------------------------------------------------

    def _date(self) -> bool:
        word = self._peek()
        if word.kind is Kind.FIGURES and (found := _date_figures(word.text)) is not None:
            self._at += 1
            self._set("date", found)
            return True
        for kinds in (_DAY_TH_MONTH, _DAY_MONTH, _MONTH_DAY_TH, _MONTH_DAY, _DAY_TH):
            if self._next_are(*kinds):
                taken = self._words[self._at : self._at + len(kinds)]
                day = next(one for one in taken if one.kind is Kind.NUMBER)
                month = next((one.value for one in taken if one.kind is Kind.MONTH), 0)
                self._at += len(kinds)
                self._set("date", (_whole_number(day.value), month, self._year() if month else 0))
                return True
        return False

    def _year(self) -> int:
        comma = 1 if self._peek().kind is Kind.BREAK else 0
        word = self._peek(comma)
        if word.kind is Kind.NUMBER and word.value // 60 in _YEARS:
            self._at += comma + 1
            return word.value // 60
        return 0

    def _day(self) -> bool:
        word, following = self._peek(), self._peek(1)
        match word.kind:
            case Kind.DAY:
                self._set("days", word.value)
            case Kind.WEEKDAY:
                self._set("weekday", word.value)
            case Kind.NEXT if following.kind is Kind.WEEKDAY:
                self._expression.next_week = True
            case Kind.NEXT_WEEK:
                self._expression.next_week = True
            case Kind.DAY_PART:
                self._expression.parts.add(word.value)
            case Kind.MERIDIEM if self._expression.clock is not None:
                self._set("meridiem", word.value)
            case _:
                return False
        self._at += 1
        return True

    # ---- offset from now ------------------------------------------------------------------------

    def _duration(self) -> bool:
        """Parse "2 hours", "half an hour", "sava do ghante", "1.5 hours", "an hour and a half"."""
        start = self._at
        sixtieths = self._quantity()
        unit = self._peek()
        hundreds = len(self._words[start].text) == len("1530") and unit.value == HOUR_S
        if sixtieths is None or unit.kind is not Kind.UNIT or hundreds:
            self._at = start
            return False
        self._at += 1
        if self._next_are(Kind.AND_HALF):
            self._at += 1
            sixtieths += 30
        total_s, rest = divmod(sixtieths * unit.value, 60)
        if unit.value < DAY_S:
            self._expression.ahead_s = (self._expression.ahead_s or 0) + total_s
        elif rest or total_s % DAY_S:
            refuse()
        else:
            self._set("days", total_s // DAY_S)
        return True

    def _quantity(self) -> int | None:
        if self._next_are(Kind.ARTICLE, Kind.UNIT):
            self._at += 1
            return 60
        if self._next_are(Kind.ARTICLE):
            self._at += 1
        word = self._peek()
        self._at += 1
        match word.kind:
            case Kind.PART:
                self._at += self._next_are(Kind.ARTICLE)
                return word.value
            case Kind.MORE:
                if self._next_are(Kind.NUMBER):
                    self._at += 1
                    return self._words[self._at - 1].value + word.value
                return 60 + word.value
            case Kind.NUMBER:
                half = self._next_are(Kind.AND_HALF)
                self._at += half
                return word.value + (30 if half else 0)
            case Kind.FIGURES:
                return _decimal(word.text)
        return None

    # ---- clock ----------------------------------------------------------------------------------

    def _minutes_of_hour(self) -> bool:
        """Parse "half past five", "quarter to six", "10 minutes to 5".

        A bare "5 to 6" may be five to six or from five to six, and is refused.
        """
        word = self._peek()
        if word.kind not in (Kind.PART, Kind.NUMBER):
            return False
        unit = self._peek(1).kind is Kind.UNIT
        side, hour = self._peek(1 + unit), self._peek(2 + unit)
        unambiguous = word.kind is Kind.PART or unit or side.kind is Kind.PAST
        if side.kind not in (Kind.PAST, Kind.TO) or hour.kind is not Kind.NUMBER or not unambiguous:
            return False
        minute = word.value if word.kind is Kind.PART else _whole_number(word.value)
        if not 0 < minute < 60 or (unit and self._peek(1).value != MINUTE_S):
            refuse()
        self._at += 3 + unit
        return self._set_clock_near(hour, minute if side.kind is Kind.PAST else -minute)

    def _clock(self) -> bool:
        """Parse "5", "5:30", "five thirty", "saadhe 5", "5 baj kar 20 minute", "1530 hours"."""
        word = self._peek()
        if word.kind is Kind.FIGURES:
            self._at += 1
            return self._set_clock(_clock_figures(word.text), exact=word.text[0] == "0")
        if self._next_are(Kind.MORE, Kind.NUMBER):
            self._at += 2
            return self._set_clock_near(self._peek(-1), word.value)
        if word.kind is not Kind.NUMBER:
            return False
        self._at += 1
        if len(word.text) == len("1530") and self._peek().value == HOUR_S:
            self._at += 1
            return self._set_clock(word.value // 6000 * 60 + word.value // 60 % 100, exact=True)
        minute = self._minutes()
        return self._set_clock(word.value + minute)

    def _minutes(self) -> int:
        if self._next_are(Kind.AND_MINUTES, Kind.NUMBER):
            self._at += 2
            minute = _whole_number(self._peek(-1).value)
            self._at += self._peek().value == MINUTE_S and self._peek().kind is Kind.UNIT
            return minute if minute < 60 else refuse()
        word = self._peek()
        # "Das gyarah baje" is about ten or eleven; only round minutes are taken for minutes.
        if word.kind is Kind.NUMBER and word.value in _ROUND and self._peek(1).kind not in _COUNTED:
            self._at += 1
            return word.value // 60
        return 0

    def _set_clock_near(self, hour: Word, minutes: int) -> bool:
        """Set a clock time some minutes from an hour; a quarter to one is 12:45."""
        total = _whole_number(hour.value) * 60 + minutes
        return self._set_clock(total + 720 if minutes < 0 < total < 60 else total)

    def _set_clock(self, minutes: int, *, exact: bool = False) -> bool:
        """Set a clock time of ``minutes`` after midnight, as it was said."""
        self._at += self._next_are(Kind.OCLOCK)
        if not 0 <= minutes < DAY_S // MINUTE_S:
            refuse()
        self._set("clock", divmod(minutes, 60))
        self._expression.exact = exact
        return True

    # ---- the rest -------------------------------------------------------------------------------

    def _connective(self) -> bool:
        before, word, following = self._peek(-1) if self._at else _END, self._peek(), self._peek(1)
        match word.kind:
            case Kind.NOW:
                self._expression.ahead_s = self._expression.ahead_s or 0
            case Kind.AFTER if following.kind in _NAMED_DAYS or self._peek(2).kind in _OF_DATE:
                return False  # after Monday is not on Monday
            case Kind.LATER if before.kind in _NAMED_DAYS:
                return False
            case Kind.AFTER | Kind.LATER | Kind.BREAK | Kind.ARTICLE:
                pass
            case _:
                return False
        self._at += 1
        return True


def refuse(reason: str = UNCLEAR) -> NoReturn:
    """Raise ``SpokenTimeError`` for ``reason``."""
    raise SpokenTimeError(reason)


_END: Final = Word(Kind.BREAK)
_DAY_TH_MONTH: Final = (Kind.NUMBER, Kind.ORDINAL, Kind.MONTH)
_DAY_MONTH: Final = (Kind.NUMBER, Kind.MONTH)
_MONTH_DAY_TH: Final = (Kind.MONTH, Kind.NUMBER, Kind.ORDINAL)
_MONTH_DAY: Final = (Kind.MONTH, Kind.NUMBER)
_DAY_TH: Final = (Kind.NUMBER, Kind.ORDINAL)
_YEARS: Final = range(2000, 2200)
_NAMED_DAYS: Final = (Kind.DAY, Kind.WEEKDAY, Kind.MONTH)
_OF_DATE: Final = (Kind.ORDINAL, Kind.MONTH)
_COUNTED: Final = (Kind.UNIT, *_OF_DATE)
_ROUND: Final = frozenset(range(15 * 60, 60 * 60, 5 * 60))


def _whole_number(sixtieths: int) -> int:
    number, rest = divmod(sixtieths, 60)
    return refuse() if rest else number


def _decimal(figures: str) -> int | None:
    """Parse ``1.5`` to sixtieths; None if it is not a decimal number."""
    whole, _, rest = figures.partition(".")
    if not (whole.isdecimal() and rest.isdecimal() and len(whole) <= 4 and len(rest) <= 2):
        return None
    return int(whole) * 60 + int(rest.ljust(2, "0")) * 60 // 100


def _clock_figures(figures: str) -> int:
    """Parse ``17:30``, ``5.30`` or ``17:30:00`` to minutes."""
    parts = figures.replace(".", ":").split(":")
    if not (len(parts) in (2, 3) and all(part.isdecimal() and len(part) <= 2 for part in parts)):
        refuse()
    hour, minute = int(parts[0]), int(parts[1])
    if hour > 23 or minute > 59 or len(parts[1]) != 2:
        refuse()
    return hour * 60 + minute


def _date_figures(figures: str) -> tuple[int, int, int] | None:
    """Parse day, month and year of ``2026-11-25``, ``25/11/2026``, ``25.11.26`` or ``25/11``."""
    for mark in "-/.":
        parts = figures.split(mark)
        if not all(part.isdecimal() and len(part) <= 4 for part in parts):
            continue
        numbers = [int(part) for part in parts]
        if len(numbers) == 2 and mark == "/":
            return numbers[0], numbers[1], 0
        if len(numbers) == 3:
            year, month, day = numbers if len(parts[0]) == 4 else numbers[::-1]
            return day, month, year if year > 99 else 2000 + year
    return None
