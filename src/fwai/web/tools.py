"""Tools, run for whoever holds a key, as n8n does."""

import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from fwai.domain.events import ToolResult
from fwai.domain.tool import ToolSpec
from fwai.errors import FieldError
from fwai.http.problem import ProblemError
from fwai.interfaces.tools import ToolContext
from fwai.web.calls import known
from fwai.web.errors import conflict, invalid, problems, unknown
from fwai.web.idempotency import Idempotency, Key, Reply, Use
from fwai.web.models import ToolAnswer, ToolBody, ToolList, ToolRequestBody
from fwai.web.responses import answer
from fwai.web.services import ApiServices
from fwai.web.values import number

_NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}


def add(api: APIRouter, services: ApiServices, keys: Idempotency) -> None:
    """Add the routes."""

    @api.get(
        "/tools",
        tags=["tools"],
        summary="List tools",
        response_model=ToolList,
        responses=problems(),
    )
    async def listed() -> Response:
        return answer({"tools": _all(services)})

    @api.get(
        "/tools/{name}",
        tags=["tools"],
        summary="One tool",
        response_model=ToolBody,
        responses=problems(404),
    )
    async def one(name: str) -> Response:
        for tool in _all(services):
            if tool["name"] == name:
                return answer(tool)
        raise unknown("tool")

    @api.post(
        "/tools/{name}",
        tags=["tools"],
        summary="Run a tool",
        response_model=ToolAnswer,
        responses=problems(400, 404, 409, 413, 415),
    )
    async def use(
        name: str, body: ToolRequestBody, request: Request, idempotency_key: Key = None
    ) -> Response:
        """Run a tool for the person of `to`, or of the call `call_id`.

        In a call that is live the tool can act on it. Asked for twice in one call, or with one
        Idempotency-Key, an action is done once.
        """

        async def work(use: Use) -> Reply:
            return Reply(await _run(services, name, body, use))

        return await keys.once(request, idempotency_key, f"tools/{name}", body.model_dump(), work)


async def use_tool(
    services: ApiServices,
    name: str,
    args: Mapping[str, Any],
    context: ToolContext,
    agent: str = "",
) -> ToolResult:
    """Run a tool for an operator.

    Args:
        services: What there is.
        name: The tool's.
        args: Its arguments.
        context: For whom.
        agent: Whose own tools can be used besides.

    Raises:
        ProblemError: There is no such tool, it is not configured, or an argument is wrong.
    """
    if name in services.tools.unconfigured:
        raise _not_configured(name, services.tools.unconfigured[name])
    if not any(tool.name == name for tool in services.tools.specs([name], agent)):
        raise unknown("tool; those of one agent run only in its calls")
    try:
        return await services.tools.use(name, args, context)
    except FieldError as exc:
        field = exc.field.removeprefix("arguments").removeprefix(".")
        raise invalid(f"arguments.{field}" if field else "arguments", str(exc)) from exc


def shown_result(result: ToolResult) -> Mapping[str, Any]:
    """Return what a tool came to, as JSON."""
    said = result.data.get("delivery")
    status = said if said in ("pending", "unknown") else "ok" if result.ok else "failed"
    return {"status": status, "message": result.text, "result": result.data}


def _not_configured(name: str, missing: str) -> ProblemError:
    return conflict("tool-not-configured", "The tool is not configured", f"{name} needs {missing}")


def _all(services: ApiServices) -> list[Mapping[str, Any]]:
    """Return every tool: those of everybody, those of one agent, those that lack settings."""
    shared = services.tools.describe()
    shown = [_shown(tool) for tool in shared]
    names = {tool.name for tool in shared}
    for agent in services.agents:
        own = [spec.name for spec in services.tools.specs((), agent)]
        if own:
            described = services.tools.describe(agent)
            shown += [_shown(tool, agent) for tool in described if tool.name in own]
    missing = services.tools.unconfigured
    shown += [_lacking(name, what) for name, what in missing.items() if name not in names]
    return shown


def _shown(tool: ToolSpec, agent: str | None = None) -> Mapping[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters or _NOTHING),
        "configured": True,
        "missing": None,
        "agent": agent,
    }


def _lacking(name: str, missing: str) -> Mapping[str, Any]:
    return {
        "name": name,
        "description": "",
        "parameters": dict(_NOTHING),
        "configured": False,
        "missing": missing,
        "agent": None,
    }


async def _run(
    services: ApiServices, name: str, body: ToolRequestBody, use: Use
) -> Mapping[str, Any]:
    if (body.to is None) == (body.call_id is None):
        raise invalid("to", "give either to, a number, or call_id, a call with the person")
    if body.call_id is None:
        scope = f"api:{use.name('tool') if use.id else secrets.token_hex(8)}"
        context = ToolContext(to=number(body.to or "", "to"), scope=scope, trusted=True)
        return shown_result(await use_tool(services, name, body.arguments, context))
    record = await known(services, body.call_id)
    session = services.live.session(record.call.id)
    call = record.call if session is None else session.call
    scope = f"api:{use.name('tool')}" if use.id else call.id
    context = ToolContext(to=call.caller, scope=scope, call=call, actions=session, trusted=True)
    return shown_result(await use_tool(services, name, body.arguments, context, call.agent))
