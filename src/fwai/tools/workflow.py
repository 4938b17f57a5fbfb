"""Turns a webhook workflow of prompts.json into a tool of one agent.

The answer is needed while the caller waits, so it is no job: it is asked for once, and asked again
only when the model asks again; then with the same id, by which a workflow can know it.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, Protocol

from fwai.domain.webhook_tool import WebhookToolSpec, validate_args
from fwai.errors import ApiError, ApiUnknownError, ToolError
from fwai.interfaces.tools import ToolContext
from fwai.tools.base import Outcome, SchemaArgs, Tool

SPARE_S: Final = 2.0  # the client keeps the time itself, and knows better what it means

_NOT_KNOWN: Final = "It is not known whether that was done. Do not ask for it again; say so."
_SAID: Final = ' The service says: "{words}"'
_NOT_DONE: Final = "That was not done: {why}. Say so and offer another way."
_STARTED: Final = (
    "It was started and is not finished: whether it works out is not known yet. Say that it is "
    "under way, never that it is done."
)
_TAKEN: Final = "It was taken, with no answer in words."
_CUT: Final = " (The answer was longer and is cut here; do not guess the rest.)"
_AWAY: Final = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
)


class WorkflowAnswer(Protocol):
    """A workflow's answer."""

    @property
    def text(self) -> str:
        """Text for the model; may be empty."""
        ...

    @property
    def data(self) -> Mapping[str, Any]:
        """Structured data beside it."""
        ...

    @property
    def started(self) -> bool:
        """Whether it only says that it was started."""
        ...

    @property
    def shortened(self) -> bool:
        """Whether it was longer."""
        ...


class Workflows(Protocol):
    """Calls workflows by HTTP."""

    async def call(
        self, url: str, message_id: str, payload: Mapping[str, Any], timeout_s: float
    ) -> WorkflowAnswer:
        """Post ``payload``, signed, and return the answer.

        Raises:
            ApiError: It was not carried out, or its answer cannot be read (status 2xx).
            ApiUnknownError: It may have been carried out.
        """
        ...


def workflow_tool(spec: WebhookToolSpec, workflows: Workflows) -> Tool[Mapping[str, Any]]:
    """Build the tool of one entry of an agent's ``webhooks``."""
    running: dict[str, asyncio.Future[Outcome | ToolError]] = {}

    async def run(args: Mapping[str, Any], context: ToolContext) -> Outcome:
        key = context.key(spec.name, args)
        known = running.get(key)
        if known is not None:
            await asyncio.wait({known})  # which, unlike awaiting it, does not pass a cancel on
            return _unwrap(known.result())
        answer: asyncio.Future[Outcome | ToolError] = asyncio.get_running_loop().create_future()
        running[key] = answer
        try:
            answer.set_result(await _call_workflow(spec, workflows, args, context, key))
        finally:
            del running[key]
            if not answer.done():  # cancelled in the middle, or broken
                answer.set_result(ToolError(_NOT_KNOWN))
        return _unwrap(answer.result())

    filler = f' Say "{spec.filler}" while it runs.' if spec.filler else ""
    return Tool(
        name=spec.name,
        description=spec.description + filler,
        args=SchemaArgs(spec.parameters, lambda args: validate_args(spec, args)),
        run=run,
        timeout_s=spec.timeout_s + SPARE_S,
    )


async def _call_workflow(
    spec: WebhookToolSpec,
    workflows: Workflows,
    args: Mapping[str, Any],
    context: ToolContext,
    key: str,
) -> Outcome | ToolError:
    payload = {
        "call_id": context.call_id or None,
        "agent": context.call.agent if context.call is not None else None,
        "from": context.to or None,
        "tool": spec.name,
        "arguments": dict(args),
    }
    message_id = f"tool_{hashlib.sha256(key.encode()).hexdigest()[:32]}"
    try:
        answer = await workflows.call(spec.url, message_id, payload, spec.timeout_s)
    except ApiUnknownError as exc:
        return ToolError(_NOT_KNOWN + _said(exc))
    except ApiError as exc:
        return ToolError(_failure(exc))
    if answer.started:
        return Outcome(_STARTED, answer.data)
    text = answer.text or ("The answer is in the data." if answer.data else _TAKEN)
    return Outcome(text + _CUT * answer.shortened, answer.data)


def _failure(exc: ApiError) -> str:
    if exc.status is None:
        return _NOT_DONE.format(why="the service cannot be reached")
    if HTTPStatus.OK <= exc.status < HTTPStatus.MULTIPLE_CHOICES:
        return "It was taken, but the answer could not be read. Do not ask for it again; say so."
    if exc.status in _AWAY and not exc.words:
        return _NOT_DONE.format(why="the service is not available")
    return _NOT_DONE.format(why="the service refused it") + _said(exc)


def _said(exc: ApiError) -> str:
    """Quote what the workflow says of its failure; no quotation mark may end it early."""
    return _SAID.format(words=exc.words.replace('"', "'")) if exc.words else ""


def _unwrap(answer: Outcome | ToolError) -> Outcome:
    if isinstance(answer, ToolError):
        raise ToolError(str(answer))
    return answer
