"""Registry of tools: looks them up, validates arguments and runs them."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import structlog
from pydantic import ValidationError

from fwai.domain.call import Call
from fwai.domain.events import ToolCall, ToolResult
from fwai.domain.tool import ToolSpec
from fwai.errors import FieldError, RefusedError, StoreError, ToolError
from fwai.interfaces.calls import CallActions
from fwai.interfaces.tools import ToolContext
from fwai.tools.arguments import contradiction, lenient
from fwai.tools.base import Outcome, SchemaArgs, Tool
from fwai.tools.message_jobs import DELIVERY_UNKNOWN
from fwai.tools.schema import parameters

_log = structlog.get_logger()

Tools = Mapping[str, Tool[Any]]

_NOT_CONFIGURED: Final = "That is not set up on this server. Say so and offer another way."


class ToolRegistry:
    """Looks up, validates and runs tools with a timeout; failures become text for the model.

    Args:
        tools: Shared tools whose settings are present.
        agent_tools: Tools of one agent, by its id, or of nobody's call, by an empty one. One of a
            shared tool's name takes its place, and is offered where that would be.
        unconfigured: Missing settings, by the name of the tool that needs them.
        allowed: Names of the tools that the model of each agent may use besides the agent's own;
            none for an agent that is missing here. None allows all of them to every agent.
    """

    def __init__(
        self,
        tools: Iterable[Tool[Any]],
        agent_tools: Mapping[str, Sequence[Tool[Any]]] | None = None,
        unconfigured: Mapping[str, str] | None = None,
        allowed: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._tools = _by_name(tools)
        self._own = {agent: _by_name(own) for agent, own in (agent_tools or {}).items()}
        self._unconfigured = dict(unconfigured or {})
        self._allowed = allowed
        self._specs = _specs(self._tools)
        self._own_specs = {agent: _specs(own) for agent, own in self._own.items()}

    # ---- lookup ---------------------------------------------------------------------------------

    @property
    def names(self) -> Collection[str]:
        """Names of the tools that every agent can use."""
        return self._tools.keys()

    @property
    def unconfigured(self) -> Mapping[str, str]:
        """Which settings are missing, by the name of the tool that needs them."""
        return self._unconfigured

    def exists(self, name: str) -> bool:
        """Whether a tool exists, configured or not, shared or of one agent."""
        return (
            name in self._tools
            or name in self._unconfigured
            or any(name in own for own in self._own.values())
        )

    def specs(self, names: Iterable[str], agent: str = "") -> tuple[ToolSpec, ...]:
        """Return the specs for the model: the agent's own tools, and those of ``names``.

        Those not available are left out.
        """
        own = self._own_specs.get(agent, {})
        named = [own.get(name, self._specs[name]) for name in names if name in self._specs]
        return (*(spec for name, spec in own.items() if name not in self._specs), *named)

    def describe(self, agent: str = "") -> list[ToolSpec]:
        """Return every available tool with its full JSON Schema."""
        tools = self._tools_of(agent).values()
        return [ToolSpec(tool.name, tool.description, _full_schema(tool)) for tool in tools]

    # ---- running --------------------------------------------------------------------------------

    async def run(self, request: ToolCall, call: Call, actions: CallActions) -> ToolResult:
        """Run a tool for the model; a failure is a result.

        A tool that was not offered to the call's agent is refused as unknown.
        """
        tools = self._tools_of(call.agent, offered=True)
        tool = tools.get(request.name)
        if tool is None:
            unconfigured = (
                self._is_allowed(request.name, call.agent) and request.name in self._unconfigured
            )
            return _failure(request, _NOT_CONFIGURED if unconfigured else _unknown_tool_text(tools))
        try:
            args = _validate(tool, request.args)
        except ValueError as exc:
            return _failure(request, _argument_errors_text(exc))
        context = ToolContext(call.caller, call.id, call, actions)
        try:
            return await _execute(tool, args, context, request)
        except FieldError as exc:
            return _failure(request, str(exc))

    async def use(self, name: str, args: Mapping[str, Any], context: ToolContext) -> ToolResult:
        """Run a tool for an API client; a failure of the tool itself is a result.

        Raises:
            FieldError: There is no such tool (``name``), or an argument is wrong; it is named.
            RefusedError: The tool is not configured (``not-configured``); the text is the fix.
        """
        agent = context.call.agent if context.call is not None else ""
        tools = self._tools_of(agent)
        tool = tools.get(name)
        if tool is None and name in self._unconfigured:
            raise RefusedError("not-configured", f"{name} needs {self._unconfigured[name]}")
        if tool is None:
            raise FieldError("name", _unknown_tool_text(tools))
        _reject_unknown_arguments(tool, args)
        try:
            checked = _validate(tool, args)
        except ValueError as exc:
            field, fix = _first_error(exc)
            raise FieldError(field, fix) from None
        return await _execute(tool, checked, context, ToolCall("", name, args))

    def _tools_of(self, agent: str, *, offered: bool = False) -> Tools:
        """Return an agent's tools: all of them, or only those offered to its model."""
        return {
            name: tool
            for name, tool in {**self._tools, **self._own.get(agent, {})}.items()
            if not offered or name not in self._tools or self._is_allowed(name, agent)
        }

    def _is_allowed(self, name: str, agent: str) -> bool:
        return self._allowed is None or name in self._allowed.get(agent, ())


def _unknown_tool_text(tools: Tools) -> str:
    return f"There is no tool of that name; there are: {', '.join(sorted(tools)) or 'none'}."


async def _execute(
    tool: Tool[Any],
    args: Any,  # noqa: ANN401 - whatever the tool takes
    context: ToolContext,
    request: ToolCall,
) -> ToolResult:
    """Run ``tool``; only a FieldError is raised."""
    try:
        async with asyncio.timeout(tool.timeout_s):
            outcome: Outcome = await tool.run(args, context)
    except ToolError as exc:
        return _failure(request, str(exc), exc.facts)
    except FieldError:
        raise
    except TimeoutError:
        return _failure(
            request,
            "That took too long, and it is not known whether it was done. Do not repeat it.",
            DELIVERY_UNKNOWN,
        )
    except StoreError as exc:
        _log.error("tool_not_stored", tool=request.name, error=str(exc))
        return _failure(
            request,
            "Our records cannot be reached, so it is not known whether it was done. Say so and "
            "offer another way.",
            DELIVERY_UNKNOWN,
        )
    except Exception as exc:  # noqa: BLE001 - the call goes on whatever a tool does
        # The exception's text may hold personal data; its kind and place do not.
        _log.error("tool_crashed", tool=request.name, error=type(exc).__name__, exc_info=True)
        return _failure(request, "That did not work because of a fault on our side.")
    return ToolResult(
        request.id,
        request.name,
        ok=True,
        text=outcome.text,
        data=outcome.data,
        silent=outcome.silent,
    )


def _by_name(tools: Iterable[Tool[Any]]) -> Tools:
    return {tool.name: tool for tool in tools}


def _specs(tools: Tools) -> Mapping[str, ToolSpec]:
    return {
        tool.name: ToolSpec(tool.name, tool.description, _live_schema(tool))
        for tool in tools.values()
    }


def _live_schema(tool: Tool[Any]) -> Mapping[str, Any]:
    return tool.args.schema if isinstance(tool.args, SchemaArgs) else parameters(tool.args)


def _full_schema(tool: Tool[Any]) -> Mapping[str, Any]:
    if not isinstance(tool.args, SchemaArgs):
        schema: Mapping[str, Any] = tool.args.model_json_schema()
        return schema
    return tool.args.schema or {"type": "object", "properties": {}}


# ---- arguments ----------------------------------------------------------------------------------


def _validate(tool: Tool[Any], args: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what the tool takes
    schema = _live_schema(tool)
    if twice := contradiction(schema, args):
        raise ValueError(f"{twice}: it came twice, with different values; give it once")
    read = lenient(schema, args)
    if isinstance(tool.args, SchemaArgs):
        return tool.args.check(read)
    return tool.args.model_validate(read)


def _reject_unknown_arguments(tool: Tool[Any], args: Mapping[str, Any]) -> None:
    """Raise FieldError for an unknown argument of an API client; a model's are ignored."""
    known = _full_schema(tool).get("properties", {})
    for name in args:
        if name not in known:
            there_are = ", ".join(known) or "none"
            raise FieldError(name, f"{tool.name} has no such argument; there are: {there_are}")


def _failure(request: ToolCall, text: str, facts: Mapping[str, Any] | None = None) -> ToolResult:
    return ToolResult(request.id, request.name, ok=False, text=text, data=facts or {})


def _argument_errors_text(exc: ValueError) -> str:
    errors = "; ".join(f"{field}: {message}" for field, message in _argument_errors(exc)) or str(
        exc
    )
    return f"Nothing was done. Call again with corrected arguments: {errors}."


def _first_error(exc: ValueError) -> tuple[str, str]:
    if errors := _argument_errors(exc):
        return errors[0]
    field, _, fix = str(exc).partition(": ")
    return field, fix


def _argument_errors(exc: ValueError) -> list[tuple[str, str]]:
    """Return field and message of each error, in order, without the values."""
    if not isinstance(exc, ValidationError):
        return []
    return [
        (".".join(str(part) for part in error["loc"]) or "arguments", error["msg"])
        for error in exc.errors(include_input=False, include_url=False)
    ]
