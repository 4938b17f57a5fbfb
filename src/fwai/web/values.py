"""Parses and validates values of requests: text, phone numbers, timestamps, JSON. No I/O."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from fwai.domain import phone
from fwai.domain.hours import at_local_time
from fwai.domain.plain_text import fault
from fwai.errors import FieldError

MAX_DEPTH: Final = 6
_YEARS: Final = range(2000, 2201)
_TIMESTAMP_HINT: Final = "write a moment with its offset, as in 2026-11-23T10:00:00+05:30"
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_LOST_PLUS: Final = re.compile(r"T\S* (?=\d\d:?\d\d$)", re.ASCII)


def validate_text(text: str) -> str:
    """Return ``text`` if it is text, line breaks and tabs included.

    Raises:
        ValueError: It holds something else; see `plain_text.fault`.
    """
    if words := fault(text):
        raise ValueError(words)
    return text


Text = Annotated[str, AfterValidator(validate_text)]


def is_safe_id(text: str) -> bool:
    """Whether ``text`` has the form of our ids, and so is safe in paths and queries."""
    return _SAFE_ID.fullmatch(text) is not None


def parse_phone(text: str, field: str = "phone") -> str:
    """Parse the number of somebody who is to be called, texted or barred, to E.164.

    Raises:
        FieldError: It is no number that can be called; the error says why.
    """
    try:
        return phone.dialable(text)
    except phone.PhoneError as exc:
        raise FieldError(field, str(exc)) from None


@dataclass(frozen=True, slots=True)
class AskedNumber:
    """A number under which something may be kept.

    Attributes:
        number: E.164.
        problem: Why nobody can be called there; None when somebody can. Something is kept there
            all the same when a caller showed that number, or an earlier version took it.
    """

    number: str
    problem: FieldError | None = None

    def require(self, *found: object) -> None:
        """Refuse the number after all if nothing was found there: it is a slip then.

        Raises:
            FieldError: Nobody can be called there, and all that was found is false.
        """
        if self.problem is not None and not any(found):
            raise self.problem


def parse_asked_phone(text: str, field: str = "phone") -> AskedNumber:
    """Parse a number of the address, to look it up; ``+`` may have become a space there.

    Empty text asks for nobody's.

    Raises:
        FieldError: It is none, and nothing can be kept under it.
    """
    if not text:
        return AskedNumber("")
    written = f"+{text.strip()}" if text.startswith(" ") else text
    try:
        return AskedNumber(parse_phone(written, field))
    except FieldError as exc:
        exact = phone.exact_form(written)
        long = len(exact) > phone.NATIONAL_DIGITS + 1
        if not exact or not (written.startswith("+") or long):
            raise
        return AskedNumber(exact, exc)


def parse_moment(text: str, field: str, zone: ZoneInfo, *, end: bool = False) -> datetime:
    """Parse a timestamp with its offset, or a day in ``zone``, to UTC.

    Args:
        text: ISO 8601. ``+`` may have become a space, as it does in a URL.
        field: Named in the error.
        zone: Time zone of a day.
        end: A day means its end, not its beginning.

    Raises:
        FieldError: It is neither.
    """
    written = _LOST_PLUS.sub(lambda found: found[0].rstrip() + "+", text.strip())
    try:
        if len(written) == len("2026-11-25"):
            return _parse_day(date.fromisoformat(written), zone, end=end)
        return parse_timestamp(written)
    except ValueError:
        raise FieldError(field, f"{_TIMESTAMP_HINT}, or a day, as in 2026-11-23") from None


def _parse_day(day: date, zone: ZoneInfo, *, end: bool) -> datetime:
    if day.year not in _YEARS:
        raise ValueError
    return at_local_time(day + timedelta(days=end), time(), zone).astimezone(UTC)


def parse_timestamp(text: str) -> datetime:
    """Parse an ISO 8601 timestamp to UTC.

    Raises:
        ValueError: It has no offset, or its year is not in 2000 to 2200.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or at.year not in _YEARS:
        raise ValueError(_TIMESTAMP_HINT)
    return at.astimezone(UTC)


def _validate_timestamp(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError(_TIMESTAMP_HINT)  # noqa: TRY004 - pydantic reports ValueError only
    try:
        return parse_timestamp(value)
    except ValueError:
        raise ValueError(_TIMESTAMP_HINT) from None


Timestamp = Annotated[
    datetime,
    BeforeValidator(_validate_timestamp),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


def placeholder_value(value: object) -> str:
    """Convert the value of a prompt placeholder to text.

    Raises:
        ValueError: It is not text, a finite number or a boolean.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return validate_text(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    raise ValueError("give text, a number, true or false")


PlaceholderValue = Annotated[
    str,
    BeforeValidator(placeholder_value),
    WithJsonSchema({"anyOf": [{"type": kind} for kind in ("string", "number", "boolean")]}),
]


def validate_json_object(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a JSON object if it can be stored.

    Raises:
        ValueError: It holds what no database can store, or is nested too deep.
    """
    _validate_json(value, 0)
    return value


def _validate_json(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"nest at most {MAX_DEPTH} levels deep")
    match value:
        case str():
            validate_text(value)
        case float() if not math.isfinite(value):
            raise ValueError("numbers must be finite")
        case Mapping():
            for name, item in value.items():
                _validate_json(name, depth)
                _validate_json(item, depth + 1)
        case list():
            for item in value:
                _validate_json(item, depth + 1)
        case _:
            pass


JsonObject = Annotated[dict[str, Any], AfterValidator(validate_json_object)]


def canonical_json(value: object) -> bytes:
    """Serialise to JSON that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()
