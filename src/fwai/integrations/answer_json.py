"""Reads JSON as workflows send it: whole, in lines, cut off, with NaN. No I/O."""

import json
import math
from collections.abc import Iterator
from json import JSONDecodeError, JSONDecoder
from typing import Any, Final

MAX_VALUES: Final = 5_000
_MAX_DIGITS: Final = 18  # more are an id rather than an amount, and Python has a limit of its own
_BLANK: Final = " \t\r\n"
_BETWEEN: Final = _BLANK + ","


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _finite(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits[:_MAX_DIGITS]


_DECODER: Final = JSONDecoder(
    parse_int=_whole, parse_float=_finite, parse_constant=lambda _: None, strict=False
)
_UNREADABLE: Final = (JSONDecodeError, RecursionError, StopIteration)


def read_value(text: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Read one JSON value.

    NaN and infinity are null; numbers that nobody reckons with stay text.

    Raises:
        ValueError: It is none.
    """
    try:
        return _DECODER.decode(text)
    except _UNREADABLE:
        raise ValueError("not valid JSON") from None


def read_values(text: str) -> tuple[list[Any], bool]:
    """Read JSON values one after the other, as streams and NDJSON bring them.

    Returns:
        Those that could be read, and whether that is all there was. Of a last list or object that
        is cut off its whole items and fields count.
    """
    found: list[Any] = []
    at = 0
    while at < len(text) and len(found) < MAX_VALUES:
        try:
            value, at = _DECODER.raw_decode(text, at)
        except _UNREADABLE:
            rest = _salvage(text, at)
            return ([*found, rest] if rest else found), False
        found.append(value)
        at = _skip(text, at, _BLANK)
    return found, at >= len(text)


def _salvage(text: str, at: int) -> Any:  # noqa: ANN401 - a list, an object, or None
    """Return the items or fields of a list or object that has no end."""
    if text[at : at + 1] == "[":
        return list(_items(text, at + 1))
    if text[at : at + 1] == "{":
        return dict(_fields(text, at + 1))
    return None


def _items(text: str, at: int) -> Iterator[Any]:
    for _ in range(MAX_VALUES):
        try:
            value, at = _DECODER.raw_decode(text, _skip(text, at, _BETWEEN))
        except _UNREADABLE:
            return
        yield value


def _fields(text: str, at: int) -> Iterator[tuple[str, Any]]:
    for _ in range(MAX_VALUES):
        try:
            name, at = _DECODER.raw_decode(text, _skip(text, at, _BETWEEN))
            at = _skip(text, at, _BLANK)
            if not isinstance(name, str) or text[at : at + 1] != ":":
                return
            value, at = _DECODER.raw_decode(text, _skip(text, at + 1, _BLANK))
        except _UNREADABLE:
            return
        yield name, value


def _skip(text: str, at: int, what: str) -> int:
    while at < len(text) and text[at] in what:
        at += 1
    return at


def size(value: object) -> int:
    """Return how many characters a value has as JSON."""
    return len(json.dumps(value, ensure_ascii=False))
