"""Parses lengths of time: "2 hours", "sava do ghante", "an hour and a half"."""

from typing import NamedTuple

from fwai.domain.spoken_time_cursor import WordCursor
from fwai.domain.spoken_time_figures import decimal_sixtieths, is_hundreds
from fwai.domain.spoken_time_kinds import DAY_S, HOUR_S, Kind
from fwai.domain.spoken_time_refusals import refuse


class Duration(NamedTuple):
    """A length of time.

    Attributes:
        seconds: How long.
        days: Whether it is counted in days or weeks, so that it names no time of day.
    """

    seconds: int
    days: bool


def read_duration(words: WordCursor, longest_s: int | None = None) -> Duration | None:
    """Read a duration at the cursor, or leave the cursor where it is.

    Args:
        words: Where to read.
        longest_s: The unit must be smaller than this: "an hour and ten minutes", no two hours.
    """
    start = words.at
    sixtieths = _quantity(words)
    unit = words.peek()
    # "1530 hours" is a time of day; see the clock.
    figures = words.peek(start - words.at).text
    hundreds = unit.value == HOUR_S and len(figures) == len("1730") and is_hundreds(figures)
    smaller = longest_s is None or unit.value < longest_s
    if sixtieths is None or unit.kind is not Kind.UNIT or hundreds or not smaller:
        words.at = start
        return None
    words.at += 1
    if words.peek().kind is Kind.AND_PART:
        sixtieths += words.take().value
    seconds, rest = divmod(sixtieths * unit.value, 60)
    days = unit.value >= DAY_S
    if rest or (days and seconds % DAY_S):
        refuse()  # half a day is no time of day
    return Duration(seconds if days else seconds + _rest(words, unit.value), days)


def _rest(words: WordCursor, unit_s: int) -> int:
    """Read the smaller units that follow: "and ten minutes"."""
    start = words.at
    words.skip(Kind.BREAK)
    more = read_duration(words, longest_s=unit_s)
    if more is None:
        words.at = start
        return 0
    return more.seconds


def _quantity(words: WordCursor) -> int | None:
    """Read how many, in sixtieths."""
    if words.next_are(Kind.UNIT, Kind.AND_PART):
        return 60  # hour and a half
    article = words.skip(Kind.ARTICLE)
    if article and words.next_are(Kind.UNIT):
        return 60
    word = words.take()
    match word.kind:
        case Kind.PART:
            words.skip(Kind.ARTICLE)
            return word.value
        case Kind.MORE:
            return word.value + (words.take().value if words.next_are(Kind.NUMBER) else 60)
        case Kind.COUPLE:
            return word.value
        case Kind.NUMBER:
            return _counted(words, word.value)
        case Kind.FIGURES:
            return decimal_sixtieths(word.text)
    return None


def _counted(words: WordCursor, number: int) -> int:
    """Read what may follow a number: "and a half", "quarters of an"."""
    if words.peek().kind is Kind.AND_PART:
        return number + words.take().value
    if words.peek().kind is Kind.PART and words.peek().text == "quarters":
        quarter = words.take().value
        words.skip(Kind.ARTICLE)
        return number * quarter // 60
    return number
