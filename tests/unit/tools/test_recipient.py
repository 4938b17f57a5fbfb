"""Nobody gets a message whom neither the caller nor an operator named."""

import pytest

from fwai.domain.phone import CountryAllowList
from fwai.domain.read_back import ReadBack
from fwai.errors import FieldError, ToolError
from fwai.interfaces.tools import ToolContext
from fwai.tools.recipient import ANYBODY, Recipient, RecipientRules
from unit.tools.kit import CONFIRMED, OTHER, PHONE, Actions

MODEL = ToolContext(PHONE, "call-1", actions=Actions(heard=True))
NAMELESS = ToolContext("", "call-1", actions=Actions(heard=True))
OPERATOR = ToolContext(PHONE, "request-1", trusted=True)
INDIA = RecipientRules(CountryAllowList(frozenset({"91"})))
ABROAD = "+882160000001"  # a satellite's
MAIL = "a@example.com"
WORDS = {"read_back": CONFIRMED.read_back, "answer": CONFIRMED.answer}


def live() -> ToolContext:
    """Return where a model's tool runs in a call in which nobody was named yet."""
    return ToolContext(PHONE, "call-1", actions=Actions())


class Saying(Actions):
    """A call whose read-back stands as it is told."""

    def __init__(self, standing: ReadBack) -> None:
        super().__init__()
        self.standing = standing

    async def confirm(self, kind: str, recipient: str) -> ReadBack:
        return self.standing


async def number_for(
    context: ToolContext,
    to: str | None,
    *,
    confirmed: bool,
    rules: RecipientRules = ANYBODY,
) -> str:
    return (await rules.number(context, to, confirmed=confirmed)).to


async def email_for(context: ToolContext, field: str, to: str, *, confirmed: bool) -> str:
    return (await ANYBODY.email(context, field, to, confirmed=confirmed)).to


@pytest.mark.parametrize("to", [None, "", PHONE, "0091 99999 00001"])
async def test_the_person_themselves_need_not_confirm(to: str | None) -> None:
    assert await number_for(MODEL, to, confirmed=False) == PHONE


async def test_another_number_must_be_confirmed_to_a_model() -> None:
    assert await number_for(MODEL, OTHER, confirmed=True) == OTHER
    assert await number_for(NAMELESS, OTHER, confirmed=True) == OTHER
    with pytest.raises(ToolError, match="digit by digit"):
        await number_for(MODEL, OTHER, confirmed=False)


async def test_an_operator_is_believed() -> None:
    assert await number_for(OPERATOR, "919999900009", confirmed=False) == OTHER
    assert await email_for(OPERATOR, "to", "a@example.com", confirmed=False) == "a@example.com"


async def test_without_any_number_one_is_asked_for() -> None:
    with pytest.raises(ToolError, match="Ask for a number"):
        await number_for(NAMELESS, None, confirmed=True)


async def test_a_number_without_its_country_is_not_guessed() -> None:
    with pytest.raises(FieldError, match="country code"):
        await number_for(MODEL, "9999900009", confirmed=True)


@pytest.mark.parametrize("field", ["to", "email"])
async def test_an_address_that_is_none_names_its_argument(field: str) -> None:
    with pytest.raises(FieldError, match=r"^That e-mail address cannot be used: .*\.$") as caught:
        await email_for(MODEL, field, "asha", confirmed=True)

    assert caught.value.field == field


async def test_an_address_must_be_confirmed_to_a_model() -> None:
    assert await email_for(MODEL, "to", "a@example.com", confirmed=True) == "a@example.com"
    with pytest.raises(ToolError, match="letter by letter"):
        await email_for(MODEL, "to", "a@example.com", confirmed=False)


# ---- named before it is confirmed ---------------------------------------------------------------


@pytest.mark.parametrize("first", [True, False])
async def test_a_recipient_who_was_never_named_is_not_confirmed(first: bool) -> None:
    """The flag is the model's; only a refusal makes it read anything back."""
    context = live()

    with pytest.raises(ToolError, match="digit by digit"):
        await number_for(context, OTHER, confirmed=first)
    assert await number_for(context, OTHER, confirmed=True) == OTHER
    assert await number_for(context, OTHER, confirmed=True) == OTHER


async def test_naming_again_without_confirmation_confirms_nothing() -> None:
    context = live()

    for _ in range(3):
        with pytest.raises(ToolError, match="letter by letter"):
            await email_for(context, "to", "a@example.com", confirmed=False)
    assert await email_for(context, "to", "a@example.com", confirmed=True) == "a@example.com"


async def test_each_recipient_is_read_back_and_however_it_is_written_it_is_one() -> None:
    context = live()
    for _ in range(2):
        with pytest.raises(ToolError):
            await number_for(context, OTHER, confirmed=False)

    assert await number_for(context, "+91 99999-00009", confirmed=True) == OTHER
    with pytest.raises(ToolError):
        await number_for(context, "+919999900008", confirmed=True)
    with pytest.raises(ToolError):
        await email_for(context, "to", "a@example.com", confirmed=True)


async def test_another_call_begins_anew() -> None:
    with pytest.raises(ToolError):
        await number_for(live(), OTHER, confirmed=True)
    with pytest.raises(ToolError):
        await number_for(live(), OTHER, confirmed=True)


# ---- reach --------------------------------------------------------------------------------------


@pytest.mark.parametrize("caller", [PHONE, ABROAD])
async def test_no_text_leaves_the_countries_in_reach(caller: str) -> None:
    context = ToolContext(caller, "call-1", actions=Actions(heard=True))

    with pytest.raises(ToolError, match=r"begin with \+91 .* offer an e-mail or a WhatsApp"):
        await number_for(context, ABROAD, confirmed=True, rules=INDIA)
    assert await number_for(context, OTHER, confirmed=True, rules=INDIA) == OTHER


async def test_a_caller_abroad_gets_no_text_by_themselves() -> None:
    context = ToolContext(ABROAD, "call-1", actions=Actions())

    with pytest.raises(ToolError, match="Nothing was sent"):
        await number_for(context, None, confirmed=False, rules=INDIA)
    assert await number_for(context, None, confirmed=False) == ABROAD


async def test_a_number_out_of_reach_is_not_read_back() -> None:
    context = live()

    with pytest.raises(ToolError, match="begin with"):
        await number_for(context, ABROAD, confirmed=False, rules=INDIA)
    assert isinstance(context.actions, Actions)
    assert context.actions.asked == []


async def test_an_operator_texts_everywhere() -> None:
    assert await number_for(OPERATOR, ABROAD, confirmed=False, rules=INDIA) == ABROAD


# ---- what the model is told, and what is kept ---------------------------------------------------


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        (ReadBack.NAMED, "Read the number digit by digit back and ask"),
        (ReadBack.UNHEARD, "they have not heard it"),
        (ReadBack.CUT, "before they had heard it all"),
        (ReadBack.UNANSWERED, "they have not answered"),
    ],
)
async def test_the_model_hears_what_is_missing(standing: ReadBack, told: str) -> None:
    context = ToolContext(PHONE, "call-1", actions=Saying(standing))

    with pytest.raises(ToolError, match=told) as caught:
        await ANYBODY.number(context, OTHER, confirmed=True)
    assert str(caught.value).startswith("Nothing was done yet")


async def test_without_a_live_call_nobody_dictates() -> None:
    with pytest.raises(ToolError, match="Nothing was done yet"):
        await ANYBODY.number(ToolContext(PHONE, "call-1"), OTHER, confirmed=True)


async def test_what_was_said_goes_with_a_dictated_recipient_alone() -> None:
    assert await ANYBODY.number(MODEL, OTHER, confirmed=True) == Recipient(
        OTHER, dictated=True, confirmation=WORDS
    )
    assert await ANYBODY.email(MODEL, "to", MAIL, confirmed=True) == Recipient(
        MAIL, dictated=True, confirmation=WORDS
    )
    assert await ANYBODY.number(MODEL, PHONE, confirmed=True) == Recipient(PHONE)
    assert await ANYBODY.number(OPERATOR, OTHER, confirmed=False) == Recipient(OTHER)
    assert await ANYBODY.email(OPERATOR, "to", MAIL, confirmed=False) == Recipient(MAIL)


async def test_where_no_words_are_kept_that_it_was_confirmed_is() -> None:
    rules = RecipientRules(keep_words=False)

    assert (await rules.number(MODEL, OTHER, confirmed=True)).confirmation == {}


# ---- the owner ----------------------------------------------------------------------------------

OWNED = RecipientRules(
    CountryAllowList(frozenset({"91"})), frozenset({ABROAD, OTHER}), frozenset({MAIL})
)


async def test_the_owner_needs_no_read_back_and_may_be_anywhere() -> None:
    context = live()

    assert await OWNED.number(context, OTHER, confirmed=False) == Recipient(OTHER, owner=True)
    assert await OWNED.number(context, ABROAD, confirmed=False) == Recipient(ABROAD, owner=True)
    assert await OWNED.email(context, "to", "A@Example.com", confirmed=False) == Recipient(
        MAIL, owner=True
    )
    assert OWNED.person(ToolContext(OTHER, "call-1")) == Recipient(OTHER, owner=True)
    assert OWNED.person(live()) == Recipient(PHONE)


@pytest.mark.parametrize(
    ("context", "to", "free"),
    [(MODEL, MAIL, True), (MODEL, "b@example.com", False), (OPERATOR, "b@example.com", True)],
)
async def test_words_of_ones_own_go_to_the_owner_or_are_an_operator_s(
    context: ToolContext, to: str, free: bool
) -> None:
    assert OWNED.takes_free_words(context, "to", to) is free
