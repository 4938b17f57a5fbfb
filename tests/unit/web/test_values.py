"""Values as clients write them, and cursors."""

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.errors import FieldError
from fwai.web import paging, values
from unit.store.kit import KOLKATA

AT = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


def cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("text", "end", "at"),
    [
        ("2026-11-24T09:30:00+05:30", False, AT),
        ("2026-11-24T09:30:00 05:30", False, AT),
        ("2026-11-24T04:00:00Z", True, AT),
        ("2026-11-24T04:00Z", False, AT),
        ("2026-11-24", False, AT - timedelta(hours=9, minutes=30)),
        ("2026-11-24", True, AT + timedelta(hours=14, minutes=30)),
    ],
)
def test_a_moment_is_read(text: str, end: bool, at: datetime) -> None:
    read = values.parse_moment(text, "from", KOLKATA, end=end)

    assert (read, read.tzinfo) == (at, UTC)


@given(st.text(max_size=40))
def test_whatever_is_no_moment_is_named(text: str) -> None:
    try:
        at = values.parse_moment(text, "from", KOLKATA)
    except FieldError:
        pass
    else:
        assert 1999 <= at.year <= 2201


@given(st.datetimes(timezones=st.just(timezone(timedelta(hours=14)))))
def test_every_moment_can_be_kept(at: datetime) -> None:
    try:
        read = values.parse_timestamp(at.isoformat())
    except ValueError:
        assert not 2000 <= at.year <= 2200
    else:
        assert read == at


@given(st.text(max_size=60))
def test_a_number_is_e164_or_refused(text: str) -> None:
    try:
        number = values.parse_phone(text)
    except FieldError:
        pass
    else:
        assert number.startswith("+")
        assert number[1:].isdecimal()
        assert number.isascii()


@pytest.mark.parametrize("text", ["9999900000", "0919999900000x", "+", "٩" * 12])
def test_of_a_number_nothing_is_guessed(text: str) -> None:
    with pytest.raises(FieldError):
        values.parse_phone(text)


@pytest.mark.parametrize(
    "value", [{"a": float("nan")}, {"a": [{"b": "\x00"}]}, {"a\ud800": 1}, {"a": "\udfff"}]
)
def test_json_that_nothing_can_keep_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"finite|NUL|surrogate"):
        values.validate_json_object(value)


def test_json_of_every_kind_is_taken() -> None:
    value: dict[str, object] = {"a": [1, 2.5, None, True, "é", {"b": {}}]}

    assert values.validate_json_object(value) is value


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True),
)
def test_a_cursor_leads_back(at: datetime, item_id: str) -> None:
    page = paging.page("items", [1, 2], 1, lambda item: item, lambda _: (at, item_id))

    assert page["items"] == [1]
    assert paging.decode_position(page["next_cursor"]) == (at, item_id)


@pytest.mark.parametrize(
    "wrong",
    [
        "x",
        "é",
        "====",
        cursor(),
        cursor("2026-11-24T04:00:00+00:00"),
        cursor("2026-11-24T04:00:00", "c-1"),
        cursor("0001-01-01T00:00:00+14:00", "c-1"),
        cursor("2026-11-24T04:00:00+00:00", "../x"),
        cursor("2026-11-24T04:00:00+00:00", 5),
        cursor("now", "c-1"),
        base64.urlsafe_b64encode(b"[" * 99).decode(),
    ],
)
def test_a_cursor_of_somebody_else_is_refused(wrong: str) -> None:
    with pytest.raises(FieldError) as refused:
        paging.decode_position(wrong)

    assert refused.value.field == "cursor"


@given(st.text(max_size=100))
def test_no_text_breaks_a_cursor(text: str) -> None:
    for read in (paging.decode_position, paging.decode_phone):
        with suppress(FieldError):
            read(text)
