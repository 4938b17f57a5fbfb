"""Bookable demos: the file, refusals and free slots."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwai.domain.availability import DEFAULT, MAX_SLOTS_SEARCHED, Availability, read_availability

INDIA = ZoneInfo("Asia/Kolkata")
BERLIN = ZoneInfo("Europe/Berlin")
EXAMPLE = Path(__file__).parents[3] / "docs" / "availability.example.json"
RULES = read_availability(json.loads(EXAMPLE.read_text(encoding="utf-8")))
NOW = datetime(2026, 11, 22, 13, 37, 19, tzinfo=INDIA)  # a Sunday


def november(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=INDIA)


def nobody(at: datetime) -> int:
    return 0


def taken_at(*starts: datetime) -> Callable[[datetime], int]:
    return starts.count


def refusal(at: datetime, taken: int = 0, rules: Availability = RULES) -> str | None:
    return rules.refusal(at, NOW, INDIA, taken)


# ---- the file ------------------------------------------------------------------------------------


def test_the_example_is_read_whole() -> None:
    assert [len(day) for day in RULES.working] == [2, 2, 2, 2, 2, 1, 0]
    assert str(RULES.working[0][1]) == "14:00-18:00"
    assert RULES.holidays == {date(2026, 12, 25): "", date(2027, 1, 26): "Republic Day"}
    numbers = (RULES.slot_minutes, RULES.duration_minutes, RULES.capacity)
    assert numbers == (30, 30, 1)
    assert (RULES.notice_minutes, RULES.horizon_days) == (60, 60)


def test_what_is_absent_is_as_by_default() -> None:
    assert read_availability({}) == DEFAULT
    assert [len(day) for day in DEFAULT.working] == [1, 1, 1, 1, 1, 1, 0]
    assert str(DEFAULT.working[5][0]) == "10:00-18:00"


def test_a_weekday_that_is_not_named_is_closed() -> None:
    rules = read_availability({"working_hours": {"sun": ["10:00-11:00"]}})
    assert [len(day) for day in rules.working] == [0, 0, 0, 0, 0, 0, 1]


def test_every_problem_is_told_with_its_path_and_fix() -> None:
    raw = {
        "working_hours": {
            "mon": ["10:00-09:00", 7, "10:00-12:00", "11:00-13:00", "15:00-15:20"],
            "tue": "10:00-18:00",
            "monday": [],
        },
        "slot_minutes": 0,
        "duration_minutes": "30",
        "capacity": True,
        "holidays": ["25.12.2026", {"date": 3, "name": 4, "why": ""}, None],
        "horizon_days": 366,
        "slots": 30,
    }
    with pytest.raises(ValueError, match=r"^slots: unknown key") as caught:
        read_availability(raw)

    paths = [line.split(": ", 1)[0] for line in str(caught.value).splitlines()]
    assert sorted(paths) == sorted(
        [
            "slots", "slot_minutes", "duration_minutes", "capacity", "horizon_days",
            "working_hours.monday", "working_hours.mon.0", "working_hours.mon.1",
            "working_hours.mon.3", "working_hours.mon.4", "working_hours.tue",
            "holidays.0", "holidays.1.why", "holidays.1.name", "holidays.1.date", "holidays.2",
        ]
    )  # fmt: skip
    assert "working_hours.mon.3: begins before 10:00-12:00 ends" in str(caught.value)
    assert "working_hours.mon.4: shorter than duration_minutes (30)" in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ([], "write an object with working_hours"),
        (None, "write an object with working_hours"),
        ({"working_hours": []}, "working_hours: write an object with mon"),
        ({"holidays": "2026-12-25"}, "holidays: write a list"),
    ],
)
def test_a_wrong_shape_is_told(raw: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_availability(raw)


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "at",
    [november(23, 10), november(23, 12, 30), november(23, 14), november(23, 17, 30)],
)
def test_slots_that_can_be_booked(at: datetime) -> None:
    assert refusal(at) is None
    assert refusal(at.astimezone(UTC)) is None


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (november(22, 13), "That time has passed; offer a later one."),
        (november(22, 14, 30), "A demo needs 1 hour of notice; offer a later time."),
        (november(29, 10), "There are no demos on a Sunday; offer another day."),
        (
            datetime(2026, 12, 25, 10, tzinfo=INDIA),
            "25 December is a holiday; offer another day.",
        ),
        (
            datetime(2027, 1, 22, 10, tzinfo=INDIA),
            "Demos are booked at most 60 days ahead; offer an earlier date.",
        ),
        (
            november(23, 13),
            (
                "On a Monday demos are from 10:00 AM to 1:00 PM and from 2:00 PM to 6:00 PM; "
                "offer a time within."
            ),
        ),
        (
            november(23, 12, 45),
            "A demo takes 30 minutes and must end by 1:00 PM; offer an earlier time.",
        ),
        (
            november(23, 10, 15),
            "Demos start every 30 minutes from 10:00 AM; offer one of those times.",
        ),
        (
            november(23, 10) + timedelta(seconds=1),
            "Demos start every 30 minutes from 10:00 AM; offer one of those times.",
        ),
    ],
)
def test_refusals(at: datetime, told: str) -> None:
    assert refusal(at) == told


def test_a_full_slot() -> None:
    two = read_availability({"capacity": 2})
    assert refusal(november(23, 10), taken=1, rules=two) is None
    assert refusal(november(23, 10), taken=2, rules=two) == "That slot is full; offer another one."


def test_a_holiday_is_called_by_its_name() -> None:
    rules = read_availability({"holidays": [{"date": "2026-11-24", "name": " Guru Nanak "}]})
    assert refusal(november(24, 10), rules=rules) == (
        "24 November is a holiday (Guru Nanak); offer another day."
    )


def test_notice_is_time_and_not_the_clock() -> None:
    rules = read_availability({"working_hours": {"sun": ["00:00-24:00"]}})
    now = datetime(2027, 3, 28, 1, 30, tzinfo=BERLIN)  # at 02:00 the clock is put forward
    assert rules.refusal(datetime(2027, 3, 28, 3, tzinfo=BERLIN), now, BERLIN, 0) is not None
    assert rules.refusal(datetime(2027, 3, 28, 3, 30, tzinfo=BERLIN), now, BERLIN, 0) is None


def test_notice_counts_the_hour_that_is_shown_twice() -> None:
    rules = read_availability({"working_hours": {"sun": ["00:00-24:00"]}, "notice_minutes": 120})
    now = datetime(2026, 10, 25, 1, 30, tzinfo=BERLIN)
    three = datetime(2026, 10, 25, 3, tzinfo=BERLIN)
    assert rules.refusal(three, now, BERLIN, 0) is None
    assert rules.next_free(now, now, BERLIN, nobody, most=1) == [three]


# ---- free slots ----------------------------------------------------------------------------------


def test_the_next_free_slots_skip_what_is_taken_and_closed() -> None:
    free = RULES.next_free(november(23, 12), NOW, INDIA, taken_at(november(23, 12, 30)))

    assert free == [november(23, 12), november(23, 14), november(23, 14, 30)]
    assert all(slot.tzinfo is INDIA for slot in free)
    saturday = RULES.next_free(november(28, 12, 10), NOW, INDIA, nobody)
    assert saturday[:2] == [november(28, 12, 30), november(30, 10)]


def test_slots_do_not_overrun_the_hours() -> None:
    rules = read_availability(
        {"working_hours": {"mon": ["10:00-11:45"]}, "slot_minutes": 30, "duration_minutes": 45}
    )
    assert rules.next_free(NOW, NOW, INDIA, nobody, most=4) == [
        november(23, 10), november(23, 10, 30), november(23, 11), november(30, 10),
    ]  # fmt: skip


def test_the_last_slot_of_the_day_ends_at_midnight() -> None:
    rules = read_availability({"working_hours": {"mon": ["23:00-24:00"]}})
    assert rules.next_free(NOW, NOW, INDIA, nobody, 2) == [november(23, 23), november(23, 23, 30)]
    assert refusal(november(23, 23, 30), rules=rules) is None


def test_the_search_keeps_notice_and_horizon() -> None:
    always = read_availability(
        {"working_hours": {"sun": ["00:00-24:00"], "mon": ["00:00-24:00"]}, "horizon_days": 1}
    )
    slots = always.next_free(NOW - timedelta(days=9), NOW, INDIA, nobody, most=500)
    assert (slots[0], slots[-1]) == (november(22, 15), november(23, 13, 30))
    assert always.next_free(NOW + timedelta(days=2), NOW, INDIA, nobody) == []


def test_a_closed_or_full_calendar_ends_the_search() -> None:
    asked: list[datetime] = []

    def full(at: datetime) -> int:
        asked.append(at)
        return 1

    every_day = {day: ["00:00-24:00"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    busy = read_availability({"working_hours": every_day, "slot_minutes": 5, "horizon_days": 365})
    assert busy.next_free(NOW, NOW, INDIA, full) == []
    assert len(asked) == MAX_SLOTS_SEARCHED
    assert read_availability({"working_hours": {}}).next_free(NOW, NOW, INDIA, nobody) == []


def test_slots_that_the_clock_skips_are_not_offered() -> None:
    rules = read_availability({"working_hours": {"sun": ["01:00-04:00"]}})
    now = datetime(2027, 3, 27, 12, tzinfo=BERLIN)
    free = rules.next_free(now, now, BERLIN, nobody, most=9)
    assert [f"{slot:%H:%M}" for slot in free if slot.day == now.day + 1] == [
        "01:00",
        "01:30",
        "03:00",
        "03:30",
    ]


@settings(max_examples=30)
@given(
    ahead=st.integers(-1440, 61 * 1440),
    slot=st.sampled_from([10, 15, 20, 30, 45, 60]),
    duration=st.sampled_from([10, 30, 45, 60]),
    zone=st.sampled_from([INDIA, BERLIN]),
)
def test_what_is_offered_is_never_refused_and_nothing_before_it_is_free(
    ahead: int, slot: int, duration: int, zone: ZoneInfo
) -> None:
    raw = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    rules = read_availability(raw | {"slot_minutes": slot, "duration_minutes": duration})
    at = (NOW + timedelta(minutes=ahead)).replace(second=0)

    free = rules.next_free(at, NOW, zone, nobody)

    assert all(rules.refusal(one, NOW, zone, 0) is None for one in free)
    assert free == sorted(set(free))
    minutes = range(min(int((free[0] - at) / timedelta(minutes=1)), 1500) if free else 0)
    assert all(rules.refusal(at + timedelta(minutes=m), NOW, zone, 0) for m in minutes)
