"""Pages of lists: a page names where the next one begins. No I/O."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

from fastapi import Query

from fwai.errors import FieldError
from fwai.interfaces.jobs import ListPosition
from fwai.web.values import known_moment, safe_id

MAX_PAGE: Final = 200
USUAL: Final = 50
_MAX_CURSOR: Final = 200
_FIX: Final = "take next_cursor of an earlier page as it stands"

ItemT = TypeVar("ItemT")

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="How many to return at most.")]
Cursor = Annotated[
    str,
    Query(max_length=_MAX_CURSOR, description="`next_cursor` of the page before, as it stands."),
]


def place_of(cursor: str) -> ListPosition | None:
    """Return where a page begins; None when it is the first.

    Raises:
        FieldError: The cursor is not one of ours.
    """
    if not cursor:
        return None
    match _decode(cursor):
        case [str() as stamp, str() as item_id] if safe_id(item_id):
            try:
                return known_moment(stamp), item_id
            except ValueError:
                raise FieldError("cursor", _FIX) from None
        case _:
            raise FieldError("cursor", _FIX)


def number_after(cursor: str) -> str:
    """Return the number that a page begins after; empty when it is the first.

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
    show: Callable[[ItemT], Any],
    last: Callable[[ItemT], Any],
) -> dict[str, Any]:
    """Return a page of at most ``most`` items, of which one more was asked for.

    Args:
        name: Of the list.
        found: The items.
        most: How many to show.
        show: Returns an item as JSON.
        last: Returns what the next page begins after: a tuple of text and moments.
    """
    shown = found[:most]
    more = len(found) > most
    return {
        name: [show(item) for item in shown],
        "next_cursor": _encode(last(shown[-1])) if more else None,
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
