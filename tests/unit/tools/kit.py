"""What a tool needs around it in a test."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from fakes import CALL
from fwai.domain.call import EndReason
from fwai.domain.events import ToolCall, ToolResult
from fwai.tools.base import Tool
from fwai.tools.registry import ToolRegistry


@dataclass
class Actions:
    """A live call: counts uses, and remembers that it was told to end."""

    goodbye_said: bool = True
    finished: list[EndReason] = field(default_factory=list)
    uses: dict[str, int] = field(default_factory=dict)

    def finish(self, reason: EndReason) -> bool:
        self.finished.append(reason)
        return self.goodbye_said

    def allow(self, what: str, limit: int) -> bool:
        self.uses[what] = self.uses.get(what, 0) + 1
        return self.uses[what] <= limit


async def run(
    tool: Tool[Any],
    args: Mapping[str, Any] | None = None,
    *,
    actions: Actions | None = None,
    caller: str = CALL.caller,
    name: str = "",
) -> ToolResult:
    request = ToolCall("id-1", name or tool.name, args or {})
    call = replace(CALL, caller=caller)
    return await ToolRegistry([tool]).run(request, call, actions or Actions())


class NoArgs(BaseModel):
    pass
