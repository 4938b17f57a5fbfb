"""Which letters a text message has room for, and how much."""

import pytest

from fwai.domain.sms_text import as_gsm, foreign, is_gsm, one_line, shortened, units, unprintable

DEVANAGARI = "\u0906\u0936\u093e"  # Asha


@pytest.mark.parametrize(
    ("text", "gsm", "room"),
    [
        ("", True, 0),
        ("Hello, Asha!", True, 12),
        ("a" * 160, True, 160),
        ("{x}", True, 5),
        ("20 \u20ac", True, 5),
        ("\u00e9\u00e8\u00f1\u00fc\u00c7", True, 5),
        ("\u00e1", False, 1),
        (DEVANAGARI, False, 3),
        ("\U0001f600", False, 2),
        ("a\U0001f600", False, 3),
        ("\u20b9500", False, 4),
        ("\ud800", False, 1),
    ],
)
def test_letters_take_room(text: str, gsm: bool, room: int) -> None:
    assert (is_gsm(text), units(text)) == (gsm, room)
    assert bool(foreign(text)) != gsm


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Asha\u2019s \u201cdemo\u201d", 'Asha\'s "demo"'),
        ("5\u20136 PM \u2014 today\u2026", "5-6 PM - today..."),
        ("\u20b91,500", "Rs.1,500"),
        ("S\u00e3o Jo\u00e3o, Ren\u00e9e, \u0141", "Sao Joao, Ren\u00e9e, \u0141"),
        ("\uff21\uff11", "A1"),
        ("a\u200bb", "ab"),
        (DEVANAGARI, DEVANAGARI),
        ("\U0001f600", "\U0001f600"),
    ],
)
def test_what_gsm_has_a_sign_for_is_written_with_it(text: str, written: str) -> None:
    assert as_gsm(text) == written


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  a \n b\r\n\tc ", "a b c"),
        ("a\u00a0b\u2028c", "a b c"),
        ("Rene\u0301e", "Ren\u00e9e"),
        ("\n", ""),
    ],
)
def test_a_value_is_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("plain", False),
        ("\u0915\u094d\u200d\u0937", False),  # joined as its script demands
        ("a\u202eb", True),
        ("a\x00b", True),
        ("a\x1bb", True),
        ("\ud800", True),
        ("\ue000", True),
    ],
)
def test_what_nobody_sees_is_found(text: str, hidden: bool) -> None:
    assert unprintable(text) == hidden


@pytest.mark.parametrize(
    ("text", "most", "left"),
    [
        ("short", 30, "short"),
        ("exactly ten", 11, "exactly ten"),
        ("Foundations of AI, eight weeks", 20, "Foundations of AI"),
        ("Foundations of AI and more", 17, "Foundations of AI"),
        ("Foundations of AI", 16, "Foundations of"),
        ("Donaudampfschiff", 10, "Donaudampf"),
    ],
)
def test_what_is_too_long_ends_with_a_word(text: str, most: int, left: str) -> None:
    assert shortened(text, most) == left
