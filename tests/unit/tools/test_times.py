"""Times in, as people say them; times out, as letters write them."""

from datetime import datetime

import pytest

from fwai.errors import FieldError
from fwai.tools.times import format_time, parse_time
from unit.tools.kit import INDIA, NOW


@pytest.mark.parametrize("words", ["tomorrow 5 pm", "kal shaam 5 baje", "2026-11-23T17:00"])
def test_a_time_is_an_instant(words: str) -> None:
    assert parse_time(words, NOW, INDIA) == datetime(2026, 11, 23, 17, 0, tzinfo=INDIA)


@pytest.mark.parametrize("words", ["", "soonish", "yesterday 5 pm", "tomorrow"])
def test_a_time_that_is_none_is_the_argument_that_is_wrong(words: str) -> None:
    with pytest.raises(FieldError, match=r"\.$") as caught:
        parse_time(words, NOW, INDIA)

    assert caught.value.field == "when"


def test_a_letter_says_day_year_and_zone() -> None:
    assert format_time(NOW) == "Sunday 22 November 2026, 12:00 PM (IST)"
