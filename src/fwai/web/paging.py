"""Cursor pagination: encodes and decodes the position after a page. No I/O."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

from fastapi import Query

from fwai.errors import FieldError
from fwai.interfaces.jobs import ListPosition
from fwai.web.values import is_safe_id, parse_timestamp

MAX_PAGE: Final = 200
DEFAULT_PAGE: Final = 50
_MAX_CURSOR: Final = 200
_FIX: Final = "take next_cursor of an earlier page as it stands"

ItemT = TypeVar("ItemT")

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="How many to return at most.")]
Cursor = Annotated[
    str,
    Query(max_length=_MAX_CURSOR, description="`next_cursor` of the page before, as it stands."),
]


def decode_position(cursor: str) -> ListPosition | None:
    """Decode the cursor of a list ordered by time; None for the first page.

    Raises:
        FieldError: The cursor is not one of ours.
    """
    if not cursor:
        return None
    match _decode(cursor):
        case [str() as stamp, str() as item_id] if is_safe_id(item_id):
            try:
                return parse_timestamp(stamp), item_id
            except ValueError:
                raise FieldError("cursor", _FIX) from None
        case _:
            raise FieldError("cursor", _FIX)


def decode_phone(cursor: str) -> str:
    """Decode the cursor of a list ordered by phone number; empty for the first page.

    Raises:
        FieldError: The cursor is not one of ours.
    """
    if not cursor:
        return ""
    match _decode(cursor):
        case [str() as phone] if phone.isascii() and phone.isprintable():
            return phone
        case _:
            raise FieldError("cursor", _FIX)


def page(
    name: str,
    found: Sequence[ItemT],
    most: int,
    to_json: Callable[[ItemT], Any],
    position: Callable[[ItemT], Any],
) -> dict[str, Any]:
    """Build a page of at most ``most`` items; ``found`` holds one more when there is a next page.

    Args:
        name: JSON field of the list.
        found: The items.
        most: How many to show.
        to_json: Builds an item's JSON.
        position: Returns what the next page begins after: a tuple of text and times.
    """
    shown = found[:most]
    more = len(found) > most
    return {
        name: [to_json(item) for item in shown],
        "next_cursor": _encode(position(shown[-1])) if more else None,
    }


def _encode(parts: Sequence[Any]) -> str:
    plain = [part.isoformat() if isinstance(part, datetime) else part for part in parts]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def _decode(cursor: str) -> Any:  # noqa: ANN401 - JSON
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        return None
