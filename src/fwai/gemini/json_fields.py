"""Types of JSON values as Google's services and its SDK take them: leniently. No I/O.

Protobuf's JSON writes 64-bit numbers as text and bytes in either base64 alphabet, and takes field
names in camelCase and in snake_case. The SDK's validator takes a little more, such as ``1`` for
``true``. Both are followed, so that a message is refused here if the SDK would refuse it.

Source: protobuf's JSON mapping; google-genai 3.4.0 on pydantic 2.14, compared value by value in
tests/contract/gemini/test_json_fields.py. Where we differ: test_server_message.py.
"""

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

T = TypeVar("T")
Field = Callable[[Any], Any]
"""Takes a value that is not null and returns what it means."""

_TRUE: Final = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE: Final = frozenset({"0", "off", "f", "false", "n", "no"})
# Possessive, so that a long text that is no number is found out in one pass.
_WHOLE: Final = re.compile(r"([+-]?)(?=[0-9])0*+([0-9]{0,4300}+)(?:\.0++)?")
_INT64: Final = 2.0**63
_URL_SAFE: Final = str.maketrans("-_", "+/")
_WORD_START: Final = re.compile(r"[A-Z]")


class WrongValueError(ValueError):
    """A value is not what its field takes; the text shows nothing of it.

    Attributes:
        what: What is wrong with it.
        place: Names of fields, outermost first, that lead to it; empty for the whole value.
    """

    def __init__(self, what: str, place: str = "") -> None:
        super().__init__(f"{place}: {what}" if place else what)
        self.what = what
        self.place = place

    def inside(self, name: str) -> "WrongValueError":
        """Return the same error seen from the object or list that holds the value."""
        return WrongValueError(self.what, f"{name}.{self.place}" if self.place else name)


def text(value: object) -> str:
    """Take a string."""
    if not isinstance(value, str):
        raise WrongValueError("no text")
    return value


enum = text
"""Takes the name of an enumeration's value; one that is not known yet is taken as well."""


def flag(value: object) -> bool:
    """Take true, false, 1, 0, or one of them in words."""
    if isinstance(value, str):
        word = value.lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
    elif isinstance(value, bool | int | float) and value in (0, 1):
        return bool(value)
    raise WrongValueError("neither true nor false")


def whole(value: object) -> int:
    """Take a whole number of any size, as a number or as text of at most 4,300 digits."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < _INT64:
        return int(value)
    if isinstance(value, str) and (match := _WHOLE.fullmatch(value.strip())):
        return int(match[1] + (match[2] or "0"))
    raise WrongValueError("no whole number")


def number(value: object) -> float:
    """Take a number, as it is or as text; ``NaN`` and ``Infinity`` are numbers."""
    if not isinstance(value, str | int | float):
        raise WrongValueError("no number")
    # Python alone would take other scripts' digits, and underscores between them.
    if isinstance(value, str) and ("_" in value or not value.strip().isascii()):
        raise WrongValueError("no number")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise WrongValueError("no number") from None


def blob(value: object) -> bytes:
    """Take bytes in one of the two base64 alphabets, with as much padding as there is."""
    words = text(value)
    plain = words.rstrip("=")
    if "-" in plain or "_" in plain:
        if "+" in plain or "/" in plain:
            raise WrongValueError("two base64 alphabets in one")
        plain = plain.translate(_URL_SAFE)
    if len(words) - len(plain) > -len(plain) % 4:
        raise WrongValueError("more padding than base64 has")
    try:
        data = a2b_base64(plain + "==")
    except ValueError:
        raise WrongValueError("no base64") from None
    # Python passes over what is no base64, and over bits behind the last byte.
    if b2a_base64(data, newline=False).rstrip(b"=") != plain.encode():
        raise WrongValueError("no base64")
    return data


def anything(value: T) -> T:
    """Take any value as it is."""
    return value


def free_object(value: object) -> dict[str, Any]:
    """Take an object whose fields are nobody's business."""
    if not isinstance(value, dict):
        raise WrongValueError("no object")
    return value


def map_of(item: Field) -> Callable[[object], dict[str, Any]]:
    """Return what takes an object of any names and one type; null is no item."""

    def take(value: object) -> dict[str, Any]:
        return {name: _inside(name, item, one) for name, one in free_object(value).items()}

    return take


class ListOf:
    """Takes a list; null is no item.

    Attributes:
        item: What takes each item.
    """

    def __init__(self, item: Field) -> None:
        self.item = item

    def __call__(self, value: object) -> list[Any]:
        """Take a list.

        Raises:
            WrongValueError: It is none, or what is wrong with an item.
        """
        if not isinstance(value, list):
            raise WrongValueError("no list")
        return [_inside(str(index), self.item, one) for index, one in enumerate(value)]


class Record:
    """Takes an object and returns those of its fields that are known, by camelCase name.

    A field that is null is there as None. One that is there in both spellings is refused.

    Attributes:
        fields: What takes each field's value.
    """

    def __init__(self, fields: Mapping[str, Field], *, camel_only: bool = False) -> None:
        """Make one.

        Args:
            fields: What takes each field's value, by camelCase name.
            camel_only: A name in snake_case is one that is not known.
        """
        self.fields = fields
        self._known = {name: (name, take) for name, take in fields.items()}
        if not camel_only:
            self._known |= {snake(name): (name, take) for name, take in fields.items()}

    def __call__(self, value: object) -> dict[str, Any]:
        """Take an object.

        Raises:
            WrongValueError: Which field is wrong and how, without anything of the value.
        """
        found: dict[str, Any] = {}
        for key, item in free_object(value).items():
            if key not in self._known:
                continue
            name, take = self._known[key]
            if name in found:
                raise WrongValueError("there twice", name)
            found[name] = None if item is None else _inside(name, take, item)
        return found

    def unknown(self, value: Mapping[str, object]) -> list[str]:
        """Return the names in ``value`` that are not known."""
        return [name for name in value if name not in self._known]


def _inside(name: str, take: Field, value: object) -> Any:  # noqa: ANN401 - whatever it takes
    try:
        return take(value)
    except WrongValueError as exc:
        raise exc.inside(name) from None


def snake(name: str) -> str:
    """Return a camelCase name in snake_case."""
    return _WORD_START.sub(lambda letter: "_" + letter[0].lower(), name)
