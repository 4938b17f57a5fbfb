"""Telephone numbers in E.164 form."""

import re

NATIONAL_DIGITS = 10  # of a number so short it can only be guessed which country it is in
MOST_CHARS = 40
FIX = "write the full international number with its country code, such as +919999900000"
_SEPARATORS = re.compile(r"[\s().\-]+")
_E164 = re.compile(r"\+?[1-9][0-9]{6,14}")


def normalise(number: str) -> str:
    """Return ``number`` as ``+`` and digits; separators and a leading ``00`` are accepted.

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
    """Return ``number`` as `normalise` does, if it surely names its country.

    Raises:
        ValueError: It is none, or short enough to be a national number.
    """
    digits = sum(character.isdecimal() for character in number)
    abroad = digits > NATIONAL_DIGITS or number.lstrip().startswith(("+", "00"))
    if len(number) > MOST_CHARS or not abroad:
        raise ValueError(FIX)
    try:
        return normalise(number)
    except ValueError:
        raise ValueError(FIX) from None


def masked(number: str) -> str:
    """Return what a log may show of ``number``: its last four characters."""
    return f"…{number[-4:]}" if len(number) > 4 else "…"
