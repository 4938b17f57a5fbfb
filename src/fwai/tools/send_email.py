"""Mail somebody what they asked for."""

from typing import Final

from pydantic import Field

from fwai.errors import ToolError
from fwai.tools.acting import Orders, Outbox
from fwai.tools.base import Args, Outcome, Tool, ToolContext
from fwai.tools.recipient import address_for

SEND_EMAIL: Final = "send_email"
MAX_EMAILS_PER_CALL: Final = 2
MAX_EMAILS_PER_DAY: Final = 5


class SendEmailArgs(Args):
    """What is sent, and where."""

    subject: str = Field(min_length=1, max_length=150, description="What it is about, in one line.")
    body: str = Field(min_length=1, max_length=8000, description="The text, in plain words.")
    to: str | None = Field(
        default=None,
        max_length=300,
        description="The e-mail address that the caller dictated and confirmed.",
    )
    confirmed: bool = Field(
        default=False, description="The caller said that the address you read back is right."
    )


def send_email(orders: Orders) -> Tool[SendEmailArgs]:
    """Build the tool; its jobs are of kind ``send_email`` with ``to``, ``template``, ``values``."""
    outbox = Outbox(
        orders,
        SEND_EMAIL,
        "e-mail",
        "the mail server",
        per_call=MAX_EMAILS_PER_CALL,
        per_day=MAX_EMAILS_PER_DAY,
    )

    async def run(args: SendEmailArgs, context: ToolContext) -> Outcome:
        if not args.to:
            raise ToolError(
                "Their e-mail address is not known. Ask for it, read it back letter by letter, and "
                "call again with it."
            )
        to = address_for(context, "to", args.to, confirmed=args.confirmed)
        values = {"subject": " ".join(args.subject.split()), "body": args.body}
        payload = {"to": to, "template": "message", "values": values}
        return await outbox.send(context, payload, phone=context.to, address=to)

    return Tool(
        name=SEND_EMAIL,
        description="Send an e-mail to an address that the caller dictated. Read the address back "
        "before. Use it when they ask for details by mail. Tell them only what the result says.",
        args=SendEmailArgs,
        run=run,
    )
