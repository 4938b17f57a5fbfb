"""Tool ``transfer_call``: transfers the caller to a human."""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog
from pydantic import Field

from fwai.domain.call import Call, EndReason
from fwai.errors import FwaiError, ToolError
from fwai.interfaces.calls import CallTransfer
from fwai.interfaces.tools import ToolContext
from fwai.tools.base import Args, Outcome, Tool

TRANSFER_S: Final = 10.0

_log = structlog.get_logger()


class TransferCallArgs(Args):
    """Why they are connected."""

    reason: str = Field(
        default="", max_length=200, description="What they want from a human, in a few words."
    )


def transfer_call(lines: Mapping[str, CallTransfer]) -> Tool[TransferCallArgs]:
    """Build the ``transfer_call`` tool.

    Args:
        lines: Transfers calls, by provider; callers of others are offered a callback.
    """

    async def run(args: TransferCallArgs, context: ToolContext) -> Outcome:  # noqa: ARG001
        call, actions = context.call, context.actions
        if call is None or actions is None:
            raise ToolError("There is no live call to transfer.")
        line = transfer_line(lines, call)
        if line is None:
            raise ToolError(
                "This call cannot be connected to a human. Say so and offer a callback instead."
            )

        async def transfer() -> bool:
            return await hand_over(line, call.provider_call_id)

        if actions.finish(EndReason.TRANSFERRED, transfer):
            return Outcome("They are connected once your last words were heard.", silent=True)
        return Outcome("Say one short sentence that you connect them now.")

    return Tool(
        name="transfer_call",
        description="Connect the caller with a human. Use it when they ask for a person, or when "
        "you cannot help. Tell them before you do it.",
        args=TransferCallArgs,
        run=run,
    )


def transfer_line(lines: Mapping[str, CallTransfer], call: Call) -> CallTransfer | None:
    """Return who can connect a call's caller with a human, or None."""
    return lines.get(call.provider) if call.provider_call_id else None


async def hand_over(line: CallTransfer, provider_call_id: str) -> bool:
    """Connect a caller with a human once the media stream is closed; False when it failed."""
    try:
        async with asyncio.timeout(TRANSFER_S):
            await line.transfer(provider_call_id)
    except (FwaiError, TimeoutError) as exc:
        reason = str(exc) if isinstance(exc, FwaiError) else "no answer in time"
        _log.warning("transfer_failed", reason=reason)
        return False
    return True
