"""Parses lengths of time: "2 hours", "sava do ghante", "an hour and a half"."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from fwai.domain.spoken_time_cursor import END, WordCursor
from fwai.domain.spoken_time_figures import decimal_sixtieths, is_hundreds
from fwai.domain.spoken_time_kinds import DAY_S, HOUR_S, LASTING, Kind, Word
from fwai.domain.spoken_time_refusals import NOT_FROM_NOW, refuse

HOURS_OF_CLOCK: Final = ("hour", "hours", "hr", "hrs")  # "17.30 hrs" is a time of day
_ON_CLOCK: Final = range(8, 24)  # of so many hours: 17 hrs and 10.25 hrs may be times of day


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
    smaller = longest_s is None or unit.value < longest_s
    if sixtieths is None or unit.kind is not Kind.UNIT or not smaller or _is_clock(words, start):
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


def is_minutes_of_hour(words: WordCursor) -> bool:
    """Whether the words at the cursor begin a time of day, as "10 minutes to 5" does."""
    return words.peek(1).kind is Kind.UNIT and words.peek(2).kind in (Kind.PAST, Kind.TO)


def check_counts_from_now(words: WordCursor, start: int) -> bool:
    """Refuse a duration that may be how long something lasts, or count from something else.

    Args:
        words: Behind the duration.
        start: Where it began.

    Returns:
        Whether a word beside it says that it is how far ahead, as "in" and "baad" do.
    """
    ahead = start - words.at
    before, around = words.peek(ahead - 1), words.asides(ahead)
    following, behind = words.peek(), words.asides()
    also = words.named and before.kind is Kind.BREAK and before.text.isalpha()
    if also or words.joined or any(word.kind is Kind.OF for word in around):
        refuse(NOT_FROM_NOW)  # "demo ke ek ghante baad", "the demo and an hour later"
    if _says_behind(following):
        if any(word.kind is Kind.THING for word in behind):
            refuse(NOT_FROM_NOW)  # behind what lasts so long
        return True
    if any(word.kind is Kind.OF for word in behind):
        refuse(NOT_FROM_NOW)  # a length "of" something
    if _says_before(before):
        beside = [*around, *behind[:1]]
        if _then_call(words.peek(ahead), words.peek(-1), behind, words.peek()):
            beside = list(around)
        if any(word.kind is Kind.THING and word.value == LASTING for word in beside):
            refuse(NOT_FROM_NOW)  # "in a 30 minute demo"
        return True
    if words.next_are(Kind.AFTER):
        return False  # of which the grammar sees to it that nothing follows
    number, unit = words.peek(ahead), words.peek(-1)
    clock = number.kind is Kind.NUMBER and number.value // 60 in _ON_CLOCK
    if words.named or (clock and unit.text in HOURS_OF_CLOCK):
        refuse(NOT_FROM_NOW)  # "17 hrs" may be 17:00
    return False


def _then_call(first: Word, unit: Word, behind: Sequence[Word], following: Word) -> bool:
    """Whether "call" behind a duration is what to do then: "in 10 minutes call".

    "In a 10 minute call" is how long it lasts; of several minutes nobody says "in 10 minutes call"
    of a call's length.
    """
    several = first.kind is Kind.NUMBER and unit.text.endswith("s")
    return several and [word.text for word in behind] == ["call"] and following is END


def _says_before(word: Word) -> bool:
    return word.kind is Kind.AFTER or (word.kind is Kind.IN and not word.value)


def _says_behind(word: Word) -> bool:
    """Whether ``word`` behind a duration says that it is how far ahead."""
    return word.kind in (Kind.LATER, Kind.FROM) or (word.kind is Kind.MEIN and not word.value)


def _is_clock(words: WordCursor, start: int) -> bool:
    """Whether the number that began at ``start`` and the unit at the cursor are a time of day.

    "1530 hours" and "at 10.25 hrs" are, "in 150 hours" is not; "10.25 hrs" alone may be.
    """
    if words.peek().value != HOUR_S:
        return False
    ahead = start - words.at
    figures, before = words.peek(ahead), words.peek(ahead - 1)
    counted = _says_before(before) or _says_behind(words.peek(1))
    if figures.kind is not Kind.FIGURES:
        long = len(figures.text) == len("1730") or not counted
        return is_hundreds(figures.text) and long
    hour, _, rest = figures.text.partition(".")
    if counted or rest != "25" or int(hour) not in _ON_CLOCK:
        return False
    return before.kind is Kind.AT or refuse(NOT_FROM_NOW)


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
