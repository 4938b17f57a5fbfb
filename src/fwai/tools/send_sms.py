"""Tool ``send_sms``: sends a text message to the caller or a confirmed number."""

from typing import Final

from pydantic import Field

from fwai.domain.job import SEND_SMS
from fwai.domain.phone import CountryAllowList
from fwai.interfaces.jobs import JobSubmitter
from fwai.interfaces.tools import ToolContext
from fwai.tools.base import Args, Outcome, Tool
from fwai.tools.message_jobs import DayLimit, Outbox
from fwai.tools.recipient import CONFIRMED_DESCRIPTION, EVERYWHERE, number_for

MAX_SMS_PER_CALL: Final = 3
MAX_SMS_PER_DAY: Final = 10


class SendSmsArgs(Args):
    """What is sent, and to whom if not to the person on the line."""

    text: str = Field(min_length=1, max_length=480, description="The message, in plain words.")
    to: str | None = Field(
        default=None,
        max_length=40,
        description="Only for another number than the caller's: a number the caller dictated, with "
        "+ and its country code.",
    )
    confirmed: bool = Field(
        default=False, description=CONFIRMED_DESCRIPTION.format(what="the number")
    )


def send_sms(jobs: JobSubmitter, reach: CountryAllowList = EVERYWHERE) -> Tool[SendSmsArgs]:
    """Build the tool; its jobs are of kind ``send_sms`` with ``to`` and ``text``.

    Args:
        jobs: Takes the jobs.
        reach: Countries that callers may have texts sent to.
    """
    limit = DayLimit(jobs, SEND_SMS, "text message", MAX_SMS_PER_DAY)
    outbox = Outbox(jobs, SEND_SMS, "the network", per_call=MAX_SMS_PER_CALL, limit=limit)

    async def run(args: SendSmsArgs, context: ToolContext) -> Outcome:
        to = number_for(context, args.to, confirmed=args.confirmed, reach=reach)
        return await outbox.send(context, {"to": to, "text": args.text}, phone=to)

    return Tool(
        name=SEND_SMS,
        description="Send a text message (SMS) to the number of the person on the line. "
        "Use it when they ask for details in writing. Tell them only what the result says.",
        args=SendSmsArgs,
        run=run,
    )
