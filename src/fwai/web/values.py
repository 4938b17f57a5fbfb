"""Values as clients write them: text, numbers, moments, JSON. No I/O."""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from fwai.domain import phone
from fwai.domain.hours import on_the_clock
from fwai.errors import FieldError

MAX_DEPTH: Final = 6
_YEARS: Final = range(2000, 2201)
_MOMENT_FIX: Final = "write a moment with its offset, as in 2026-11-23T10:00:00+05:30"
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_LOST_PLUS: Final = re.compile(r"T\S* (?=\d\d:?\d\d$)", re.ASCII)


def whole(text: str) -> str:
    """Return ``text``.

    Raises:
        ValueError: No database takes it.
    """
    if "\x00" in text:
        raise ValueError("it holds a NUL character; remove it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair; send whole characters") from None
    return text


Text = Annotated[str, AfterValidator(whole)]


def safe_id(text: str) -> bool:
    """Whether ``text`` can be an id of ours; anything else is no file's and no row's."""
    return _SAFE_ID.fullmatch(text) is not None


def number(text: str, field: str = "phone") -> str:
    """Return a telephone number in E.164 form; in an address ``+`` may have become a space.

    Raises:
        FieldError: It is none.
    """
    try:
        return phone.dialable(text)
    except ValueError as exc:
        raise FieldError(field, str(exc)) from None


def moment(text: str, field: str, zone: ZoneInfo, *, end: bool = False) -> datetime:
    """Return the instant that ``text`` names: a moment with its offset, or a day in ``zone``.

    Args:
        text: ISO 8601. ``+`` may have become a space, as it does in an address.
        field: To be named when it is none.
        zone: Where a day begins.
        end: Of a day the end is meant, not the beginning.

    Raises:
        FieldError: It is neither.
    """
    written = _LOST_PLUS.sub(lambda found: found[0].rstrip() + "+", text.strip())
    try:
        if len(written) == len("2026-11-25"):
            return _day(date.fromisoformat(written), zone, end=end)
        return known_moment(written)
    except ValueError:
        raise FieldError(field, f"{_MOMENT_FIX}, or a day, as in 2026-11-23") from None


def _day(day: date, zone: ZoneInfo, *, end: bool) -> datetime:
    if day.year not in _YEARS:
        raise ValueError
    return on_the_clock(day + timedelta(days=end), time(), zone).astimezone(UTC)


def known_moment(text: str) -> datetime:
    """Return the instant that ``text`` names, in UTC; its year is one that people live in.

    Raises:
        ValueError: It is no ISO 8601 with an offset.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or at.year not in _YEARS:
        raise ValueError(_MOMENT_FIX)
    return at.astimezone(UTC)


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError(_MOMENT_FIX)  # noqa: TRY004 - pydantic reports ValueError only
    try:
        return known_moment(value)
    except ValueError:
        raise ValueError(_MOMENT_FIX) from None


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


def plain(value: object) -> str:
    """Return a value of a prompt's placeholder as text.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    raise ValueError("give text, a number, true or false")


Plain = Annotated[
    str,
    BeforeValidator(plain),
    WithJsonSchema({"anyOf": [{"type": kind} for kind in ("string", "number", "boolean")]}),
]


def json_object(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a JSON object that can be kept and handed on.

    Raises:
        ValueError: It holds what no database takes, or is nested too deep.
    """
    _walk(value, 0)
    return value


def _walk(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"nest at most {MAX_DEPTH} levels deep")
    match value:
        case str():
            whole(value)
        case float() if not math.isfinite(value):
            raise ValueError("numbers must be finite")
        case Mapping():
            for name, item in value.items():
                _walk(name, depth)
                _walk(item, depth + 1)
        case list():
            for item in value:
                _walk(item, depth + 1)
        case _:
            pass


JsonObject = Annotated[dict[str, Any], AfterValidator(json_object)]


def canonical(value: object) -> bytes:
    """Return JSON that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()
