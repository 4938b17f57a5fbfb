"""Parses a time of day as it is said: "5", "five thirty", "quarter to six", "saadhe 5 baje"."""

from typing import Final, NamedTuple

from fwai.domain.spoken_time_cursor import WordCursor
from fwai.domain.spoken_time_durations import HOURS_OF_CLOCK
from fwai.domain.spoken_time_figures import (
    clock_figures,
    is_dotted_date,
    is_hundreds,
    whole_number,
)
from fwai.domain.spoken_time_kinds import DAY_S, HOUR_S, MINUTE_S, Kind, Word
from fwai.domain.spoken_time_refusals import (
    NO_SUCH_CLOCK,
    NOT_FROM_NOW,
    refuse,
    refuse_count,
    refuse_date,
    refuse_half,
    refuse_on,
    refuse_word,
)

_NOON: Final = 12 * 60
_EARLIEST_HOURS: Final = 8  # "2.30 hours" is rather a length
_LIKE_YEARS: Final = range(2020, 2060)
# Numbers that are also other words: "do call me", "ek phone", "one more time".
_ARTICLES: Final = ("one", "ek", "do", "एक", "दो")
_COUNTED: Final = (Kind.UNIT, Kind.ORDINAL, Kind.MONTH)


class Clock(NamedTuple):
    """A time of day as it was said, of a clock with 12 or 24 hours.

    Attributes:
        minutes: Minutes after midnight.
        exact: It was written as in 24-hour notation.
        either: It may be of either half of the day, however unlikely the hour.
        to_twelve: It was said as some minutes to twelve.
    """

    minutes: int
    exact: bool = False
    either: bool = False
    to_twelve: bool = False


def read_clock(words: WordCursor) -> Clock | None:
    """Read a time of day at the cursor, or leave the cursor where it is."""
    before, first = words.peek(-1), words.peek()
    clock = _around_an_hour(words) or _bajkar(words) or _hour(words)
    if clock is None:
        return None
    if before.kind is Kind.IN or words.next_are(Kind.MEIN):
        refuse_count(first.text, first.value) if first.kind is Kind.NUMBER else refuse()
    words.skip(Kind.OCLOCK)
    if not 0 <= clock.minutes < DAY_S // MINUTE_S:
        refuse(NO_SUCH_CLOCK)
    return clock


def _around_an_hour(words: WordCursor) -> Clock | None:
    """Read "half past five", "quarter to six", "10 minutes to 5".

    A bare "5 to 6" may be five to six or from five to six, and is refused.
    """
    word = words.peek()
    if word.kind not in (Kind.PART, Kind.NUMBER):
        return None
    unit = words.peek(1).kind is Kind.UNIT
    side, hour = words.peek(1 + unit), words.peek(2 + unit)
    if word.kind is Kind.PART and side.kind is Kind.NUMBER and hour.kind is not Kind.UNIT:
        refuse_half(word.text, side.text) if word.value == 30 else refuse()
    if side.kind not in (Kind.PAST, Kind.TO) or hour.kind is not Kind.NUMBER:
        return None
    if side.kind is Kind.TO and word.kind is Kind.NUMBER and not unit:
        refuse_word(f"{word.text} to {hour.text}", Kind.SEVERAL)
    minute = word.value if word.kind is Kind.PART else whole_number(word.value)
    if not 0 < minute < 60 or (unit and words.peek(1).value != MINUTE_S):
        refuse(NO_SUCH_CLOCK)
    words.at += 3 + unit
    return _near(hour, minute if side.kind is Kind.PAST else -minute)


def _bajkar(words: WordCursor) -> Clock | None:
    """Read "5 baj kar 20 minute" and "5 bajne mein 10 minute"."""
    if not words.next_are(Kind.NUMBER, Kind.AND_MINUTES, Kind.NUMBER):
        return None
    hour, side, minutes = words.take(), words.take(), whole_number(words.take().value)
    if not 0 < minutes < 60:
        refuse(NO_SUCH_CLOCK)
    words.at += words.peek().kind is Kind.UNIT and words.peek().value == MINUTE_S
    return _near(hour, minutes * side.value)


def _hour(words: WordCursor) -> Clock | None:
    """Read "5", "5:30", "five thirty", "saadhe 5", "1530 hours"."""
    before = words.peek(-1).kind
    if words.next_are(Kind.MORE, Kind.NUMBER):
        more = words.take().value
        return _near(words.take(), more)
    if words.peek().kind is Kind.FIGURES:
        return _figures(words)
    if words.peek().kind is not Kind.NUMBER:
        return None
    word = words.take()
    if is_hundreds(word.text):
        hours = words.peek().kind is Kind.UNIT and words.peek().value == HOUR_S
        if word.value // 60 in _LIKE_YEARS and not hours and before is not Kind.AT:
            refuse()
        words.at += hours
        hour, minute = divmod(word.value // 60, 100)
        exact = hours or word.text[0] == "0"
        return Clock(hour * 60 + minute, exact) if minute < 60 else refuse(NO_SUCH_CLOCK)
    minutes = _minutes(words, word)
    _check_bare(words, word, before, bare=not minutes)
    # "05 baje" may be five of 24 hours, or five with a zero before it.
    padded = word.text.isdecimal() and word.text[0] == "0" and word.value > 0
    return Clock(word.value + minutes, either=padded)


def _figures(words: WordCursor) -> Clock:
    """Read "5:30", "17.30 hrs"; what may be a date or a length of time is refused."""
    before, around = words.peek(-1).kind, words.asides()
    figures = words.take().text
    dated = before in (Kind.ON, Kind.FOR, Kind.WEEKDAY) or words.next_are(Kind.KO)
    if dated and is_dotted_date(figures):
        refuse_date(figures)
    minutes = clock_figures(figures)
    unit = words.peek()
    hours = unit.kind is Kind.UNIT and unit.text in HOURS_OF_CLOCK
    if hours:
        words.at += 1
        length = figures[1] in ".:" and minutes < _EARLIEST_HOURS * 60
        joined = any(word.kind is Kind.OF for word in around) or words.joined
        lasting = any(word.kind is not Kind.ASIDE for word in words.asides()[:1])
        if length or joined or lasting or before is Kind.FOR:
            refuse(NOT_FROM_NOW)
    return Clock(minutes, exact=hours or figures[0] == "0")


def _check_bare(words: WordCursor, word: Word, before: Kind, *, bare: bool) -> None:
    """Refuse a number that nothing says to be an hour, and that is often something else."""
    following = words.peek().kind
    if not bare or following in (Kind.MERIDIEM, Kind.OCLOCK):
        return
    if before is Kind.ON:
        refuse_on(whole_number(word.value))
    if before is Kind.AT:
        return
    if word.value > _NOON:
        refuse_count(word.text, word.value)  # fifteen is rather a number of minutes
    beside_part = Kind.DAY_PART in (before, following) or following is Kind.IN
    if word.text in _ARTICLES and not beside_part:
        refuse_word(word.text, Kind.UNKNOWN)


def _minutes(words: WordCursor, hour: Word) -> int:
    """Read the minutes of "five thirty", "5 05", "five oh five"."""
    word = words.peek()
    zero = word.kind is Kind.OH or (word.kind is Kind.NUMBER and word.value == 0)
    if zero and words.peek(1).kind is Kind.NUMBER and words.peek(1).value < 10 * 60:
        words.at += 2
        return whole_number(words.peek(-1).value)
    minute, rest = divmod(word.value, 60)
    # "Das gyarah baje" is about ten or eleven; what may be an hour is not taken for minutes.
    written = word.text.isdecimal() and len(word.text) == len("05") and minute < 10
    plausible = written or (12 < minute < 60 and minute != hour.value // 60 + 1)
    if word.kind is not Kind.NUMBER or rest or not plausible or hour.value % 60:
        return 0
    if words.peek(1).kind in _COUNTED:
        return 0
    if words.peek(1).kind is Kind.KO:
        refuse()  # the time, or the day of the month
    words.at += 1
    return minute


def _near(hour: Word, minutes: int) -> Clock:
    """Return a time some minutes from an hour; a quarter to one is 12:45."""
    total = whole_number(hour.value) * 60 + minutes
    to_twelve = minutes < 0 and hour.value == _NOON
    return Clock(total + _NOON if minutes < 0 < total < 60 else total, to_twelve=to_twelve)
