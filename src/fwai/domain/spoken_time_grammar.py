"""Grammar of spoken times: parses words to a day, a clock time or an offset from now.

`TimeParser` makes one pass over the words. What it does not understand it refuses; no guesses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from fwai.domain.spoken_time_clock import read_clock
from fwai.domain.spoken_time_cursor import END, WordCursor
from fwai.domain.spoken_time_durations import (
    check_counts_from_now,
    is_minutes_of_hour,
    read_duration,
)
from fwai.domain.spoken_time_figures import WrittenDate, date_figures, whole_number
from fwai.domain.spoken_time_kinds import DAY_S, DAYTIME, Kind, Word
from fwai.domain.spoken_time_refusals import (
    DISAGREE,
    UNCLEAR,
    refuse,
    refuse_word,
    refuse_words,
)


@dataclass(slots=True)
class TimeExpression:
    """The parsed parts of a spoken time; None is unsaid.

    Attributes:
        ahead_s: Offset from now, in seconds.
        beside_today: The offset may stand beside "today": a word says that it is one.
        days: Days from today.
        counted_days: Days from today, unless another day is named, which they may count from.
        more_days: Days counted from the day named: "a week from Friday".
        weekday: 0 is Monday.
        next_weekday: "next" stood before the weekday.
        week: The weekday is one of this week (0) or the next (1).
        month: The date is one of this month (0) or the next (1).
        date: A day with or without month and year.
        clock: Hour and minute as said, 12-hour or 24-hour.
        same_time: The clock time is that of now.
        exact: The clock was written as in 24-hour notation.
        either: The clock may be of either half of the day, however unlikely the hour.
        to_twelve: The clock was said as some minutes to twelve.
        meridiem: 0 before noon, 12 after.
        parts: Parts of the day.
    """

    ahead_s: int | None = None
    beside_today: bool = False
    days: int | None = None
    counted_days: int | None = None
    more_days: int | None = None
    weekday: int | None = None
    next_weekday: bool = False
    week: int | None = None
    month: int | None = None
    date: WrittenDate | None = None
    clock: tuple[int, int] | None = None
    same_time: bool = False
    exact: bool = False
    either: bool = False
    to_twelve: bool = False
    meridiem: int | None = None
    parts: set[int] = field(default_factory=set)

    @property
    def names_day(self) -> bool:
        """Whether a day is named or counted."""
        return self.names_own_day or self.counted_days is not None

    @property
    def names_own_day(self) -> bool:
        """Whether a day is named that another may be counted from."""
        return self.days is not None or self.weekday is not None or self.date is not None

    @property
    def names_anything(self) -> bool:
        """Whether a day, a part of one or a time is named."""
        week_or_month = self.week is not None or self.month is not None
        return self.names_day or week_or_month or bool(self.clock or self.parts)


class TimeParser:
    """Single-pass parser; each rule looks a few words ahead and consumes what it matches."""

    def __init__(self, words: Sequence[Word]) -> None:
        refuse_words(words)
        self._words = WordCursor(words)
        self._duration_end = -1
        self._expression = TimeExpression()
        self._rules: tuple[Callable[[], bool], ...] = (
            self._date,
            self._before_clock,
            self._day,
            self._day_from_today,
            self._preposition,
            self._connective,
        )

    def parse(self) -> TimeExpression:
        """Parse all words; one that no rule matches refuses the whole."""
        while not self._words.done:
            if not any(rule() for rule in self._rules):
                refuse()
        return self._expression

    def _set(self, name: str, value: object) -> None:
        if getattr(self._expression, name) not in (None, value):
            refuse(DISAGREE if name in _DAYS_OF_EXPRESSION else UNCLEAR)
        setattr(self._expression, name, value)

    # ---- days -----------------------------------------------------------------------------------

    def _date(self) -> bool:
        words = self._words
        start, month = words.at, 0
        if words.peek().kind is Kind.FIGURES:
            found = date_figures(words.peek().text)
            if found is not None:
                words.at += 1
                self._set("date", found)
            return found is not None
        if words.peek().kind is Kind.MONTH:
            month = words.take().value
        day = self._day_of_month(certain=bool(month))
        if not day:
            words.at = start
            return False
        if not month and words.peek().kind is Kind.MONTH:
            month = words.take().value
        year = self._year() if month else 0
        if month and not year and self._may_be_year():
            refuse()
        self._set("date", WrittenDate(day, month, year))
        return True

    def _day_of_month(self, *, certain: bool) -> int:
        """Read the number of a day; a bare one must be ``certain`` or stand before a month."""
        word, following = self._words.peek(), self._words.peek(1).kind
        ordinal = word.kind is Kind.NTH or following in (Kind.ORDINAL, Kind.KO)
        if word.kind is Kind.NTH:
            day = word.value
            beside = (self._words.peek(-1).kind, following)
            sure = certain or any(kind in _BESIDE_NTH for kind in beside) or "the " in word.text
            if day <= _ALSO_IN_ORDER and not sure:
                return 0  # "first call me"
        elif word.kind is Kind.NUMBER and (certain or ordinal or following is Kind.MONTH):
            day = whole_number(word.value)
        else:
            return 0
        self._words.at += 1
        # "Pehli tarikh ko", "21 ko": what follows an ordinal belongs to it.
        self._words.skip(Kind.ORDINAL)
        self._words.skip(Kind.KO)
        if ordinal and day <= _WEEKS_OF_MONTH and self._words.peek().kind is Kind.WEEKDAY:
            refuse(DISAGREE)  # the first Monday is not Monday the first
        return day or refuse()

    def _year(self) -> int:
        comma = 1 if self._words.peek().kind is Kind.BREAK else 0
        word = self._words.peek(comma)
        if word.kind is Kind.NUMBER and word.value // 60 in _YEARS:
            self._words.at += comma + 1
            return word.value // 60
        return 0

    def _may_be_year(self) -> bool:
        """Whether a bare number follows that may be an hour or a year: 25 November 15."""
        word, following = self._words.peek(), self._words.peek(1).kind
        figures = word.text.isdecimal() and _LAST_HOUR < word.value // 60 < _CENTURY
        return figures and following in (Kind.BREAK, *_ANCHORS, Kind.DAY_PART)

    def _day(self) -> bool:
        word, following = self._words.peek(), self._words.peek(1)
        match word.kind:
            case Kind.WEEKDAY:
                self._set("weekday", word.value)
                if following.kind is Kind.UNIT and following.value == _WEEK_S:
                    self._words.at += 1
                    self._set("more_days", 7)  # Friday week
            case Kind.NEXT if following.kind is Kind.WEEKDAY:
                if self._expression.weekday is not None:
                    refuse(DISAGREE)  # "somvar ke agle somvar" is a week behind that
                self._expression.next_weekday = True
            case Kind.THIS if following.kind in (Kind.WEEKDAY, Kind.MONTH, Kind.NTH):
                pass
            case Kind.THIS_WEEK | Kind.NEXT_WEEK:
                self._set("week", int(word.kind is Kind.NEXT_WEEK))
            case Kind.NEAR_MONTH:
                self._set("month", word.value)
            case Kind.DAY_PART:
                self._expression.parts.add(word.value)
            case Kind.MERIDIEM if self._expression.clock is not None:
                self._set("meridiem", word.value)
            case _:
                return False
        self._words.at += 1
        return True

    def _day_from_today(self) -> bool:
        words, word = self._words, self._words.peek()
        match word.kind:
            case Kind.DAY:
                joined = any(one.kind is Kind.OF for one in words.asides())
                if joined and words.peek(-1).kind in _ENDS_OF_DAYS:
                    refuse(DISAGREE)  # "somvar ke kal" is not tomorrow
                self._set("days", word.value)
            case Kind.NEXT_DAY:
                self._set("counted_days", word.value)
            case Kind.UNIT if word.text in _DAYTIME and words.peek(1).kind in (Kind.MEIN, Kind.KO):
                if any(one.text.endswith(_TWO) for one in words.asides()[-1:]):
                    refuse()  # "call kar do din mein": in the daytime, or in two days
                self._expression.parts.add(DAYTIME)  # "din mein 3 baje"
            case _:
                return False
        words.at += 1
        return True

    # ---- offset and clock -----------------------------------------------------------------------

    def _before_clock(self) -> bool:
        """Read "10 minutes to 5" as a time of day before "10 minutes" is taken for an offset."""
        words = self._words
        start, before = words.at, words.peek(-1).kind
        duration = None if is_minutes_of_hour(words) else read_duration(words)
        if duration is not None:
            if before in (Kind.AT, Kind.FOR):
                refuse()  # how long, not when
            self._set_duration(duration.seconds, in_days=duration.days, start=start)
            return True
        clock = read_clock(words)
        if clock is not None:
            if before is Kind.NUMBER and self._expression.clock is not None:
                refuse()  # 5 5: two numbers, of which nothing says what they are
            self._set("clock", divmod(clock.minutes, 60))
            self._expression.exact = clock.exact
            self._expression.either = clock.either
            self._expression.to_twelve = clock.to_twelve
        return clock is not None

    def _set_duration(self, seconds: int, *, in_days: bool, start: int) -> None:
        words = self._words
        self._duration_end = words.at
        if self._expression.ahead_s is not None:
            refuse()  # an hour and an hour
        days = seconds // DAY_S
        counted = words.peek(start - 1 - words.at).kind is Kind.IN
        week_on = in_days and days % 7 == 0 and words.next_are(Kind.ON, Kind.WEEKDAY)
        week_on = week_on and not counted
        sure = week_on or check_counts_from_now(words, start)
        if not in_days:
            self._expression.beside_today = sure
            self._set("ahead_s", seconds)
        elif week_on or (words.peek().kind is Kind.FROM and words.peek(1).kind in _ANCHORS):
            words.at += 1
            self._set("more_days", days)
        else:
            # "In two days, on Friday" counts from now; "Friday, two days later" need not.
            first = counted and sure and not words.next_are(Kind.LATER)
            first = first and not self._expression.names_own_day
            self._set("days" if first else "counted_days", days)

    # ---- the rest -------------------------------------------------------------------------------

    def _preposition(self) -> bool:
        """Read words before or behind what they belong to; others they may not join."""
        words = self._words
        word, before, following = words.peek(), words.peek(-1).kind, words.peek(1).kind
        match word.kind:
            case Kind.IN if self._expression.ahead_s is not None:
                return False  # in ten minutes in an hour
            case Kind.IN if following not in _BEHIND_IN:
                return False
            case Kind.MEIN if before not in _BEFORE_MEIN:
                return False
            case Kind.KO if before not in _BEFORE_KO:
                return False
            case Kind.ON if following not in _BEHIND_ON:
                return False
            case Kind.IN | Kind.MEIN | Kind.KO | Kind.ON | Kind.AT | Kind.FOR:
                words.at += 1
                return True
        return False

    def _connective(self) -> bool:
        words = self._words
        word = words.peek()
        match word.kind:
            case Kind.NOW if self._duration_follows():
                pass  # "abhi 5 minute mein"
            case Kind.NOW:
                self._set("ahead_s", 0)
            case Kind.SAME_TIME:
                self._expression.same_time = True
            case Kind.AFTER | Kind.LATER if not self._counts_from_now(word):
                alone = not self._expression.names_anything and words.peek(1) is END
                refuse_word(word.text, Kind.VAGUE if alone else Kind.OPEN)
            case Kind.FROM:
                refuse_word(word.text, Kind.OPEN)
            case Kind.ARTICLE if words.peek(1).kind not in _BEHIND_ARTICLE:
                return False  # the "a" of "5 a" may be AM
            case Kind.AFTER | Kind.LATER | Kind.BREAK | Kind.ARTICLE:
                pass
            case _:
                return False
        words.at += 1
        return True

    def _counts_from_now(self, word: Word) -> bool:
        """Whether "after" or "later" only says which way a duration is counted."""
        words = self._words
        following = words.peek(1)
        if words.at == self._duration_end:
            last = following is END and not words.asides(1)  # not "an hour after the call"
            if word.kind is Kind.LATER or last:
                return True
        if word.kind is Kind.LATER:
            of_day = following.kind in (Kind.DAY, Kind.DAY_PART)  # later today, at six
            return of_day and word.text == "later" and self._expression.clock is None
        return self._duration_follows()

    def _duration_follows(self) -> bool:
        """Whether a duration begins behind the next word."""
        words = self._words
        start = words.at
        words.at += 1
        counted = not is_minutes_of_hour(words) and read_duration(words) is not None
        words.at = start
        return counted


_DAYS_OF_EXPRESSION: Final = ("days", "counted_days", "weekday", "date", "week", "month")
_DAYTIME: Final = ("din", "dinon", "दिन", "दिनों")
_TWO: Final = ("do", "दो")
_WEEK_S: Final = 7 * DAY_S
_WEEKS_OF_MONTH: Final = 5
_ALSO_IN_ORDER: Final = 3
_BESIDE_NTH: Final = (Kind.ON, Kind.THIS, Kind.ORDINAL, Kind.KO, Kind.MONTH)
_YEARS: Final = range(2000, 2200)
_LAST_HOUR: Final = 12
_CENTURY: Final = 100
_ANCHORS: Final = (Kind.DAY, Kind.WEEKDAY)
_NAMED_DAYS: Final = (Kind.DAY, Kind.NEXT_DAY, Kind.WEEKDAY, Kind.MONTH)
_ENDS_OF_DAYS: Final = (*_NAMED_DAYS, Kind.NTH, Kind.ORDINAL, Kind.KO)
_NUMBERS: Final = (Kind.NUMBER, Kind.FIGURES)
_WEEKS: Final = (Kind.THIS_WEEK, Kind.NEXT_WEEK)
_BEHIND_ARTICLE: Final = (Kind.PART, *_NUMBERS, Kind.MORE, Kind.WEEKDAY)
_BEHIND_IN: Final = (
    *_BEHIND_ARTICLE,
    Kind.ARTICLE,
    Kind.COUPLE,
    Kind.UNIT,
    Kind.DAY_PART,
    Kind.MONTH,
)
_BEHIND_ON: Final = (*_NAMED_DAYS, Kind.NTH, *_NUMBERS, Kind.THIS, Kind.NEXT, *_WEEKS)
_BEFORE_MEIN: Final = (*_NAMED_DAYS, *_WEEKS, Kind.NEAR_MONTH, Kind.UNIT, Kind.DAY_PART)
_BEFORE_KO: Final = (*_BEFORE_MEIN, Kind.FIGURES, Kind.OCLOCK)
