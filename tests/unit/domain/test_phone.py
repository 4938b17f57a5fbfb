import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.domain.phone import masked, normalise

digits = st.from_regex(r"[1-9][0-9]{6,14}", fullmatch=True)
separators = st.sampled_from(["", " ", "-", ".", "(", ")", "\t", "\u00a0"])


@given(number=digits, prefix=st.sampled_from(["", "+", "00"]), data=st.data())
def test_a_full_number_is_brought_to_one_form(
    number: str, prefix: str, data: st.DataObject
) -> None:
    written = prefix + "".join(digit + data.draw(separators) for digit in number)

    assert normalise(f" {written} ") == f"+{number}"


@given(number=digits)
def test_normalising_twice_changes_nothing(number: str) -> None:
    assert normalise(normalise(number)) == normalise(number)


@given(text=st.text(max_size=20))
def test_anything_else_is_refused_without_repeating_it(text: str) -> None:
    try:
        number = normalise(text)
    except ValueError as exc:
        assert str(exc) == "write the number in international form, such as +919999900000"  # noqa: PT017
    else:
        assert number[0] == "+"
        assert number[1:].isascii()
        assert number[1:].isdigit()
        assert 7 <= len(number[1:]) <= 15


@pytest.mark.parametrize(
    "number",
    [
        "", "+", "00", "anonymous", "Restricted", "sip:alice@example.com", "0919999900001",
        "123456", "+1234567890123456", "++919999900001", "00+919999900001", "+91 99999 0000x",
        "9\u0661\u0669\u0669\u0669\u0669\u0669\u0669", "+91;drop",
    ],
)  # fmt: skip
def test_what_is_no_full_number_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="international form"):
        normalise(number)


@given(number=st.text(max_size=16))
def test_a_mask_shows_four_characters_at_most(number: str) -> None:
    shown = masked(number)

    assert shown.startswith("…")
    assert len(shown) <= 5
    assert len(number) <= 4 or number.endswith(shown[1:])


def test_a_short_or_withheld_number_is_not_shown_at_all() -> None:
    assert masked("") == "…"
    assert masked("1234") == "…"
    assert masked("+919999900001") == "…0001"
