"""The tools of this server, by name."""

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
from fwai.tools.base import ByHand, Outcome, Tool
from fwai.tools.message_jobs import NOBODY_KNOWS
from fwai.tools.schema import parameters

_log = structlog.get_logger()

Tools = Mapping[str, Tool[Any]]

_NOT_SET_UP: Final = "That is not set up on this server. Say so and offer another way."


class ToolRegistry:
    """Finds, checks, times and runs tools; every failure becomes words for the model.

    Args:
        tools: Those whose settings are present.
        agent_tools: Tools that one agent brings along, by its id; they come before the others.
        unconfigured: Which settings are missing, by the name of a tool that exists all the same.
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

    # ---- what there is --------------------------------------------------------------------------

    @property
    def names(self) -> Collection[str]:
        """Names of the tools that every agent can use."""
        return self._tools.keys()

    @property
    def unconfigured(self) -> Mapping[str, str]:
        """Which settings are missing, by the name of the tool that needs them."""
        return self._unconfigured

    def known(self, name: str) -> bool:
        """Whether there is such a tool, configured or not, of whichever agent."""
        return (
            name in self._tools
            or name in self._unconfigured
            or any(name in own for own in self._own.values())
        )

    def specs(self, names: Iterable[str], agent: str = "") -> tuple[ToolSpec, ...]:
        """Return what to offer the model: the agent's own tools, and those of ``names``.

        Those not available are left out.
        """
        own = self._own_specs.get(agent, {})
        shared = [self._specs[name] for name in names if name in self._specs and name not in own]
        return (*own.values(), *shared)

    def describe(self, agent: str = "") -> list[ToolSpec]:
        """Return every tool that can be used, with all of its JSON Schema."""
        tools = self._of(agent).values()
        return [ToolSpec(tool.name, tool.description, _full(tool)) for tool in tools]

    # ---- using it -------------------------------------------------------------------------------

    async def run(self, request: ToolCall, call: Call, actions: CallActions) -> ToolResult:
        """Run the tool that ``request`` names; a failure is a result.

        A tool that was not offered to the call's agent is as good as none.
        """
        tools = self._of(call.agent, offered=True)
        tool = tools.get(request.name)
        if tool is None:
            known = self._offers(request.name, call.agent) and request.name in self._unconfigured
            return _failed(request, _NOT_SET_UP if known else _no_such(tools))
        try:
            args = _read(tool, request.args)
        except ValueError as exc:
            return _failed(request, _what_is_wrong(exc))
        context = ToolContext(call.caller, call.id, call, actions)
        try:
            return await _perform(tool, args, context, request)
        except FieldError as exc:
            return _failed(request, str(exc))

    async def use(self, name: str, args: Mapping[str, Any], context: ToolContext) -> ToolResult:
        """Run a tool for somebody who is no model; what it could not do is a result.

        Raises:
            FieldError: There is no such tool (``name``), or an argument is wrong; it is named.
            RefusedError: The tool is not configured (``not-configured``); the text is the fix.
        """
        agent = context.call.agent if context.call is not None else ""
        tools = self._of(agent)
        tool = tools.get(name)
        if tool is None and name in self._unconfigured:
            raise RefusedError("not-configured", f"{name} needs {self._unconfigured[name]}")
        if tool is None:
            raise FieldError("name", _no_such(tools))
        _refuse_unknown(tool, args)
        try:
            checked = _read(tool, args)
        except ValueError as exc:
            field, fix = _first_fault(exc)
            raise FieldError(field, fix) from None
        return await _perform(tool, checked, context, ToolCall("", name, args))

    def _of(self, agent: str, *, offered: bool = False) -> Tools:
        """Return the tools of an agent, all of them or only those that its model is offered."""
        shared = {
            name: tool
            for name, tool in self._tools.items()
            if not offered or self._offers(name, agent)
        }
        return {**shared, **self._own.get(agent, {})}

    def _offers(self, name: str, agent: str) -> bool:
        return self._allowed is None or name in self._allowed.get(agent, ())


def _no_such(tools: Tools) -> str:
    return f"There is no tool of that name; there are: {', '.join(sorted(tools)) or 'none'}."


async def _perform(
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
        return _failed(request, str(exc), exc.facts)
    except FieldError:
        raise
    except TimeoutError:
        return _failed(
            request,
            "That took too long, and it is not known whether it was done. Do not repeat it.",
            NOBODY_KNOWS,
        )
    except StoreError as exc:
        _log.error("tool_not_stored", tool=request.name, error=str(exc))
        return _failed(
            request,
            "Our records cannot be reached, so it is not known whether it was done. Say so and "
            "offer another way.",
            NOBODY_KNOWS,
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


def _by_name(tools: Iterable[Tool[Any]]) -> Tools:
    return {tool.name: tool for tool in tools}


def _specs(tools: Tools) -> Mapping[str, ToolSpec]:
    return {
        tool.name: ToolSpec(tool.name, tool.description, _for_live(tool)) for tool in tools.values()
    }


def _for_live(tool: Tool[Any]) -> Mapping[str, Any]:
    return tool.args.schema if isinstance(tool.args, ByHand) else parameters(tool.args)


def _full(tool: Tool[Any]) -> Mapping[str, Any]:
    if not isinstance(tool.args, ByHand):
        schema: Mapping[str, Any] = tool.args.model_json_schema()
        return schema
    return tool.args.schema or {"type": "object", "properties": {}}


# ---- arguments ----------------------------------------------------------------------------------


def _read(tool: Tool[Any], args: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what the tool takes
    if isinstance(tool.args, ByHand):
        return tool.args.check(args)
    return tool.args.model_validate(dict(args))


def _refuse_unknown(tool: Tool[Any], args: Mapping[str, Any]) -> None:
    """A person's slip is told; a model's surplus arguments are ignored."""
    known = _full(tool).get("properties", {})
    for name in args:
        if name not in known:
            there_are = ", ".join(known) or "none"
            raise FieldError(name, f"{tool.name} has no such argument; there are: {there_are}")


def _failed(request: ToolCall, text: str, facts: Mapping[str, Any] | None = None) -> ToolResult:
    return ToolResult(request.id, request.name, ok=False, text=text, data=facts or {})


def _what_is_wrong(exc: ValueError) -> str:
    faults = "; ".join(f"{field}: {fault}" for field, fault in _faults(exc)) or str(exc)
    return f"Nothing was done. Call again with corrected arguments: {faults}."


def _first_fault(exc: ValueError) -> tuple[str, str]:
    if faults := _faults(exc):
        return faults[0]
    field, _, fix = str(exc).partition(": ")
    return field, fix


def _faults(exc: ValueError) -> list[tuple[str, str]]:
    """Return field and fault, in order; the values themselves are not repeated."""
    if not isinstance(exc, ValidationError):
        return []
    return [
        (".".join(str(part) for part in error["loc"]) or "arguments", error["msg"])
        for error in exc.errors(include_input=False, include_url=False)
    ]
