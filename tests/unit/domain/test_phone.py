import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.domain.phone import CountryAllowList, caller_number, country_code, masked, normalise

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


# ---- countries ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+12025550100", "1"),
        ("+79990000000", "7"),
        ("+77010000000", "7"),
        ("+919999900001", "91"),
        ("+442079460000", "44"),
        ("+201000000000", "20"),
        ("+989120000000", "98"),
        ("+35312345678", "353"),
        ("+2348000000000", "234"),
        ("+971500000000", "971"),
        ("+882160000001", "882"),
        ("+37060000000", "370"),
        ("+9601234567", "960"),
        ("919999900001", "91"),
        ("", ""),
    ],
)
def test_a_number_names_its_country(number: str, code: str) -> None:
    assert country_code(number) == code


@given(number=digits)
def test_a_country_code_has_one_to_three_digits_and_begins_the_number(number: str) -> None:
    code = country_code(f"+{number}")

    assert 1 <= len(code) <= 3
    assert number.startswith(code)


@given(number=digits, rest=digits)
def test_no_country_code_begins_with_another(number: str, rest: str) -> None:
    code = country_code(f"+{number}")

    assert country_code(f"+{code}{rest}") == code


@pytest.mark.parametrize("codes", [frozenset[str](), frozenset({"*"}), frozenset({"*", "91"})])
def test_no_countries_or_a_star_are_all_of_them(codes: frozenset[str]) -> None:
    assert CountryAllowList(codes).allows("+882160000001")
    assert CountryAllowList().allows("+882160000001")


def test_only_the_countries_in_reach_are_allowed() -> None:
    reach = CountryAllowList(frozenset({"91", "1"}))

    assert reach.allows("+919999900001")
    assert reach.allows("+12025550100")
    assert not reach.allows("+882160000001")
    assert not reach.allows("+9601234567")
    assert not reach.allows("")
    assert reach.refusal == (
        "Only numbers that begin with +1, +91 are called and texted from here."
    )


# ---- callers ------------------------------------------------------------------------------------

WITHHELD = ["266696687", "7378742833", "2562533", "8656696", "86282452253"]


@pytest.mark.parametrize("digits_", WITHHELD)
@pytest.mark.parametrize("prefix", ["", "+", "00"])
def test_a_word_on_the_keys_is_nobodys_number(prefix: str, digits_: str) -> None:
    assert caller_number(f"{prefix}{digits_}") == ""


@pytest.mark.parametrize("raw", ["", "anonymous", "sip:alice@example.com", "0", "12345"])
def test_what_is_no_number_is_a_withheld_one(raw: str) -> None:
    assert caller_number(raw) == ""


@given(number=digits.filter(lambda one: one not in WITHHELD))
def test_other_callers_have_their_number(number: str) -> None:
    assert caller_number(number) == normalise(number)
