"""The tools of this server, by name."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import structlog
from pydantic import ValidationError

from fwai.domain.agent import ToolSpec
from fwai.domain.call import Call
from fwai.domain.events import ToolCall, ToolResult
from fwai.errors import ToolError
from fwai.interfaces import CallActions
from fwai.tools.base import Outcome, Tool, ToolContext
from fwai.tools.schema import parameters

_log = structlog.get_logger()


class ToolRegistry:
    """Finds, checks, times and runs tools; every failure becomes words for the model.

    Args:
        tools: Those whose settings are present; the others are not offered.
    """

    def __init__(self, tools: Iterable[Tool[Any]]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._specs = {
            tool.name: ToolSpec(tool.name, tool.description, parameters(tool.args))
            for tool in self._tools.values()
        }

    @property
    def names(self) -> Collection[str]:
        """Names of the tools that can be used."""
        return self._tools.keys()

    def specs(self, names: Iterable[str]) -> tuple[ToolSpec, ...]:
        """Return what to offer the model of ``names``; those not available are left out."""
        return tuple(self._specs[name] for name in names if name in self._specs)

    async def run(self, request: ToolCall, call: Call, actions: CallActions) -> ToolResult:
        """Run the tool that ``request`` names; a failure is a result."""
        tool = self._tools.get(request.name)
        if tool is None:
            known = ", ".join(sorted(self._tools))
            return _failed(request, f"There is no tool of that name; there are: {known}.")
        try:
            args = tool.args.model_validate(dict(request.args))
        except ValidationError as exc:
            return _failed(request, _what_is_wrong(exc))
        try:
            async with asyncio.timeout(tool.timeout_s):
                outcome: Outcome = await tool.run(args, ToolContext(call, actions))
        except ToolError as exc:
            return _failed(request, str(exc))
        except TimeoutError:
            return _failed(
                request,
                "That took too long, and it is not known whether it was done. Do not repeat it.",
            )
        except Exception as exc:  # noqa: BLE001 - the call goes on whatever a tool does
            # The exception's text may hold personal data; its kind and place do not.
            _log.error("tool_crashed", tool=request.name, error=type(exc).__name__, exc_info=True)
            return _failed(request, "That did not work because of a fault on our side.")
        return ToolResult(
            request.id,
            request.name,
            ok=True,
            text=outcome.text,
            data=outcome.data,
            silent=outcome.silent,
        )


def _failed(request: ToolCall, text: str) -> ToolResult:
    no_facts: Mapping[str, Any] = {}
    return ToolResult(request.id, request.name, ok=False, text=text, data=no_facts)


def _what_is_wrong(exc: ValidationError) -> str:
    faults = "; ".join(
        f"{'.'.join(str(part) for part in error['loc']) or 'arguments'}: {error['msg']}"
        for error in exc.errors(include_input=False, include_url=False)
    )
    return f"Nothing was done. Call again with corrected arguments: {faults}."
