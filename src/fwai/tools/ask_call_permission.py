"""Tool ``ask_call_permission``: asks a WhatsApp user to permit calls, which Meta requires."""

from typing import Final

from pydantic import Field

from fwai.domain.job import ASK_CALL_PERMISSION
from fwai.domain.quota import UNLIMITED
from fwai.errors import ToolError
from fwai.interfaces.jobs import JobSubmitter
from fwai.interfaces.messages import MessageQuotas
from fwai.interfaces.tools import ToolContext
from fwai.tools.base import Args, Outcome, Tool
from fwai.tools.message_jobs import DayLimit, Outbox
from fwai.tools.recipient import ANYBODY, RecipientRules

MAX_A_DAY: Final = 1  # as Meta has it


class AskCallPermissionArgs(Args):
    """How they are addressed, and what a call would be about."""

    name: str = Field(default="there", min_length=1, max_length=60, description="Their first name.")
    topic: str = Field(
        default="your enquiry",
        min_length=1,
        max_length=100,
        description="What a call would be about, in a few words.",
    )


def ask_call_permission(
    jobs: JobSubmitter, rules: RecipientRules = ANYBODY, quotas: MessageQuotas = UNLIMITED
) -> Tool[AskCallPermissionArgs]:
    """Build the tool; its jobs are of its own kind with ``to``, ``name`` and ``topic``."""
    limit = DayLimit(jobs, ASK_CALL_PERMISSION, "request", MAX_A_DAY)
    outbox = Outbox(
        jobs,
        ASK_CALL_PERMISSION,
        "WhatsApp",
        per_call=1,
        limit=limit,
        quotas=quotas,
        dictated_only=False,
    )

    async def run(args: AskCallPermissionArgs, context: ToolContext) -> Outcome:
        if not context.to:
            raise ToolError("Their number is withheld, so they cannot be asked. Say so.")
        payload = {"to": context.to, "name": args.name, "topic": args.topic}
        return await outbox.send(context, payload, rules.person(context), phone=context.to)

    return Tool(
        name=ASK_CALL_PERMISSION,
        description="Ask the person in WhatsApp for the permission to call them there later. Use "
        "it when you promise a callback on WhatsApp; they answer in the chat.",
        args=AskCallPermissionArgs,
        run=run,
    )
