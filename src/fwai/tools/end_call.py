"""Tool ``end_call``: hangs up after the caller has heard the goodbye."""

from pydantic import Field

from fwai.domain.call import EndReason
from fwai.errors import ToolError
from fwai.interfaces.tools import ToolContext
from fwai.tools.base import Args, Outcome, Tool


class EndCallArgs(Args):
    """Why the call is over."""

    reason: str = Field(
        default="", max_length=200, description="Why the call is over, in a few words."
    )


def end_call() -> Tool[EndCallArgs]:
    """Build the ``end_call`` tool."""

    async def run(args: EndCallArgs, context: ToolContext) -> Outcome:  # noqa: ARG001
        if context.actions is None:
            raise ToolError("There is no live call to end.")
        if context.actions.finish(EndReason.AGENT_HUNG_UP):
            return Outcome("The call ends when your goodbye was heard.", silent=True)
        return Outcome("Say one short goodbye now; the call ends after it.")

    return Tool(
        name="end_call",
        description="End the phone call. Use it after you have said goodbye, when the person wants "
        "to stop or everything is done.",
        args=EndCallArgs,
        run=run,
    )
