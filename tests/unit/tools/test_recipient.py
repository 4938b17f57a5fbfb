"""Nobody gets a message whom neither the caller nor an operator named."""

import pytest

from fwai.errors import FieldError, ToolError
from fwai.tools.base import ToolContext
from fwai.tools.recipient import address_for, number_for
from unit.tools.kit import OTHER, PHONE

MODEL = ToolContext(PHONE, "call-1")
NAMELESS = ToolContext("", "call-1")
OPERATOR = ToolContext(PHONE, "request-1", trusted=True)


@pytest.mark.parametrize("to", [None, "", PHONE, "0091 99999 00001"])
def test_the_person_themselves_need_not_confirm(to: str | None) -> None:
    assert number_for(MODEL, to, confirmed=False) == PHONE


def test_another_number_must_be_confirmed_to_a_model() -> None:
    assert number_for(MODEL, OTHER, confirmed=True) == OTHER
    assert number_for(NAMELESS, OTHER, confirmed=True) == OTHER
    with pytest.raises(ToolError, match="Read the number digit by digit back"):
        number_for(MODEL, OTHER, confirmed=False)


def test_an_operator_is_believed() -> None:
    assert number_for(OPERATOR, "919999900009", confirmed=False) == OTHER
    assert address_for(OPERATOR, "to", "a@example.com", confirmed=False) == "a@example.com"


def test_without_any_number_one_is_asked_for() -> None:
    with pytest.raises(ToolError, match="Ask for a number"):
        number_for(NAMELESS, None, confirmed=True)


def test_a_number_without_its_country_is_not_guessed() -> None:
    with pytest.raises(FieldError, match="country code"):
        number_for(MODEL, "9999900009", confirmed=True)


@pytest.mark.parametrize("field", ["to", "email"])
def test_an_address_that_is_none_names_its_argument(field: str) -> None:
    with pytest.raises(FieldError, match=r"^That e-mail address cannot be used: .*\.$") as caught:
        address_for(MODEL, field, "asha", confirmed=True)

    assert caught.value.field == field


def test_an_address_must_be_confirmed_to_a_model() -> None:
    assert address_for(MODEL, "to", "a@example.com", confirmed=True) == "a@example.com"
    with pytest.raises(ToolError, match="letter by letter"):
        address_for(MODEL, "to", "a@example.com", confirmed=False)
