"""Tool ``send_email``: sends a free-text e-mail to a confirmed address."""

from typing import Final

from pydantic import Field

from fwai.domain.job import SEND_EMAIL
from fwai.errors import ToolError
from fwai.interfaces.jobs import JobSubmitter
from fwai.interfaces.tools import ToolContext
from fwai.tools.base import Args, Outcome, Tool
from fwai.tools.message_jobs import DayLimit, Outbox
from fwai.tools.recipient import CONFIRMED_DESCRIPTION, email_for

MAX_EMAILS_PER_CALL: Final = 2
MAX_EMAILS_PER_DAY: Final = 5


class SendEmailArgs(Args):
    """What is sent, and where."""

    subject: str = Field(min_length=1, max_length=150, description="What it is about, in one line.")
    body: str = Field(min_length=1, max_length=8000, description="The text, in plain words.")
    to: str | None = Field(
        default=None,
        max_length=300,
        description="The e-mail address that the caller dictated.",
    )
    confirmed: bool = Field(
        default=False, description=CONFIRMED_DESCRIPTION.format(what="the address")
    )


def email_limit(jobs: JobSubmitter) -> DayLimit:
    """Build the daily limit that all e-mail sending tools share."""
    return DayLimit(jobs, SEND_EMAIL, "e-mail", MAX_EMAILS_PER_DAY)


def send_email(jobs: JobSubmitter, limit: DayLimit | None = None) -> Tool[SendEmailArgs]:
    """Build the tool; its jobs are of kind ``send_email`` with ``to``, ``template``, ``values``.

    Args:
        jobs: Takes the jobs.
        limit: What `email_limit` returned, if another tool sends mail, too.
    """
    outbox = Outbox(
        jobs,
        SEND_EMAIL,
        "the mail server",
        per_call=MAX_EMAILS_PER_CALL,
        limit=limit or email_limit(jobs),
    )

    async def run(args: SendEmailArgs, context: ToolContext) -> Outcome:
        if not args.to:
            raise ToolError(
                "Their e-mail address is not known. Ask for it, read it back letter by letter, and "
                "call again with it."
            )
        to = email_for(context, "to", args.to, confirmed=args.confirmed)
        values = {"subject": " ".join(args.subject.split()), "body": args.body}
        payload = {"to": to, "template": "message", "values": values}
        return await outbox.send(context, payload, phone=context.to, address=to)

    return Tool(
        name=SEND_EMAIL,
        description="Send an e-mail to an address that the caller dictated. Use it when they ask "
        "for details by mail. Tell them only what the result says.",
        args=SendEmailArgs,
        run=run,
    )
