"""Hours of the day: reading them, being inside, and when they open next."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.domain.hours import CallingHours, at_local_time, format_clock

INDIA = ZoneInfo("Asia/Kolkata")
BERLIN = ZoneInfo("Europe/Berlin")
DAY = CallingHours.parse("09:00-21:00")


def india(hour: int, minute: int = 0, day: int = 22) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=INDIA)


@pytest.mark.parametrize("text", ["09:00-21:00", " 9:00 - 21:00 ", "09:00–21:00"])  # noqa: RUF001
def test_reading(text: str) -> None:
    assert CallingHours.parse(text) == CallingHours(time(9), time(21))


def test_what_is_written_is_read_again() -> None:
    for text in ("09:00-21:00", "00:00-24:00", "09:30-24:00", "00:00-00:01"):
        assert str(CallingHours.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "9-21", "09:00", "21:00-09:00", "09:00-09:00", "09:00-24:01", "24:00-24:00",
        "09:60-21:00", "09:00-21:00-22:00", "09:00-00:00", "0९:00-21:00", "09:00:00-21:00",
    ],
)  # fmt: skip
def test_other_texts_are_refused_with_the_fix(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 09:00-21:00, the start before the end"):
        CallingHours.parse(text)


def test_an_end_before_the_start_is_refused() -> None:
    with pytest.raises(ValueError, match="start before the end"):
        CallingHours(time(21), time(9))


def test_the_start_is_inside_and_the_end_is_not() -> None:
    assert not DAY.contains(india(8, 59), INDIA)
    assert DAY.contains(india(9), INDIA)
    assert DAY.contains(india(20, 59) + timedelta(seconds=59), INDIA)
    assert not DAY.contains(india(21), INDIA)
    assert DAY.contains(india(9).astimezone(UTC), INDIA)


def test_opening_next() -> None:
    assert DAY.next_open(india(12), INDIA) == india(12)
    assert DAY.next_open(india(3), INDIA) == india(9)
    assert DAY.next_open(india(21), INDIA) == india(9, day=23)
    assert DAY.next_open(india(21).astimezone(UTC), INDIA).tzinfo is INDIA


@given(minutes=st.integers(0, 2 * 1440))
def test_always_is_always(minutes: int) -> None:
    at = india(0) + timedelta(minutes=minutes)
    assert CallingHours.parse("00:00-24:00").next_open(at, INDIA) is at


spans = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda span: span[0] < span[1])


@given(span=spans, minute=st.integers(0, 1439))
def test_the_next_opening_is_the_first_moment_inside(span: tuple[int, int], minute: int) -> None:
    start, end = span
    hours = CallingHours.parse(f"{start // 60}:{start % 60:02}-{end // 60}:{end % 60:02}")
    at = india(0) + timedelta(minutes=minute)

    wait = (hours.next_open(at, INDIA) - at) // timedelta(minutes=1)

    assert wait == (0 if start <= minute < end else (start - minute) % 1440)


@given(
    span=spans,
    at=st.integers(0, 366 * 1440).map(
        lambda minute: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    ),
)
def test_with_summer_time_it_is_ahead_and_inside(span: tuple[int, int], at: datetime) -> None:
    start, end = span
    hours = CallingHours.parse(f"{start // 60}:{start % 60:02}-{end // 60}:{end % 60:02}")

    opening = hours.next_open(at, BERLIN)

    assert hours.contains(opening, BERLIN)
    assert timedelta(0) <= opening.astimezone(UTC) - at <= timedelta(hours=49)


def test_hours_that_the_clock_skips_open_the_day_after() -> None:
    skipped = CallingHours.parse("02:00-02:30")
    at = datetime(2027, 3, 27, 12, tzinfo=BERLIN)
    assert skipped.next_open(at, BERLIN) == datetime(2027, 3, 29, 2, tzinfo=BERLIN)


def test_hours_that_the_clock_shows_twice_open_twice() -> None:
    twice = CallingHours.parse("02:00-02:30")
    at = datetime(2026, 10, 25, 0, 45, tzinfo=UTC).astimezone(BERLIN)  # 02:45, the first time
    assert twice.next_open(at, BERLIN).astimezone(UTC) == datetime(2026, 10, 25, 1, tzinfo=UTC)
    shown_again = datetime(2026, 10, 25, 1, 45, tzinfo=UTC).astimezone(BERLIN)
    assert twice.next_open(shown_again, BERLIN).date() == date(2026, 10, 26)


@pytest.mark.parametrize(
    ("at", "minutes", "until"),
    [
        (india(12), 120, india(14)),
        (india(12), 0, india(12)),
        (india(20, 58), 1, india(20, 59)),
        (india(20, 58), 120, india(10, 58, day=23)),
        (india(19), 120, india(9, 15, day=23)),  # used up to the last minute
        (india(18, 59), 120, india(20, 59)),
        (india(19, 5), 120, india(9, 15, day=23)),  # five minutes are left, a morning has more
        (india(20, 59), 5, india(9, 5, day=23)),
        (india(21, 5), 120, india(11, day=23)),
        (india(3), 120, india(11)),
        (india(9), 36 * 60, india(9, 15, day=25)),
        (india(9), 30 * 60, india(15, day=24)),
    ],
)  # fmt: skip
def test_open_for_a_while_whatever_nights_are_between(
    at: datetime, minutes: int, until: datetime
) -> None:
    assert DAY.open_for(at, minutes * 60.0, INDIA) == until
    assert DAY.open_for(at.astimezone(UTC), minutes * 60.0, INDIA) == until


@given(minute=st.integers(0, 1439), minutes=st.integers(0, 10_080))
def test_without_a_night_it_is_a_sum(minute: int, minutes: int) -> None:
    at = india(0) + timedelta(minutes=minute)
    always = CallingHours.parse("00:00-24:00")
    assert always.open_for(at, minutes * 60.0, INDIA) == at + timedelta(minutes=minutes)


@given(
    span=spans,
    at=st.integers(0, 366 * 1440).map(
        lambda minute: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    ),
    minutes=st.integers(1, 10_080),
)
def test_it_never_ends_before_an_opening_nor_before_its_seconds(
    span: tuple[int, int], at: datetime, minutes: int
) -> None:
    start, end = span
    hours = CallingHours.parse(f"{start // 60}:{start % 60:02}-{end // 60}:{end % 60:02}")

    until = hours.open_for(at, minutes * 60.0, BERLIN).astimezone(UTC)

    assert until >= hours.next_open(at, BERLIN).astimezone(UTC) + timedelta(minutes=minutes)
    assert until <= at + timedelta(days=80)


def test_hours_of_a_minute_end_the_counting() -> None:
    minute = CallingHours.parse("09:00-09:01")
    until = minute.open_for(india(9), 7 * 86_400.0, INDIA)
    assert timedelta(days=31) <= until - india(9) <= timedelta(days=39)


def test_the_wall_clock() -> None:
    spring, autumn = date(2027, 3, 28), date(2026, 10, 25)
    assert at_local_time(spring, time(2, 30), BERLIN).time() == time(3, 30)
    first = at_local_time(autumn, time(2, 30), BERLIN).astimezone(UTC)
    second = at_local_time(autumn, time(2, 30), BERLIN, fold=1).astimezone(UTC)
    assert (first.hour, second.hour) == (0, 1)


def test_clock_words() -> None:
    said = [format_clock(time(hour, 5)) for hour in (0, 9, 12, 17)]
    assert said == ["12:05 AM", "9:05 AM", "12:05 PM", "5:05 PM"]
