"""Reads JSON as workflows send it: whole, in lines, cut off, with NaN. No I/O."""

import json
import math
import re
from collections.abc import Iterator
from json import JSONDecodeError, JSONDecoder
from typing import Any, Final

MAX_VALUES: Final = 5_000
_MAX_DIGITS: Final = 18  # more are an id rather than an amount, and Python has a limit of its own
_MAX_DEPTH: Final = 10
_LONGEST_ESCAPE: Final = 6  # of \\ud83d
_BEGINS_NUMBER: Final = "-0123456789"
_MORE_OF_NUMBER: Final = re.compile(r"(?:\.|[eE][+-]?)?")
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
        is cut off its whole items and fields count, and what there is of the last one's text.
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


def _salvage(text: str, at: int, depth: int = 0) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return what there is of a list, an object or a text that has no end; None of nothing."""
    match text[at : at + 1]:
        case "[" if depth < _MAX_DEPTH:
            return list(_items(text, at + 1, depth))
        case "{" if depth < _MAX_DEPTH:
            return dict(_fields(text, at + 1, depth))
        case '"' if depth:
            return _begun(text[at:])
        case _:
            return None


def _begun(text: str) -> str | None:
    """Return what there is of a text without an end; None when it has one or is none."""
    for left_out in range(_LONGEST_ESCAPE):
        try:
            said = str(_DECODER.decode(f'{text[: len(text) - left_out]}"'))
        except _UNREADABLE:
            continue
        return said[:-1] if "\ud800" <= said[-1:] <= "\udbff" else said
    return None


def _next(text: str, at: int, depth: int) -> tuple[Any, int]:
    """Return a value and where it ends, of one without an end what there is; None is nothing."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except _UNREADABLE:
        return _salvage(text, at, depth + 1) or None, len(text)
    if text[at] in _BEGINS_NUMBER and _MORE_OF_NUMBER.fullmatch(text, end):
        return None, len(text)
    return value, end


def _items(text: str, at: int, depth: int) -> Iterator[Any]:
    for _ in range(MAX_VALUES):
        start = _skip(text, at, _BETWEEN)
        value, at = _next(text, start, depth)
        if value is not None or text.startswith("null", start):
            yield value
        if at == len(text):
            return


def _fields(text: str, at: int, depth: int) -> Iterator[tuple[str, Any]]:
    for _ in range(MAX_VALUES):
        try:
            name, at = _DECODER.raw_decode(text, _skip(text, at, _BETWEEN))
        except _UNREADABLE:
            return
        at = _skip(text, at, _BLANK)
        if not isinstance(name, str) or text[at : at + 1] != ":":
            return
        start = _skip(text, at + 1, _BLANK)
        value, at = _next(text, start, depth)
        if value is not None or text.startswith("null", start):
            yield name, value
        if at == len(text):
            return


def _skip(text: str, at: int, what: str) -> int:
    while at < len(text) and text[at] in what:
        at += 1
    return at


def size(value: object) -> int:
    """Return how many characters a value has as JSON."""
    return len(json.dumps(value, ensure_ascii=False))
