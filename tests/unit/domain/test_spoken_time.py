"""Spoken times: what callers say, what models write, and what is refused."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fwai.domain.spoken_time import (
    HORIZON_DAYS,
    LONGEST_TEXT,
    SpokenTimeError,
    format_spoken_time,
    parse_spoken_time,
)
from tables import each_row

INDIA = ZoneInfo("Asia/Kolkata")
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 13, 37, 19, tzinfo=INDIA)  # a Sunday

NO_TIME = "No time of day was given; ask at what time."
PASSED = "That time has passed; ask for another."
TOO_FAR = "That is more than a year ahead; ask for an earlier date."
DISAGREE = "The days named do not agree; ask which day is meant."


def at(words: str, now: datetime = NOW, zone: ZoneInfo = INDIA) -> str:
    """Return the instant as ``11-23 17:00``, with seconds if there are any, with a distant year."""
    found = parse_spoken_time(words, now, zone)
    assert found.tzinfo is zone
    assert found.microsecond == 0
    year = "" if found.year == now.year else f"{found:%Y}-"
    return f"{year}{found:%m-%d %H:%M}" + (f":{found:%S}" if found.second else "")


def refused(words: str, now: datetime = NOW, zone: ZoneInfo = INDIA) -> str:
    with pytest.raises(SpokenTimeError) as caught:
        parse_spoken_time(words, now, zone)
    return str(caught.value)


@each_row(
    ("words", "expected"),
    [
        ("tomorrow 5 pm", "11-23 17:00"),
        ("day after tomorrow at noon", "11-24 12:00"),
        ("in two hours", "11-22 15:37:19"),
        ("in half an hour", "11-22 14:07:19"),
        ("coming monday at 10:30", "11-23 10:30"),
        ("monday 4pm", "11-23 16:00"),
        ("today evening 6", "11-22 18:00"),
        ("25 november at 3 pm", "11-25 15:00"),
        ("tonight at 8", "11-22 20:00"),
        ("after 20 minutes", "11-22 13:57:19"),
        ("in 2 minutes", "11-22 13:39:19"),
        ("Tomorrow, at 5:30 p.m., please!", "11-23 17:30"),
        ("tomorrow five thirty", "11-23 17:30"),
        ("tomorrow at 5.30", "11-23 17:30"),
        ("tomorrow at half past five", "11-23 17:30"),
        ("quarter to six tomorrow", "11-23 17:45"),
        ("quarter to one tomorrow", "11-23 12:45"),
        ("twenty-five past four", "11-22 16:25"),
        ("10 minutes to 5", "11-22 16:50"),
        ("five o'clock", "11-22 17:00"),
        ("tomorrow 1530 hrs", "11-23 15:30"),
        ("tomorrow 17:00 pm", "11-23 17:00"),
        ("12 noon tomorrow", "11-23 12:00"),
        ("tomorrow 12 am", "11-23 00:00"),
        ("tomorrow 5 pm IST", "11-23 17:00"),
        ("this evening at 6", "11-22 18:00"),
        ("sat 5 pm", "11-28 17:00"),
        ("in 2 days at 5 pm", "11-24 17:00"),
        ("in a week at noon", "11-29 12:00"),
        ("an hour and a half", "11-22 15:07:19"),
        ("2 and a half hours from now", "11-22 16:07:19"),
        ("1.5 hours later", "11-22 15:07:19"),
        ("1 hour and 30 minutes", "11-22 15:07:19"),
        ("a couple of hours", "11-22 15:37:19"),
        ("in 1530 minutes", "11-23 15:07:19"),
        ("now", "11-22 13:37:19"),
    ],
)
def test_english(words: str, expected: str) -> None:
    assert at(words) == expected


@each_row(
    ("words", "expected"),
    [
        ("kal shaam 5 baje", "11-23 17:00"),
        ("parso subah 10 baje", "11-24 10:00"),
        ("aaj raat 8 baje", "11-22 20:00"),
        ("do ghante baad", "11-22 15:37:19"),
        ("aadhe ghante mein", "11-22 14:07:19"),
        ("somvar ko 11 baje", "11-23 11:00"),
        ("sade paanch baje", "11-22 17:30"),
        ("saadhe 5 baje", "11-22 17:30"),
        ("sava 4 baje", "11-22 16:15"),
        ("paune 6 baje", "11-22 17:45"),
        ("kal paune ek baje", "11-23 12:45"),
        ("dopahar 2 baje", "11-22 14:00"),
        ("das minute mein", "11-22 13:47:19"),
        ("kal saat baje", "11-23 19:00"),
        ("kal dhai baje", "11-23 14:30"),
        ("dedh ghante baad", "11-22 15:07:19"),
        ("sava ghante baad", "11-22 14:52:19"),
        ("paune do ghante baad", "11-22 15:22:19"),
        ("paanch bajkar bees minute", "11-22 17:20"),
        ("do din baad shaam 5 baje", "11-24 17:00"),
        ("abhi se 2 ghante baad", "11-22 15:37:19"),
        ("aane wale Somwaar ko 11 baje", "11-23 11:00"),
        ("is shukravar 3 baje", "11-27 15:00"),
        ("26 tarikh ko shaam 5 baje", "11-26 17:00"),
    ],
)
def test_hindi_in_latin_script(words: str, expected: str) -> None:
    assert at(words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("कल शाम 5 बजे", "11-23 17:00"),
        ("दो घंटे बाद", "11-22 15:37:19"),
        ("परसों सुबह दस बजे", "11-24 10:00"),
        ("२५ नवंबर को दोपहर ३ बजे", "11-25 15:00"),
        ("सोमवार को साढ़े पाँच बजे", "11-23 17:30"),
        ("सोमवार को सा\u095dे पाँच बजे", "11-23 17:30"),
        ("आज रात सवा आठ बजे", "11-22 20:15"),
        ("आधे घंटे में", "11-22 14:07:19"),
        ("पौने छः बजे", "11-22 17:45"),
        ("कल शाम छ: बजे", "11-23 18:00"),
        ("मंगलवार शाम ४ बजे", "11-24 16:00"),
    ],
)
def test_devanagari(words: str, expected: str) -> None:
    assert at(words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("2026-11-25T15:00", "11-25 15:00"),
        (" 2026-11-25 15:00 ", "11-25 15:00"),
        ("2026-11-25T15:00:30+05:30", "11-25 15:00"),
        ("2026-11-25T09:30:00z", "11-25 15:00"),
        ("20261125T150000+0530", "11-25 15:00"),
        ("2026-11-25 at 3 pm", "11-25 15:00"),
        ("25/11/2026 15:00", "11-25 15:00"),
        ("25-11-26, 3 pm", "11-25 15:00"),
        ("25/11 3 pm", "11-25 15:00"),
        ("at 5 25 november", "11-25 17:00"),
        ("November 25th, 2026 at 3 pm", "11-25 15:00"),
        ("the 25th of november 3 pm", "11-25 15:00"),
        ("the 3rd at 4 pm", "12-03 16:00"),
        ("1 january 10 am", "2027-01-01 10:00"),
        ("tomorrow, monday 23 november at 5 pm", "11-23 17:00"),
    ],
)
def test_dates(words: str, expected: str) -> None:
    assert at(words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("at 5", "11-22 17:00"),
        ("5", "11-22 17:00"),
        ("at 8", "11-22 20:00"),
        ("tomorrow at 9", "11-23 09:00"),
        ("today at 9", "11-22 21:00"),
        ("monday at 7", "11-23 19:00"),
        ("tomorrow at 12", "11-23 12:00"),
        ("tomorrow 05:30", "11-23 05:30"),
        ("tomorrow 05:30 pm", "11-23 17:30"),
        ("tomorrow 21:15", "11-23 21:15"),
    ],
)
def test_a_bare_hour_is_between_8_and_21_unless_written_in_24_hours(
    words: str, expected: str
) -> None:
    assert at(words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("raat 12 baje", "11-23 00:00"),
        ("tonight at 1", "11-23 01:00"),
        ("12 am tonight", "11-23 00:00"),
        ("midnight", "11-23 00:00"),
        ("kal raat 1 baje", "11-24 01:00"),
        ("kal raat paune 12 baje", "11-23 23:45"),
    ],
)
def test_the_small_hours_belong_to_the_evening_before(words: str, expected: str) -> None:
    assert at(words) == expected


def test_tonight_said_after_midnight_is_this_night() -> None:
    assert at("tonight at 1", NOW.replace(hour=0, minute=30)) == "11-22 01:00"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("wednesday at 11 am", "11-25 11:00"),
        ("friday at 5 pm", "11-20 17:00"),
        ("next monday at 5 pm", "11-23 17:00"),
        ("friday week at 5 pm", "11-27 17:00"),
        ("next week friday at 5 pm", "11-27 17:00"),
        ("this friday at 5 pm", "11-20 17:00"),
        ("agle hafte shukravar 3 baje", "11-27 15:00"),
        ("अगले हफ्ते मंगलवार शाम ४ बजे", "11-24 16:00"),
    ],
)
def test_weekdays_seen_from_a_wednesday(words: str, expected: str) -> None:
    assert at(words, datetime(2026, 11, 18, 12, tzinfo=INDIA)) == expected


@pytest.mark.parametrize(
    "words",
    [
        "tomorrow",
        "kal shaam",
        "monday",
        "next monday",
        "in 2 days",
        "2026-11-25",
        "परसों",
        "morning",
    ],
)
def test_a_day_without_a_time_asks_for_one(words: str) -> None:
    assert refused(words) == NO_TIME


@pytest.mark.parametrize(
    "words",
    [
        "yesterday 5 pm", "today at 1", "this morning at 9", "21 november 5 pm",
        "2026-11-22T13:36:18", "2025-01-01T10:00Z", "5 november 2026 5 pm",
    ],
)  # fmt: skip
def test_what_has_passed(words: str) -> None:
    assert refused(words) == PASSED


@pytest.mark.parametrize(
    "words",
    [
        "1 december 2027 10 am", "29 february 5 pm", "in 900000 hours", "in 999999 weeks at 5 pm",
        "in 366 days at 5 pm", "9999-12-31T23:59:00-23:59", "2027-11-22T13:37:20",
    ],
)  # fmt: skip
def test_what_is_too_far_ahead(words: str) -> None:
    assert refused(words) == TOO_FAR


@each_row(
    "words",
    [
        "", " ", "pm", "5 6 baje", "das gyarah baje", "10-11 am", "10, 11 am", "5-6 pm",
        "das pandrah minute mein", "half a day", "dedh november 5 baje", "1:2:3:4", "5 5 pm",
        "seen 5 baje", "5 pm 6 pm", "now at 5", "tomorrow 5 a", "25 november 17", "a couple of",
        "in half past five", "wednesday wed week week 5 pm", "in 10 minutes in an hour", "on home",
        "quarter 5", "2026", "5 30 ko", "5 mein shaam", "tomorrow in 5:30", "at 10 minutes",
        "tomorrow 5 pm ist utc", "is 5 baje", "next 5 pm", "0th december 5 pm", "in 99999 ",
        "on 45", "2 hours this week", "tomorrow same time at 5", "next friday tomorrow at 5 pm",
        "this week next friday at 5 pm", "1.5 second", "in 1.005 hours",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_not_guessed(words: str) -> None:
    refused(words)


@each_row(
    ("words", "sentence"),
    [
        (
            "soon",
            '"soon" is no exact time; ask for one day and one time, such as tomorrow at 5 PM.',
        ),
        ("5 ya 6 baje", '"ya" makes more than one time of it'),
        ("5 to 6 pm", '"5 to 6" makes more than one time of it'),
        ("every monday at 5", '"every" makes more than one day of it'),
        ("not tomorrow at 5", '"not" is not understood'),
        ("before 5 pm tomorrow", '"before" leaves the time open'),
        ("after monday 5 pm", '"after" leaves the time open'),
        ("monday ke baad 5 baje", '"ke baad" leaves the time open'),
        ("after 25 november 5 pm", '"after" leaves the time open'),
        ("5 baje se 10 minute pehle", "leaves the time open"),
        ("5 pm ago", '"ago" points to the past'),
        ("tomorrow 5 pm EST", '"EST" is not the time of Asia/Kolkata'),
        ("2026-11-25T15:00 EST", '"EST" is not the time of Asia/Kolkata'),
        ("tomorrow at 25:00", "no such time on a clock"),
        ("tomorrow at 5:60", "no such time on a clock"),
        ("tomorrow at 2460", "no such time on a clock"),
        ("70 minutes to 5", "no such time on a clock"),
        ("5 bajkar 70 minute", "no such time on a clock"),
        ("quarter to 0", "no such time on a clock"),
        ("tomorrow 13 am", "do not agree; ask for the time with AM or PM"),
        ("tomorrow evening at 5 am", "do not agree; ask for the time with AM or PM"),
        ("tomorrow in 2 hours", "days named do not agree"),
        ("next week at 5 pm", "No day was given"),
        ("same time", "No day was given"),
        ("30 february 5 pm", "no such date"),
        ("31/31/2026 5 pm", "no such date"),
        ("5/12 5 pm", "may be Saturday 5 December, at 5:00 PM; or Wednesday 12 May 2027, at"),
        ("tomorrow at 8", "at 8:00 AM; or tomorrow, Monday 23 November, at 8:00 PM: ask which."),
        ("at 9", "may be today at 9:00 PM; or tomorrow, Monday 23 November, at 9:00 AM: ask"),
        ("at 1:30", "at 1:30 AM; or tomorrow, Monday 23 November, at 1:30 PM: ask which."),
        ("in 10", '"10" may mean in 10 minutes, or in 10 hours, or at 10 o\'clock; ask which.'),
        ("in 45", '"45" may mean in 45 minutes, or in 45 hours; ask which.'),
        ("on 2", "the 2nd of a month, or 2 o'clock"),
        (
            "a 30 minute demo",
            "That may be how long it lasts, or count from something else",
        ),
        ("on 5.12", '"5.12" may be a date or a time of day'),
        ("next monday at 5 pm", "23 November, at 5:00 PM; or Monday 30 November, at 5:00 PM: ask"),
        (
            "quarter to 12 pm",
            "at 11:45 PM; or tomorrow, Monday 23 November, at 11:45 AM: ask",
        ),
        ("half 5", '"half 5" may mean half past 5 or 30 minutes to 5; ask which.'),
        ("in 99999999 minutes", '"99999999" is not understood'),
        ("\u00b2", '"\u00b2" is not understood'),
        ("\u660e\u5929", '"\u660e\u5929" is not understood'),
        ("5 pm\x00", '"a sign" is not understood'),
    ],
)
def test_a_refusal_says_what_to_ask(words: str, sentence: str) -> None:
    assert sentence in refused(words)


def test_days_that_contradict_each_other() -> None:
    assert refused("tuesday 23 november at 5 pm") == DISAGREE
    assert refused("kal parso 5 baje") == DISAGREE


def test_too_long_a_text_is_not_read() -> None:
    assert at("tomorrow 5 pm".ljust(LONGEST_TEXT)) == "11-23 17:00"
    assert refused("tomorrow 5 pm".ljust(LONGEST_TEXT + 1)).startswith("That is too long")


def test_a_minute_ago_is_not_past() -> None:
    assert at("2026-11-22T13:36:19") == "11-22 13:36"
    assert at("at 1:37") == "11-22 13:37"
    assert at("at 1:36 pm") == "11-23 13:36"


def test_now_may_be_of_another_zone() -> None:
    assert at("tomorrow 5 pm", datetime(2026, 11, 22, 20, 0, tzinfo=UTC)) == "11-24 17:00"


def test_a_time_that_the_clock_skips_is_moved_forward() -> None:
    now = datetime(2027, 3, 27, 12, tzinfo=BERLIN)
    assert at("tomorrow 02:30", now, BERLIN) == "03-28 03:30"
    assert at("2027-03-28T02:30", now, BERLIN) == "03-28 03:30"


def test_of_a_time_shown_twice_the_first_is_taken() -> None:
    now = datetime(2026, 10, 24, 12, tzinfo=BERLIN)
    found = parse_spoken_time("tomorrow 02:30", now, BERLIN)
    assert found.astimezone(UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_hours_are_counted_in_time_and_not_on_the_clock() -> None:
    assert at("in 2 hours", datetime(2027, 3, 28, 1, 30, tzinfo=BERLIN), BERLIN) == "03-28 04:30"


# ---- reading back --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (datetime(2026, 11, 22, 17, tzinfo=INDIA), "today at 5:00 PM"),
        (datetime(2026, 11, 23, 17, tzinfo=INDIA), "tomorrow, Monday 23 November, at 5:00 PM"),
        (datetime(2026, 12, 1, 0, 5, tzinfo=INDIA), "Tuesday 1 December, at 12:05 AM"),
        (datetime(2027, 1, 15, 12, 30, tzinfo=INDIA), "Friday 15 January 2027, at 12:30 PM"),
    ],
)
def test_reading_back(when: datetime, words: str) -> None:
    assert format_spoken_time(when, NOW) == words
    assert format_spoken_time(when, NOW.astimezone(UTC)) == words


GREENWICH = ZoneInfo("UTC")
zones = st.sampled_from([INDIA, BERLIN, ZoneInfo("America/St_Johns"), GREENWICH])
moments = st.integers(0, 6 * 366 * 86_400).map(
    lambda seconds: datetime(2024, 1, 1, tzinfo=GREENWICH) + timedelta(seconds=seconds)
)


@given(now=moments, minutes=st.integers(0, 364 * 1440), zone=zones, iso=st.booleans())
def test_what_is_read_back_means_the_same_instant(
    now: datetime, minutes: int, zone: ZoneInfo, iso: bool
) -> None:
    later = now.replace(second=0, microsecond=0) + timedelta(minutes=minutes)
    there = later.astimezone(zone)
    assume(iso or there.fold == 0)

    found = parse_spoken_time(
        there.isoformat() if iso else format_spoken_time(there, now), now, zone
    )

    assert found.astimezone(UTC) == later


VOCABULARY = """
    kal aaj parso shaam raat subah baje 5 10:30 12 25 november monday next in after baad do ghante
    minute sade paune half quarter past to an hour am pm noon midnight tarikh th and - , 1.5 0 a at
    2026-11-25 25/11 999999 now 1530 bajkar week somvar agle tonight कल घंटे ३ बजे
"""
some_words = st.lists(st.sampled_from(VOCABULARY.split()), max_size=9)


@given(words=some_words, now=moments, zone=zones)
def test_words_in_any_order_give_a_time_ahead_or_one_sentence(
    words: list[str], now: datetime, zone: ZoneInfo
) -> None:
    try:
        found = parse_spoken_time(" ".join(words), now, zone)
    except SpokenTimeError as exc:
        assert str(exc).endswith(".")  # noqa: PT017
    else:
        ahead = found.astimezone(UTC) - now.astimezone(UTC)
        assert -timedelta(seconds=120) <= ahead <= timedelta(days=HORIZON_DAYS)


@given(text=st.text(max_size=LONGEST_TEXT + 5))
def test_no_text_breaks_it(text: str) -> None:
    try:
        parse_spoken_time(text, NOW, INDIA)
    except SpokenTimeError as exc:
        assert str(exc).endswith(".")  # noqa: PT017
