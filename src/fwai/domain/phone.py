"""Parses telephone numbers to E.164, and limits them by country."""

import re
from dataclasses import dataclass
from typing import Final

NATIONAL_DIGITS = 10  # of a number so short it can only be guessed which country it is in
MAX_CHARS = 40
FIX = "write the full international number with its country code, such as +919999900000"
_SEPARATORS = re.compile(r"[\s().\-]+")
_E164 = re.compile(r"\+?[1-9][0-9]{6,14}")
# Words that carriers write for a withheld number, typed on a telephone's keys: ANONYMOUS,
# RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE. Nobody has these numbers.
_PLACEHOLDERS: Final = frozenset({"266696687", "7378742833", "2562533", "8656696", "86282452253"})
# The rule of the ITU: these of one digit, those of two, all others of three.
_ONE_DIGIT: Final = frozenset("17")
_TWO_DIGITS: Final = frozenset({
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46",
    "47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63",
    "64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
})  # fmt: skip
_ALL: Final = "*"


def normalise(number: str) -> str:
    """Normalise ``number`` to ``+`` and digits; separators and a leading ``00`` are accepted.

    Raises:
        ValueError: It is not a full international number of 7 to 15 digits.
    """
    compact = _SEPARATORS.sub("", number)
    if compact.startswith("00"):
        compact = f"+{compact[2:]}"
    if not _E164.fullmatch(compact):
        raise ValueError("write the number in international form, such as +919999900000")
    return compact if compact.startswith("+") else f"+{compact}"


def dialable(number: str) -> str:
    """Normalise ``number`` if it certainly has a country code.

    Raises:
        ValueError: It is invalid, or short enough to be a national number.
    """
    digits = sum(character.isdecimal() for character in number)
    international = digits > NATIONAL_DIGITS or number.lstrip().startswith(("+", "00"))
    if len(number) > MAX_CHARS or not international:
        raise ValueError(FIX)
    try:
        return normalise(number)
    except ValueError:
        raise ValueError(FIX) from None


def caller_number(raw: str) -> str:
    """Normalise a caller's number; empty when it is withheld or invalid."""
    try:
        number = normalise(raw)
    except ValueError:
        return ""
    return "" if number[1:] in _PLACEHOLDERS else number


def country_code(number: str) -> str:
    """Return the country code of an E.164 number, such as ``91``."""
    digits = number.removeprefix("+")
    if digits[:1] in _ONE_DIGIT:
        return digits[:1]
    return digits[:2] if digits[:2] in _TWO_DIGITS else digits[:3]


@dataclass(frozen=True, slots=True)
class CountryAllowList:
    """Countries that may be called and texted on behalf of callers, against toll fraud.

    A caller chooses the number that they show and the one that they dictate, and some countries
    have premium numbers that pay their owner for each call.

    Attributes:
        codes: Country codes, digits only. None at all, or ``*``, is everywhere.
    """

    codes: frozenset[str] = frozenset()

    def allows(self, number: str) -> bool:
        """Whether an E.164 number is in one of the countries."""
        everywhere = not self.codes or _ALL in self.codes
        return everywhere or country_code(number) in self.codes

    @property
    def refusal(self) -> str:
        """Why a number is refused, in one sentence."""
        codes = ", ".join(f"+{code}" for code in sorted(self.codes))
        return f"Only numbers that begin with {codes} are called and texted from here."


def masked(number: str) -> str:
    """Mask ``number`` for logs: only its last four characters stay."""
    return f"…{number[-4:]}" if len(number) > 4 else "…"
