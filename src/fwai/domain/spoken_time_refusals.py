"""Why a spoken time is not accepted: sentences that tell an agent what to ask.

Every time that one of them offers or gives as an example is understood when it is handed back.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NoReturn

from fwai.domain.hours import format_clock
from fwai.domain.spoken_time_kinds import Kind, Word

_EXAMPLE: Final = "such as tomorrow at 5 PM"
UNCLEAR: Final = f"That time is not clear; ask for one day and one time, {_EXAMPLE}."
TOO_LONG: Final = (
    "That is too long for a time; give only the day and the time in the caller's words, "
    f"{_EXAMPLE}."
)
NO_TIME: Final = "No time of day was given; ask at what time."
NO_DAY: Final = f"No day was given; ask for the day and the time, {_EXAMPLE}."
PASSED: Final = "That time has passed; ask for another."
TOO_FAR: Final = "That is more than a year ahead; ask for an earlier date."
DISAGREE: Final = "The days named do not agree; ask which day is meant."
HOURS_DISAGREE: Final = (
    f"The hour and the part of the day do not agree; ask for the time with AM or PM, {_EXAMPLE}."
)
NOT_FROM_NOW: Final = (
    "That may be how long it lasts, or count from something else than now; ask for one day and one "
    f"time, {_EXAMPLE}."
)
NO_SUCH_DATE: Final = "There is no such date; ask for the day and the month again."
NO_SUCH_CLOCK: Final = f"There is no such time on a clock; ask for the time again, {_EXAMPLE}."
MAX_READINGS: Final = 4
_LONGEST_QUOTE: Final = 24
_MOST_COUNTED: Final = 1000
_HOURS_OF_DAY: Final = 24

# Of words that leave no single time; {} is what was said.
_NOT_ONE_TIME: Final = {
    Kind.OPEN: '"{}" leaves the time open; ask for one exact time, ' + _EXAMPLE + ".",
    Kind.SEVERAL: '"{}" makes more than one time of it; ask for one, ' + _EXAMPLE + ".",
    Kind.REPEATED: '"{}" makes more than one day of it; ask for the first one, ' + _EXAMPLE + ".",
    Kind.VAGUE: '"{}" is no exact time; ask for one day and one time, ' + _EXAMPLE + ".",
    Kind.GONE: '"{}" points to the past; ask for a time ahead, ' + _EXAMPLE + ".",
    Kind.UNKNOWN: (
        '"{}" is not understood as part of a time; ask what is meant, and give one day and one '
        f"time, {_EXAMPLE}."
    ),
}


class SpokenTimeError(ValueError):
    """A time cannot be parsed or used; the text tells the agent what to ask, in one sentence."""


def refuse(reason: str = UNCLEAR) -> NoReturn:
    """Raise ``SpokenTimeError`` for ``reason``."""
    raise SpokenTimeError(reason)


def refuse_words(words: Iterable[Word]) -> None:
    """Raise for the first word that is unknown or leaves no single time, if there is one."""
    for word in words:
        if word.kind in _NOT_ONE_TIME:
            refuse_word(word.text, word.kind)


def refuse_word(text: str, kind: Kind) -> NoReturn:
    """Raise for ``text``, which means here what ``kind`` says."""
    refuse(_NOT_ONE_TIME[kind].format(_quotable(text)))


def refuse_zone(name: str, zone: str) -> NoReturn:
    """Raise for a time of another time zone than ``zone``."""
    refuse(
        f'"{name.upper()}" is not the time of {zone}; ask what time that is in {zone}, and give '
        "the time without a zone."
    )


def refuse_count(number: str, sixtieths: int) -> NoReturn:
    """Raise for "in five", of which nobody knows what."""
    if sixtieths > _MOST_COUNTED * 60:
        refuse()
    clock = f", or at {number} o'clock" if sixtieths < _HOURS_OF_DAY * 60 else ""
    refuse(f'"{number}" may mean in {number} minutes, or in {number} hours{clock}; ask which.')


def refuse_on(number: int) -> NoReturn:
    """Raise for "on five", which may be a day of the month or an hour."""
    if not 0 < number < _HOURS_OF_DAY:
        refuse()
    ending = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd"}.get(number, "th")
    refuse(
        f"That may be the {number}{ending} of a month, or {number} o'clock; ask which day and at "
        f"what time, such as tomorrow at {number} o'clock."
    )


def refuse_date(figures: str) -> NoReturn:
    """Raise for "on 5.12", which may be a day of a month or a time of day."""
    refuse(f'"{figures}" may be a date or a time of day; ask for one day and one time, {_EXAMPLE}.')


def refuse_half(half: str, number: str) -> NoReturn:
    """Raise for "half five", which is before or after five depending on where one comes from."""
    refuse(f'"{half} {number}" may mean half past {number} or 30 minutes to {number}; ask which.')


def refuse_readings(found: Iterable[datetime], now: datetime) -> NoReturn:
    """Raise for words that fit several instants."""
    times = [format_spoken_time(at, now) for at in sorted(set(found))[:MAX_READINGS]]
    refuse(f"That may be {'; or '.join(times)}: ask which.")


def format_spoken_time(at: datetime, now: datetime) -> str:
    """Format ``at`` to be read back in English: "tomorrow, Monday 23 November, at 5:00 PM".

    The words are local to the zone of ``at``; the year is said if it is not this one.
    """
    today = now.astimezone(at.tzinfo).date()
    clock = format_clock(at.time())
    if at.date() == today:
        return f"today at {clock}"
    tomorrow = "tomorrow, " if at.date() - today == timedelta(days=1) else ""
    year = "" if at.year == today.year else f" {at.year}"
    return f"{tomorrow}{at:%A} {at.day} {at:%B}{year}, at {clock}"


def _quotable(text: str) -> str:
    """Return what is shown of a word: short, and nothing that does not print."""
    plain = "".join(sign for sign in text if sign.isprintable()) or "a sign"
    return plain if len(plain) <= _LONGEST_QUOTE else f"{plain[:_LONGEST_QUOTE]}…"
