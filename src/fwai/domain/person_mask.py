"""Finds a person's number and mail addresses in what was kept of other people, and masks them.

PURE. A number is found however it is written: with country code, with a zero before it or neither,
in one piece or with blanks, hyphens, dots and brackets between its digits. It is not found inside a
longer number, nor in words ("nine nine nine").
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from fwai.domain.phone import country_code, exact_form

ERASED: Final = "[erased]"
FEWEST_DIGITS: Final = 7
"""Shorter numbers would be found in prices and dates; they are masked with their country code."""
_BETWEEN: Final = r"[\s().\-]{0,3}"


class PersonMask:
    """Masks what names one person.

    Args:
        phone: E.164; what else a person is known by is looked for as it is.
        addresses: Their mail addresses.

    Attributes:
        needles: One of these is in every text that names the person, once `SEPARATORS` are taken
            out of it and it is in small letters.
    """

    SEPARATORS: Final = " -.()"

    def __init__(self, phone: str, addresses: Iterable[str] = ()) -> None:
        known = sorted({one.strip().lower() for one in addresses if "@" in one})
        number = exact_form(phone)
        patterns = [rf"(?<![\w.+-]){re.escape(one)}(?![\w-])" for one in known]
        if number:
            patterns.insert(0, _number_pattern(number))
        elif phone.strip():
            patterns.insert(0, rf"(?<!\w){re.escape(phone.strip())}(?!\w)")
        self._pattern = re.compile("|".join(patterns) or r"(?!)", re.IGNORECASE)
        plain = [_needle(number) if number else phone, *known]
        self.needles = tuple(dict.fromkeys(_squeezed(one) for one in plain if _squeezed(one)))

    def text(self, text: str) -> str:
        """Return ``text`` with every mention masked."""
        return self._pattern.sub(ERASED, text)

    def value(self, value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return a JSON value with every mention masked, also as a number and as a key."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.value(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return ERASED if self._pattern.fullmatch(str(value)) else value
        return value


def _squeezed(text: str) -> str:
    return text.lower().translate({ord(one): None for one in PersonMask.SEPARATORS})


def _needle(number: str) -> str:
    inner = number.removeprefix(f"+{country_code(number)}")
    return inner if len(inner) >= FEWEST_DIGITS else number.removeprefix("+")


def _number_pattern(number: str) -> str:
    code = country_code(number)
    inner = number.removeprefix(f"+{code}")
    abroad = rf"(?:(?:\+|00){_BETWEEN})?{_BETWEEN.join(code)}{_BETWEEN}(?:\(?0\)?{_BETWEEN})?"
    spoken = _BETWEEN.join(inner)
    if len(inner) < FEWEST_DIGITS:
        return rf"(?<![\d+]){abroad}{spoken}(?!\d)"
    return rf"(?<![\d+])(?:{abroad}|\(?0\)?{_BETWEEN})?{spoken}(?!\d)"
