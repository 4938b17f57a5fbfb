"""Resolves a message's recipient: the caller, or one they dictated and confirmed. No I/O."""

import hashlib
from typing import Final

from fwai.domain.email_address import address
from fwai.domain.phone import CountryAllowList, PhoneError, dialable
from fwai.errors import FieldError, ToolError
from fwai.interfaces.tools import ToolContext

EVERYWHERE: Final = CountryAllowList()
CONFIRMED_DESCRIPTION: Final = (
    "Leave it out at first: the result asks you to read {what} back. True once the caller said "
    "that {what} is right."
)


def number_for(
    context: ToolContext, to: str | None, *, confirmed: bool, reach: CountryAllowList = EVERYWHERE
) -> str:
    """Return the recipient's number, E.164: the caller's own unless ``to`` was dictated.

    Raises:
        FieldError: ``to`` is no number with its country code.
        ToolError: It is out of reach, it was not confirmed, or no number is known.
    """
    number = _recipient_number(context, to)
    if not context.trusted and not reach.allows(number):
        raise ToolError(
            f"Nothing was sent. {reach.refusal(number)} Say so and offer an e-mail or a WhatsApp "
            "message."
        )
    if number != context.to:
        _require_confirmation(context, "number digit by digit", number, confirmed=confirmed)
    return number


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


def email_for(context: ToolContext, field: str, to: str, *, confirmed: bool) -> str:
    """Parse a dictated e-mail address and require its confirmation.

    Raises:
        FieldError: ``to`` is no address; ``field`` is the argument's name.
        ToolError: It was not confirmed.
    """
    try:
        found = address(to)
    except ValueError as exc:
        raise FieldError(field, f"That e-mail address cannot be used: {exc}.") from None
    _require_confirmation(context, "e-mail address letter by letter", found, confirmed=confirmed)
    return found


def _require_confirmation(
    context: ToolContext, what: str, recipient: str, *, confirmed: bool
) -> None:
    """Refuse a recipient who is new in this call or not confirmed.

    The flag alone proves nothing: a model sets it without having read anything back.
    """
    if context.trusted:
        return
    # The recipient is personal, and names of counters may be shown; so only a digest is one.
    digest = hashlib.sha256(f"{context.scope}:{recipient}".encode()).hexdigest()[:16]
    first = context.allow(f"named:{digest}", 1)
    if first or not confirmed:
        raise ToolError(
            f"Nothing was done yet. Read the {what} back; when they say that it is right, call "
            "again with confirmed true."
        )
