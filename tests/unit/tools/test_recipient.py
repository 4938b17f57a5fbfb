"""Nobody gets a message whom neither the caller nor an operator named."""

import pytest

from fwai.domain.phone import CountryAllowList
from fwai.errors import FieldError, ToolError
from fwai.interfaces.tools import ToolContext
from fwai.tools.recipient import email_for, number_for
from unit.tools.kit import OTHER, PHONE, Actions

MODEL = ToolContext(PHONE, "call-1", actions=Actions(heard=True))
NAMELESS = ToolContext("", "call-1", actions=Actions(heard=True))
OPERATOR = ToolContext(PHONE, "request-1", trusted=True)
INDIA = CountryAllowList(frozenset({"91"}))
ABROAD = "+882160000001"  # a satellite's


def live() -> ToolContext:
    """Return where a model's tool runs in a call in which nobody was named yet."""
    return ToolContext(PHONE, "call-1", actions=Actions())


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
    assert email_for(OPERATOR, "to", "a@example.com", confirmed=False) == "a@example.com"


def test_without_any_number_one_is_asked_for() -> None:
    with pytest.raises(ToolError, match="Ask for a number"):
        number_for(NAMELESS, None, confirmed=True)


def test_a_number_without_its_country_is_not_guessed() -> None:
    with pytest.raises(FieldError, match="country code"):
        number_for(MODEL, "9999900009", confirmed=True)


@pytest.mark.parametrize("field", ["to", "email"])
def test_an_address_that_is_none_names_its_argument(field: str) -> None:
    with pytest.raises(FieldError, match=r"^That e-mail address cannot be used: .*\.$") as caught:
        email_for(MODEL, field, "asha", confirmed=True)

    assert caught.value.field == field


def test_an_address_must_be_confirmed_to_a_model() -> None:
    assert email_for(MODEL, "to", "a@example.com", confirmed=True) == "a@example.com"
    with pytest.raises(ToolError, match="letter by letter"):
        email_for(MODEL, "to", "a@example.com", confirmed=False)


# ---- named before it is confirmed ---------------------------------------------------------------


@pytest.mark.parametrize("first", [True, False])
def test_a_recipient_who_was_never_named_is_not_confirmed(first: bool) -> None:
    """The flag is the model's; only a refusal makes it read anything back."""
    context = live()

    with pytest.raises(ToolError, match="Read the number digit by digit back"):
        number_for(context, OTHER, confirmed=first)
    assert number_for(context, OTHER, confirmed=True) == OTHER
    assert number_for(context, OTHER, confirmed=True) == OTHER


def test_naming_again_without_confirmation_confirms_nothing() -> None:
    context = live()

    for _ in range(3):
        with pytest.raises(ToolError, match="letter by letter"):
            email_for(context, "to", "a@example.com", confirmed=False)
    assert email_for(context, "to", "a@example.com", confirmed=True) == "a@example.com"


def test_each_recipient_is_read_back_and_however_it_is_written_it_is_one() -> None:
    context = live()
    for _ in range(2):
        with pytest.raises(ToolError):
            number_for(context, OTHER, confirmed=False)

    assert number_for(context, "+91 99999-00009", confirmed=True) == OTHER
    with pytest.raises(ToolError):
        number_for(context, "+919999900008", confirmed=True)
    with pytest.raises(ToolError):
        email_for(context, "to", "a@example.com", confirmed=True)


def test_another_call_begins_anew() -> None:
    with pytest.raises(ToolError):
        number_for(live(), OTHER, confirmed=True)
    with pytest.raises(ToolError):
        number_for(live(), OTHER, confirmed=True)


def test_what_counts_the_naming_does_not_hold_the_recipient() -> None:
    actions = Actions()

    with pytest.raises(ToolError):
        number_for(ToolContext(PHONE, "call-1", actions=actions), OTHER, confirmed=True)

    with pytest.raises(ToolError):
        number_for(ToolContext(PHONE, "call-2", actions=actions), OTHER, confirmed=True)

    first, second = actions.uses
    assert first != second, "the same digest in each call would tell people apart"
    assert all(name.startswith("named:") and OTHER[-5:] not in name for name in (first, second))


# ---- reach --------------------------------------------------------------------------------------


@pytest.mark.parametrize("caller", [PHONE, ABROAD])
def test_no_text_leaves_the_countries_in_reach(caller: str) -> None:
    context = ToolContext(caller, "call-1", actions=Actions(heard=True))

    with pytest.raises(ToolError, match=r"begin with \+91 .* offer an e-mail or a WhatsApp"):
        number_for(context, ABROAD, confirmed=True, reach=INDIA)
    assert number_for(context, OTHER, confirmed=True, reach=INDIA) == OTHER


def test_a_caller_abroad_gets_no_text_by_themselves() -> None:
    context = ToolContext(ABROAD, "call-1", actions=Actions())

    with pytest.raises(ToolError, match="Nothing was sent"):
        number_for(context, None, confirmed=False, reach=INDIA)
    assert number_for(context, None, confirmed=False) == ABROAD


def test_a_number_out_of_reach_is_not_read_back() -> None:
    context = live()

    with pytest.raises(ToolError, match="begin with"):
        number_for(context, ABROAD, confirmed=False, reach=INDIA)
    assert isinstance(context.actions, Actions)
    assert context.actions.uses == {}


def test_an_operator_texts_everywhere() -> None:
    assert number_for(OPERATOR, ABROAD, confirmed=False, reach=INDIA) == ABROAD
