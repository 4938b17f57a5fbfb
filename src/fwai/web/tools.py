"""Routes that list tools and run them for API clients such as n8n."""

import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from fwai.domain.events import ToolResult
from fwai.domain.tool import ToolSpec
from fwai.errors import FieldError
from fwai.http.problem import ProblemError
from fwai.interfaces.tools import ToolContext
from fwai.web.calls import get_call
from fwai.web.errors import conflict, invalid_field, not_found, problem_responses
from fwai.web.idempotency import Idempotency, Key, KeyUse, Reply
from fwai.web.models import ToolAnswer, ToolBody, ToolList, ToolRequestBody
from fwai.web.responses import json_response
from fwai.web.services import ApiServices
from fwai.web.values import parse_phone

_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}


def add(api: APIRouter, services: ApiServices, idempotency: Idempotency) -> None:
    """Add the routes."""

    @api.get(
        "/tools",
        tags=["tools"],
        summary="List tools",
        response_model=ToolList,
        responses=problem_responses(),
    )
    async def listed() -> Response:
        return json_response({"tools": _list_tools(services)})

    @api.get(
        "/tools/{name}",
        tags=["tools"],
        summary="One tool",
        response_model=ToolBody,
        responses=problem_responses(404),
    )
    async def one(name: str) -> Response:
        for tool in _list_tools(services):
            if tool["name"] == name:
                return json_response(tool)
        raise not_found("tool")

    @api.post(
        "/tools/{name}",
        tags=["tools"],
        summary="Run a tool",
        response_model=ToolAnswer,
        responses=problem_responses(400, 404, 409, 413, 415),
    )
    async def use(
        name: str, body: ToolRequestBody, request: Request, idempotency_key: Key = None
    ) -> Response:
        """Run a tool for the person of `to`, or of the call `call_id`.

        In a call that is live the tool can act on it. Asked for twice in one call, or with one
        Idempotency-Key, an action is done once.
        """

        async def work(use: KeyUse) -> Reply:
            return Reply(await _run(services, name, body, use))

        return await idempotency.run_once(
            request, idempotency_key, f"tools/{name}", body.model_dump(), work
        )


async def run_tool(
    services: ApiServices,
    name: str,
    args: Mapping[str, Any],
    context: ToolContext,
    agent: str = "",
) -> ToolResult:
    """Run a tool for an API client.

    Args:
        services: The API's dependencies.
        name: The tool's.
        args: Its arguments.
        context: The person and the call it runs for.
        agent: Whose own tools can be run besides.

    Raises:
        ProblemError: There is no such tool, it is not configured, or an argument is wrong.
    """
    if name in services.tools.unconfigured:
        raise _not_configured(name, services.tools.unconfigured[name])
    if not any(tool.name == name for tool in services.tools.specs([name], agent)):
        raise not_found("tool; those of one agent run only in its calls")
    try:
        return await services.tools.use(name, args, context)
    except FieldError as exc:
        field = exc.field.removeprefix("arguments").removeprefix(".")
        raise invalid_field(f"arguments.{field}" if field else "arguments", str(exc)) from exc


def result_json(result: ToolResult) -> Mapping[str, Any]:
    """Build the JSON of a tool's result."""
    said = result.data.get("delivery")
    status = said if said in ("pending", "unknown") else "ok" if result.ok else "failed"
    return {"status": status, "message": result.text, "result": result.data}


def _not_configured(name: str, missing: str) -> ProblemError:
    return conflict("tool-not-configured", "The tool is not configured", f"{name} needs {missing}")


def _list_tools(services: ApiServices) -> list[Mapping[str, Any]]:
    """List every tool: shared ones, those of one agent, those that lack settings."""
    shared = services.tools.describe()
    shown = [_to_json(tool) for tool in shared]
    names = {tool.name for tool in shared}
    for agent in services.agents:
        own = [spec.name for spec in services.tools.specs((), agent)]
        if own:
            described = services.tools.describe(agent)
            shown += [_to_json(tool, agent) for tool in described if tool.name in own]
    missing = services.tools.unconfigured
    shown += [_unconfigured_json(name, what) for name, what in missing.items() if name not in names]
    return shown


def _to_json(tool: ToolSpec, agent: str | None = None) -> Mapping[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters or _NO_PARAMETERS),
        "configured": True,
        "missing": None,
        "agent": agent,
    }


def _unconfigured_json(name: str, missing: str) -> Mapping[str, Any]:
    return {
        "name": name,
        "description": "",
        "parameters": dict(_NO_PARAMETERS),
        "configured": False,
        "missing": missing,
        "agent": None,
    }


async def _run(
    services: ApiServices, name: str, body: ToolRequestBody, use: KeyUse
) -> Mapping[str, Any]:
    if (body.to is None) == (body.call_id is None):
        raise invalid_field("to", "give either to, a number, or call_id, a call with the person")
    if body.call_id is None:
        scope = f"api:{use.name('tool') if use.id else secrets.token_hex(8)}"
        context = ToolContext(to=parse_phone(body.to or "", "to"), scope=scope, trusted=True)
        return result_json(await run_tool(services, name, body.arguments, context))
    record = await get_call(services, body.call_id)
    session = services.live.session(record.call.id)
    call = record.call if session is None else session.call
    scope = f"api:{use.name('tool')}" if use.id else call.id
    context = ToolContext(to=call.caller, scope=scope, call=call, actions=session, trusted=True)
    return result_json(await run_tool(services, name, body.arguments, context, call.agent))
