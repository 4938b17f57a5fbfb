"""A grid of what callers say for a time: its share right, and what must never change an answer.

``spoken_times.tsv`` holds the words, the moment and the instant that a receptionist would note
down, or "ask" where one would ask back. docs/adr/0010 gives the shares; they are counted here.
"""

import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fwai.domain.spoken_time import LONGEST_TEXT, SpokenTimeError, parse_spoken_time
from fwai.domain.spoken_time_kinds import Kind
from fwai.domain.spoken_time_words import tokenize
from tables import each_row

INDIA = ZoneInfo("Asia/Kolkata")
BERLIN = ZoneInfo("Europe/Berlin")
MOMENTS = {
    "sunday": datetime(2026, 11, 22, 13, 37, tzinfo=INDIA),
    "wednesday": datetime(2026, 11, 18, 15, 0, tzinfo=INDIA),
    "newyear": datetime(2026, 12, 31, 16, 20, tzinfo=INDIA),  # a Thursday
    "february": datetime(2027, 2, 26, 10, 15, tzinfo=INDIA),  # a Friday, the 28th is the last
    "late": datetime(2026, 11, 22, 23, 40, tzinfo=INDIA),
    "dawn": datetime(2026, 11, 24, 6, 30, tzinfo=INDIA),
    "night": datetime(2026, 11, 25, 2, 50, tzinfo=INDIA),  # a Wednesday, as the next three
    "afternoon": datetime(2026, 11, 25, 15, 0, tzinfo=INDIA),
    "evening": datetime(2026, 11, 25, 20, 0, tzinfo=INDIA),
    "midnight": datetime(2026, 11, 25, 23, 50, tzinfo=INDIA),
    "saturday": datetime(2026, 11, 28, 11, 0, tzinfo=INDIA),
    "monthend": datetime(2026, 11, 30, 10, 0, tzinfo=INDIA),
    "spring": datetime(2027, 3, 27, 12, 0, tzinfo=BERLIN),  # the night loses an hour
    "autumn": datetime(2026, 10, 24, 12, 0, tzinfo=BERLIN),  # the night has an hour more
}
ASK = "ask"
GRID = Path(__file__).with_name("spoken_times.tsv")
ADR = Path(__file__).parents[3] / "docs" / "adr" / "0010-spoken-times.md"


class Case(NamedTuple):
    """A line of the grid."""

    language: str
    moment: str
    words: str
    expected: str


def grid() -> list[Case]:
    lines = GRID.read_text("utf-8").splitlines()
    return [Case(*line.split("\t")) for line in lines if line and not line.startswith("#")]


def answer(words: str, moment: str) -> str:
    """Return the instant, to the minute, or `ASK`."""
    now = MOMENTS[moment]
    zone = now.tzinfo
    assert isinstance(zone, ZoneInfo)
    try:
        at = parse_spoken_time(words, now, zone)
    except SpokenTimeError:
        return ASK
    return at.replace(tzinfo=None).isoformat(timespec="minutes")


CASES = grid()
ANSWERED = [case for case in CASES if case.expected != ASK]
# What is asked back though one reading is meant. Nothing may be added; what is mended is taken out.
NEEDLESSLY_ASKED = frozenset({"i think tomorrow at 4 should work"})


@each_row("case", CASES, ids=lambda case: f"{case.moment}: {case.words}")
def test_every_phrase_of_the_grid(case: Case) -> None:
    expected = ASK if case.words in NEEDLESSLY_ASKED else case.expected
    assert answer(case.words, case.moment) == expected


def test_the_shares_in_the_docs_are_those_of_the_grid() -> None:
    """Counted anew by every run: right, wrong in silence and asked without need, by language."""
    told = {
        found[1].strip(): tuple(int(found[index]) for index in (2, 3, 4, 5))
        for found in re.finditer(
            r"^\| ([A-Za-z ]+?) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$",
            ADR.read_text("utf-8"),
            re.MULTILINE,
        )
    }
    counted: dict[str, tuple[int, ...]] = {}
    for language in (*dict.fromkeys(case.language for case in CASES), "all"):
        cases = [case for case in CASES if language in (case.language, "all")]
        found = Counter(_verdict(case) for case in cases)
        counted[language] = (len(cases), *(found[one] for one in ("right", "silent", "needless")))

    assert counted == told
    assert counted["all"][0] >= 500
    assert counted["all"][2] == 0, "a wrong time that nobody asked about"


def _verdict(case: Case) -> str:
    found = answer(case.words, case.moment)
    if found == case.expected:
        return "right"
    return "needless" if found == ASK else "silent"


def test_the_grid_has_both_kinds_in_every_language_and_no_phrase_twice() -> None:
    kinds = {(case.language, case.expected == ASK) for case in CASES}

    assert {language for language, asks in kinds if asks} == {case.language for case in CASES}
    assert {language for language, asks in kinds if not asks} == {case.language for case in CASES}
    assert len({(case.moment, case.words) for case in CASES}) == len(CASES)


# ---- no word is dropped in silence --------------------------------------------------------------

answered = st.sampled_from(ANSWERED)
letters = st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=9)
unknown_words = letters.filter(lambda word: any(one.kind is Kind.UNKNOWN for one in tokenize(word)))


@given(case=answered, word=unknown_words, place=st.integers(0, 9))
def test_an_unknown_word_anywhere_is_asked_about(case: Case, word: str, place: int) -> None:
    assume(word != "ist")
    words = case.words.split()
    words.insert(place, word)

    assert answer(" ".join(words), case.moment) == ASK


# What makes any time one to ask about, wherever it stands.
ASKED_ABOUT_TEXT = """
    not nahi mat nahin or ya before until tak within every har except sometime maybe shayad ago last
    between daily weekend roz pichle either few soon asap never नहीं या हर बीच तक
"""
ASKED_ABOUT = ASKED_ABOUT_TEXT.split()


@given(case=answered, word=st.sampled_from(ASKED_ABOUT), place=st.integers(0, 9))
def test_a_word_that_leaves_no_one_time_is_never_dropped(case: Case, word: str, place: int) -> None:
    words = case.words.split()
    words.insert(place, word)

    assert answer(" ".join(words), case.moment) == ASK


@pytest.mark.parametrize(
    ("words", "word"),
    [
        ("tomorrow after the show at 5", "show"),
        ("tomorrow after 5", "after"),
        ("kal khane ke baad 5 baje", "khane"),
        ("tomorrow at 5 maybe", "maybe"),
        ("mañana at 5", "mañana"),
        ("明天 5 pm", "明天"),
        ("tomorrow 5 pm \u0ba8\u0bbe\u0bb3\u0bc8", "\u0ba8\u0bbe\u0bb3\u0bc8"),
        ("kal nahi parso 5 baje", "nahi"),
        ("tomorrow 5 pm EST", "EST"),
        ("every friday at 5 pm", "every"),
        ("call me back in five", "five"),
        ("kal das mein", "das"),
        ("abracadabra" * 5 + " 5 pm", "abracadabraabracadabraab…"),
        ("5 pm \x07 tomorrow", "a sign"),
    ],
)
def test_the_refusal_names_what_was_not_understood(words: str, word: str) -> None:
    with pytest.raises(SpokenTimeError) as refused:
        parse_spoken_time(words, MOMENTS["sunday"], INDIA)

    assert f'"{word}"' in str(refused.value)


# Words that say nothing about when; beside a length they may say what it is the length of.
SPOKEN_OF_TEXT = """
    demo call meeting slot appointment talk phone free book please call_me it baat fon डेमो कॉल
    is_fine theek_hai ke ka ki of
"""
SPOKEN_OF = [one.replace("_", " ") for one in SPOKEN_OF_TEXT.split()]


@given(case=answered, word=st.sampled_from(SPOKEN_OF), place=st.integers(0, 9))
def test_what_is_spoken_of_moves_no_time(case: Case, word: str, place: int) -> None:
    words = case.words.split()
    words.insert(place, word)

    assert answer(" ".join(words), case.moment) in (case.expected, ASK)


DEVANAGARI_DIGITS = str.maketrans("0123456789", "०१२३४५६७८९")


@each_row(
    "case",
    [case for case in CASES if "T" not in case.words],
    ids=lambda case: f"{case.moment}: {case.words}",
)
def test_figures_mean_the_same_in_devanagari(case: Case) -> None:
    words = case.words.translate(DEVANAGARI_DIGITS)

    assert answer(words, case.moment) == answer(case.words, case.moment)


LENGTHS = (
    "a day later",
    "one day later",
    "do din baad",
    "ek din baad",
    "ke agle din",
    "दो दिन बाद",
)
NAMED_DAYS = frozenset({Kind.DAY, Kind.WEEKDAY, Kind.MONTH, Kind.ORDINAL})
WITH_DAY = [case for case in ANSWERED if NAMED_DAYS & {one.kind for one in tokenize(case.words)}]


@given(case=st.sampled_from(WITH_DAY), length=st.sampled_from(LENGTHS), place=st.integers(0, 9))
def test_a_length_beside_a_named_day_never_leaves_it_that_day(
    case: Case, length: str, place: int
) -> None:
    words = case.words.split()
    words.insert(place, length)

    assert answer(" ".join(words), case.moment) == ASK


# ---- advice that can be followed ----------------------------------------------------------------

MAY_BE = re.compile(r"That may be (.*): ask which\.$")
MAY_MEAN = re.compile(r'^"[^"]*" may mean (.*); ask which\.$')
SUCH_AS = re.compile(r"such as (.*)\.$")


def offered(refusal: str) -> list[str]:
    """Return every wording that a refusal offers or gives as an example."""
    if found := MAY_BE.search(refusal):
        return found[1].split("; or ")
    if found := MAY_MEAN.search(refusal):
        return [one.strip() for one in re.split(r",? or ", found[1])]
    return [found[1]] if (found := SUCH_AS.search(refusal)) else []


def refusals() -> list[tuple[str, str]]:
    """Return the moment and the text of every refusal of the grid."""
    found = set()
    for case in CASES:
        now = MOMENTS[case.moment]
        zone = now.tzinfo
        assert isinstance(zone, ZoneInfo)
        try:
            parse_spoken_time(case.words, now, zone)
        except SpokenTimeError as exc:
            found.add((case.moment, str(exc)))
    return sorted(found)


def followed(words: str, moment: str) -> list[str]:
    """Return the answer to ``words``, or the answers to what is offered instead of one."""
    found = answer(words, moment)
    return [found] if found != ASK else [answer(one, moment) for one in choices(words, moment)]


def choices(words: str, moment: str) -> list[str]:
    """Return the readings between which ``words`` leave the choice."""
    now = MOMENTS[moment]
    with pytest.raises(SpokenTimeError, match=MAY_BE) as refused:
        parse_spoken_time(words, now, ZoneInfo(str(now.tzinfo)))
    return offered(str(refused.value))


@each_row(("moment", "refusal"), refusals())
def test_what_a_refusal_offers_is_understood(moment: str, refusal: str) -> None:
    """At 13:37 "at 10 o'clock" is one of two times; then both are offered, and either is taken."""
    found = [one for words in offered(refusal) for one in followed(words, moment)]

    assert refusal.endswith(".")
    assert ASK not in found, refusal
    assert len(set(found)) == len(found), "two readings that are one"
    assert found or re.search(r"; (ask|give)", refusal), "nothing to do next"


def test_two_readings_are_offered_as_such() -> None:
    now = MOMENTS["wednesday"]

    with pytest.raises(SpokenTimeError) as refused:
        parse_spoken_time("next friday at 5 pm", now, INDIA)

    assert str(refused.value) == (
        "That may be Friday 20 November, at 5:00 PM; or Friday 27 November, at 5:00 PM: ask which."
    )


# ---- whatever is said, an answer comes ----------------------------------------------------------

SOUP = [word for case in CASES for word in case.words.split()]


@given(words=st.lists(st.sampled_from(SOUP), max_size=14), moment=st.sampled_from(list(MOMENTS)))
def test_words_of_the_grid_in_any_order_are_a_time_ahead_or_a_question(
    words: list[str], moment: str
) -> None:
    found = answer(" ".join(words), moment)

    assert found == ASK or found >= MOMENTS[moment].strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    "text",
    [
        "9" * 10**6,
        "kal " * 10**5,
        "a" * 10**6,
        "1:" * (LONGEST_TEXT // 2),
        "half past " * 20,
        "and " * 50,
        "an hour and " * 16,
        "9" * LONGEST_TEXT,
        "-" * LONGEST_TEXT,
        "\u0301" * LONGEST_TEXT,
        "\u200d" * LONGEST_TEXT,
    ],
)
def test_no_length_or_repetition_gives_a_time(text: str) -> None:
    assert answer(text, "sunday") == ASK
