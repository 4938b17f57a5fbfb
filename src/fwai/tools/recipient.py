"""Resolves a message's recipient: the caller, the owner, or one they dictated and confirmed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fwai.domain.email_address import address
from fwai.domain.outbound import EVERYWHERE
from fwai.domain.phone import CountryAllowList, PhoneError, dialable
from fwai.domain.read_back import Confirmation, ReadBack
from fwai.errors import FieldError, ToolError
from fwai.interfaces.tools import ToolContext

CONFIRMED_DESCRIPTION: Final = (
    "Leave it out at first: the result asks you to read {what} back. True once the caller said "
    "that {what} is right."
)
_NUMBER: Final = "number digit by digit"
_ADDRESS: Final = "e-mail address letter by letter"
_REFUSALS: Final = {
    ReadBack.NAMED: "Nothing was done yet. Read the {what} back and ask whether it is right. Only "
    "after they answered yes, call again with confirmed true.",
    ReadBack.UNHEARD: "Nothing was done yet: they have not heard it. Read the {what} back, ask "
    "whether it is right, and wait for their answer before you call again.",
    ReadBack.CUT: "Nothing was done yet: they spoke before they had heard it all. Read the {what} "
    "back once more, ask whether it is right, and wait for their answer before you call again.",
    ReadBack.UNANSWERED: "Nothing was done yet: they have not answered. Ask whether it is right, "
    "and call again with confirmed true after they said yes.",
}


@dataclass(frozen=True, slots=True)
class Recipient:
    """To whom a message goes.

    Attributes:
        to: Number, E.164, or e-mail address.
        dictated: A caller named it, so that nobody but them vouches for it.
        owner: The owner of this server, whose messages are not limited.
        confirmation: What was said when a dictated one was confirmed; empty where no words are
            kept, None for everybody else.
    """

    to: str
    dictated: bool = False
    owner: bool = False
    confirmation: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class RecipientRules:
    """Whom agents may write to.

    Attributes:
        reach: Countries that callers may have texts sent to.
        owner_phones: Numbers of the owner, E.164.
        owner_emails: Addresses of the owner, in their only form.
        keep_words: Whether what was said may be kept.
    """

    reach: CountryAllowList = EVERYWHERE
    owner_phones: frozenset[str] = frozenset()
    owner_emails: frozenset[str] = frozenset()
    keep_words: bool = True

    def person(self, context: ToolContext) -> Recipient:
        """Return the person whom a tool runs for."""
        return Recipient(context.to, owner=context.to in self.owner_phones)

    async def number(self, context: ToolContext, to: str | None, *, confirmed: bool) -> Recipient:
        """Return whom a text goes to: the caller themselves unless ``to`` was dictated.

        Raises:
            FieldError: ``to`` is no number with its country code.
            ToolError: It is out of reach, it was not confirmed, or no number is known.
        """
        number = _recipient_number(context, to)
        if number in self.owner_phones:
            return Recipient(number, owner=True)
        if not context.trusted and not self.reach.allows(number):
            raise ToolError(
                f"Nothing was sent. {self.reach.refusal(number)} Say so and offer an e-mail or a "
                "WhatsApp message."
            )
        if context.trusted or number == context.to:
            return Recipient(number)
        said = await _confirmation(context, "phone", _NUMBER, number, confirmed=confirmed)
        return self._dictated(number, said)

    def takes_free_words(self, context: ToolContext, field: str, to: str) -> bool:
        """Whether words of one's own may be mailed to ``to``: for an operator, or to the owner.

        Raises:
            FieldError: ``to``, the argument ``field``, is no address.
        """
        return _address(field, to) in self.owner_emails or context.trusted

    async def email(
        self, context: ToolContext, field: str, to: str, *, confirmed: bool
    ) -> Recipient:
        """Return whom a mail goes to; ``field`` is the argument's name.

        Raises:
            FieldError: ``to`` is no address.
            ToolError: It was not confirmed.
        """
        found = _address(field, to)
        if found in self.owner_emails:
            return Recipient(found, owner=True)
        if context.trusted:
            return Recipient(found)
        said = await _confirmation(context, "email", _ADDRESS, found, confirmed=confirmed)
        return self._dictated(found, said)

    def _dictated(self, to: str, said: Confirmation) -> Recipient:
        return Recipient(to, dictated=True, confirmation=said.facts(words=self.keep_words))


ANYBODY: Final = RecipientRules()


def _address(field: str, to: str) -> str:
    try:
        return address(to)
    except ValueError as exc:
        raise FieldError(field, f"That e-mail address cannot be used: {exc}.") from None


def _recipient_number(context: ToolContext, to: str | None) -> str:
    if not to:
        if not context.to:
            raise ToolError(
                "Their number is withheld. Ask for a number with its country code, read it back, "
                "and call again with it."
            )
        return context.to
    try:
        return dialable(to)
    except PhoneError as exc:
        if context.trusted:
            raise FieldError("to", str(exc)) from None
        raise FieldError(
            "to",
            f"That number cannot be used: {exc}. Ask for it again, digit by digit, and write it "
            "with + and its country code, as +919999900000.",
        ) from None


async def _confirmation(
    context: ToolContext, kind: str, what: str, recipient: str, *, confirmed: bool
) -> Confirmation:
    """Return what was said when a recipient was confirmed in this call.

    The flag alone proves nothing: a model sets it without having read anything back.

    Raises:
        ToolError: It was not confirmed; the text says what the model is to do.
    """
    found = await context.confirm(kind, recipient)
    if isinstance(found, ReadBack):
        raise ToolError(_REFUSALS[found].format(what=what))
    if not confirmed:
        raise ToolError(
            "Nothing was done yet. If they said that it is right, call again with confirmed true; "
            f"otherwise read the {what} back and ask."
        )
    return found
