"""Masking one person in what was kept of others."""

import pytest

from fwai.domain.person_mask import ERASED, PersonMask

PHONE = "+919999900009"
MASK = PersonMask(PHONE, ["Asha.R@Example.com"])


@pytest.mark.parametrize(
    "written",
    [
        "+919999900009",
        "919999900009",
        "09999900009",
        "9999900009",
        "+91 99999 00009",
        "+91-99999-00009",
        "0091 99999 00009",
        "+91 (0)99999 00009",
        "(0)99999-00009",
        "9 9 9 9 9 0 0 0 0 9",
        "99999.00009",
        "asha.r@example.com",
        "ASHA.R@EXAMPLE.COM",
    ],
)
def test_a_person_is_masked_however_they_are_written(written: str) -> None:
    masked = MASK.text(f"my friend is {written}, call them")
    assert masked == f"my friend is {ERASED}, call them"
    squeezed = written.lower()
    for one in MASK.SEPARATORS:
        squeezed = squeezed.replace(one, "")
    assert any(needle in squeezed for needle in MASK.needles), "the database finds it, too"


@pytest.mark.parametrize(
    "other",
    [
        "+919999900008",
        "99999000091",
        "199999000099",
        "order 5599999000095",
        "basha.r@example.com",
        "asha.r@example.community",
        "99999 is 00009 away",
        "",
    ],
)
def test_what_is_somebody_elses_stays(other: str) -> None:
    assert MASK.text(other) == other


def test_values_of_json_keep_their_shape() -> None:
    value = {
        "to": PHONE,
        "list": ["Asha.R@Example.com", 1, None, True, 2.5, {"n": 9999900009}],
        "+919999900009": {"deep": "0 99999 00009"},
        "count": 99999,
    }
    assert MASK.value(value) == {
        "to": ERASED,
        "list": [ERASED, 1, None, True, 2.5, {"n": ERASED}],
        ERASED: {"deep": ERASED},
        "count": 99999,
    }


@pytest.mark.parametrize(
    ("phone", "text", "masked"),
    [
        ("+6561234567", "call 6123 4567", f"call {ERASED}"),
        ("+37212345", "costs 12345", "costs 12345"),
        ("+37212345", "call +372 12345", f"call {ERASED}"),
        ("919999900009", "call 9999900009", f"call {ERASED}"),
        ("IN.1234", "user IN.1234 wrote", f"user {ERASED} wrote"),
        ("IN.1234", "user IN.12345 wrote", "user IN.12345 wrote"),
    ],
)
def test_numbers_of_other_lengths_and_other_names(phone: str, text: str, masked: str) -> None:
    assert PersonMask(phone).text(text) == masked


def test_long_digits_cost_no_time() -> None:
    assert PersonMask(PHONE).text("9" * 50_000) == "9" * 50_000
    assert PersonMask(PHONE).text("9 " * 50_000).strip() == ("9 " * 50_000).strip()
