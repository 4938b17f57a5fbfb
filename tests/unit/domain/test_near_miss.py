"""Which known word a mistyped one was meant to be."""

import pytest

from fwai.domain.near_miss import MAX_COMPARED_CHARS, nearest, slips


@pytest.mark.parametrize(
    ("word", "meant", "count"),
    [
        ("", "", 0), ("", "abc", 3), ("abc", "", 3), ("voice", "voice", 0), ("voce", "voice", 1),
        ("voicee", "voice", 1), ("vpice", "voice", 1), ("vioce", "voice", 1), ("eciov", "voice", 4),
        ("prompt", "promt", 1), ("abcd", "badc", 2),
    ],
)  # fmt: skip
def test_slips_are_letters_too_many_missing_wrong_or_swapped(
    word: str, meant: str, count: int
) -> None:
    assert slips(word, meant) == slips(meant, word) == count


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("promt", ("name", "prompt"), "prompt"),
        ("PROMPT", ("name", "prompt"), "prompt"),
        ("nme", ("name", "prompt"), "name"),
        ("greting", ("greeting",), "greeting"),
        ("x", ("y", "name"), ""),
        ("", ("a",), ""),
        ("quite another", ("prompt", "greeting"), ""),
        ("cat", ("bat", "hat"), "bat"),
        ("plvo", ("plivo", "exotel"), "plivo"),
        ("x" * (MAX_COMPARED_CHARS + 1), ("x" * MAX_COMPARED_CHARS,), ""),
    ],
)
def test_the_nearest_is_near(word: str, known: tuple[str, ...], found: str) -> None:
    assert nearest(word, known) == found


def test_the_most_slips_may_be_given() -> None:
    assert nearest("abc", ("xyz",), most=3) == "xyz"
    assert nearest("voce", ("voice",), most=0) == ""
