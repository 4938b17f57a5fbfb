"""Kinds of words in a spoken time, and the tables' type."""

import enum
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple


class Kind(enum.Enum):
    """The role of a word in a spoken time."""

    NUMBER = enum.auto()  # value in sixtieths: 5 is 300, dedh (one and a half) is 90
    FIGURES = enum.auto()  # 5:30, 1.5, 25/11/2026; read by the grammar
    COUPLE = enum.auto()  # as NUMBER, but only of a unit
    OH = enum.auto()  # the zero of "five oh five"
    MORE = enum.auto()  # sade, sava, paune: sixtieths added to the number behind it
    PART = enum.auto()  # half, quarter: sixtieths of an hour
    AND_PART = enum.auto()  # and a half: sixtieths of what stands before it
    ARTICLE = enum.auto()
    UNIT = enum.auto()  # seconds
    DAY = enum.auto()  # days from today
    NEXT_DAY = enum.auto()  # the day after now, or after another that is named
    WEEKDAY = enum.auto()  # 0 is Monday
    MONTH = enum.auto()
    NTH = enum.auto()  # a day of the month, as an ordinal
    ORDINAL = enum.auto()  # what follows the number of a day
    MERIDIEM = enum.auto()  # 0 before noon, 12 after
    DAY_PART = enum.auto()  # a key of HOURS_OF
    OCLOCK = enum.auto()
    AND_MINUTES = enum.auto()  # baj kar: 1 minutes after the hour, -1 minutes to it
    PAST = enum.auto()
    TO = enum.auto()
    THIS = enum.auto()
    NEXT = enum.auto()
    THIS_WEEK = enum.auto()
    NEXT_WEEK = enum.auto()
    NEAR_MONTH = enum.auto()  # months ahead: this month is 0
    NOW = enum.auto()
    SAME_TIME = enum.auto()
    AT = enum.auto()
    ON = enum.auto()
    # Of a length of time. 0: "in five minutes"; 1: "give me five minutes", which may be how long.
    IN = enum.auto()
    MEIN = enum.auto()  # the same behind its noun
    KO = enum.auto()  # "on" behind its noun
    FOR = enum.auto()
    FROM = enum.auto()
    AFTER = enum.auto()
    LATER = enum.auto()
    BREAK = enum.auto()
    # What no rule reads; it stands between the words that rules read.
    ASIDE = enum.auto()  # says nothing about when: please, around
    THING = enum.auto()  # one of LASTING, DONE and FITTING
    OF = enum.auto()  # ka, ke, ki: joins a length to what lasts or to what it is counted from
    ZONE = enum.auto()  # text is its abbreviation
    # What is understood, and means that there is not one time.
    OPEN = enum.auto()  # before, by, until, within
    SEVERAL = enum.auto()  # or, between
    REPEATED = enum.auto()  # every
    VAGUE = enum.auto()  # sometime, a few, weekend
    GONE = enum.auto()  # ago, last
    UNKNOWN = enum.auto()


class Word(NamedTuple):
    """A word or phrase with its meaning."""

    kind: Kind
    value: int = 0
    text: str = ""


MORNING, EARLY, NOON, DOPAHAR, AFTERNOON, EVENING, LATE, NIGHT, MIDNIGHT, DAYTIME = range(10)
HOURS_OF: Final = {
    MORNING: range(1, 12),
    EARLY: range(1, 10),
    NOON: range(12, 13),
    DOPAHAR: range(11, 18),
    AFTERNOON: range(12, 19),
    EVENING: range(15, 24),
    LATE: range(18, 24),
    NIGHT: (*range(18, 24), *range(5)),
    MIDNIGHT: range(1),
    DAYTIME: range(8, 18),
}
# What is spoken of: a demo, to talk; call me; is fine, which is said of times and of lengths.
LASTING, DONE, FITTING = range(3)
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400

# Kind to phrases and values: alternatives are separated by spaces, values by bars; _ stands for a
# space within a phrase.
Rows = Mapping[Kind, tuple[str, Sequence[int]]]
