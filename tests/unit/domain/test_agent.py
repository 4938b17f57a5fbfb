import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.domain.agent import fill, placeholders


def test_every_name_is_replaced_and_an_unknown_one_becomes_empty() -> None:
    text = "Hello {{name}}, {{ name }}! It is {{date}}{{unknown}}."

    assert fill(text, {"name": "Asha", "date": "Monday"}) == "Hello Asha, Asha! It is Monday."


@pytest.mark.parametrize("name", ["Name", "customer-name", "", "a b", "नाम"])
def test_a_misspelt_name_is_found_rather_than_read_aloud(name: str) -> None:
    assert placeholders(f"Hello {{{{ {name} }}}}") == {name}
    assert fill(f"Hello {{{{ {name} }}}}.", {}) == "Hello ."


@given(text=st.text("ab{} \n", max_size=20))
def test_after_filling_no_placeholder_is_left_that_was_there(text: str) -> None:
    filled = fill(text, dict.fromkeys(placeholders(text), "x"))

    assert filled.count("x") >= len(placeholders(text))


def test_a_value_is_not_filled_again() -> None:
    """What a caller is called must not reach into the prompt."""
    assert fill("{{note}}", {"note": "{{secret}}", "secret": "s"}) == "{{secret}}"


def test_single_braces_are_text() -> None:
    assert placeholders('{"a": {"b": 1}} {x}') == set()
