"""How long things are kept: what the owner set, or what the installation was begun with."""

from datetime import UTC, datetime, timedelta

import pytest

from fwai.domain.keeping import KeepTime, Removed, keep_time

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "since", "expected"),
    [
        (None, None, KeepTime(0)),  # upgraded: everything stays
        (None, SINCE, KeepTime(365, SINCE)),
        (0, SINCE, KeepTime(0)),
        (0, None, KeepTime(0)),
        (30, None, KeepTime(30)),  # upgraded, and set since
        (30, SINCE, KeepTime(30)),
    ],
)
def test_what_is_set_counts_and_else_what_was_there_at_the_beginning(
    days: int | None, since: datetime | None, expected: KeepTime
) -> None:
    assert keep_time(days, 365, since) == expected


@pytest.mark.parametrize(
    ("days", "end"), [(0, None), (1, NOW - timedelta(hours=24)), (36_500, NOW - timedelta(36_500))]
)
def test_a_day_is_24_hours(days: int, end: datetime | None) -> None:
    assert KeepTime(days).end(NOW) == end


def test_counts_have_names() -> None:
    counts = Removed(calls=2, bytes=900, more=True).counts()

    assert counts["calls"] == 2
    assert counts["bytes"] == 900
    assert counts["more"] is True
    assert counts["failed"] == 0
