"""A workflow as a tool: asked once, its answer told, its silence told as not known."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from fakes import CALL
from fwai.domain.webhook_tool import WebhookToolSpec
from fwai.errors import ApiError, ApiUnknownError, FieldError
from fwai.interfaces.tools import ToolContext
from fwai.tools.registry import ToolRegistry
from fwai.tools.workflow import SPARE_S, workflow_tool
from unit.tools.kit import PHONE, run, use

SCHEMA = {
    "type": "object",
    "properties": {
        "order": {"type": "string", "description": "Its number."},
        "count": {"type": "integer", "minimum": 1},
    },
    "required": ["order"],
}
SPEC = WebhookToolSpec(
    name="order_status",
    description="Look an order up.",
    parameters=SCHEMA,
    url="https://n8n.example.com/webhook/secret",
    timeout_s=5.0,
    filler="One moment, I am looking.",
)
ORDER = {"order": "A-17"}
CUT = "(The answer was longer and is cut here; do not guess the rest.)"
STARTED = (
    "It was started and is not finished: whether it works out is not known yet. Say that it is "
    "under way, never that it is done."
)


@dataclass
class Answer:
    text: str = "It is on its way."
    data: Mapping[str, Any] = field(default_factory=dict)
    started: bool = False
    shortened: bool = False


@dataclass
class Workflows:
    """Answers, fails, or waits until it may answer."""

    answer: Answer = field(default_factory=Answer)
    error: ApiError | None = None
    gate: asyncio.Event | None = None
    calls: list[tuple[str, str, Mapping[str, Any], float]] = field(default_factory=list)

    async def call(
        self, url: str, message_id: str, payload: Mapping[str, Any], timeout_s: float
    ) -> Answer:
        self.calls.append((url, message_id, payload, timeout_s))
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.answer


async def test_a_workflow_is_asked_and_its_answer_told() -> None:
    workflows = Workflows(Answer("It is on its way.", {"day": "Monday"}))

    result = await run(workflow_tool(SPEC, workflows), {**ORDER, "count": 2.0, "more": "x"})

    ((url, message_id, payload, timeout_s),) = workflows.calls
    assert (url, timeout_s) == (SPEC.url, 5.0)
    assert payload == {
        "call_id": CALL.id,
        "agent": CALL.agent,
        "from": PHONE,
        "tool": "order_status",
        "arguments": {"order": "A-17", "count": 2},
    }
    assert message_id.startswith("tool_")
    assert PHONE not in message_id
    assert (result.ok, result.text, result.data) == (
        True,
        "It is on its way.",
        {"day": "Monday"},
    )


async def test_the_same_question_has_the_same_id_and_another_one_another() -> None:
    workflows = Workflows()
    tool = workflow_tool(SPEC, workflows)

    for order in ("A-17", "A-17", "A-18"):
        await run(tool, {"order": order})

    ids = [call[1] for call in workflows.calls]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(""), "It was taken, with no answer in words."),
        (Answer("", {"a": 1}), "The answer is in the data."),
        (
            Answer("", {"a": 1}, shortened=True),
            f"The answer is in the data. {CUT}",
        ),
        (
            Answer("Three rows", shortened=True),
            f"Three rows {CUT}",
        ),
        (
            Answer("", started=True),
            STARTED,
        ),
    ],
)
async def test_an_answer_without_words_is_said_to_be_one(answer: Answer, words: str) -> None:
    result = await run(workflow_tool(SPEC, Workflows(answer)), ORDER)

    assert (result.ok, result.text) == (True, words)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ApiUnknownError("webhook", "no answer"), "not known whether that was done"),
        (ApiUnknownError("webhook", "failed", status=500), "not known whether that was done"),
        (ApiError("webhook", "cannot connect", retryable=True), "cannot be reached"),
        (ApiError("webhook", "refused", status=404), "the service is not available"),
        (ApiError("webhook", "refused", status=401), "the service is not available"),
        (ApiError("webhook", "refused", status=422), "the service refused it"),
        (
            ApiError("webhook", "refused", status=404, words='No order "A-17".'),
            (
                "the service refused it. Say so and offer another way. "
                "The service says: \"No order 'A-17'.\""
            ),
        ),
        (
            ApiUnknownError("webhook", "failed", status=500, words="The stock list is away."),
            'say so. The service says: "The stock list is away."',
        ),
        (ApiError("webhook", "not JSON", status=200), "the answer could not be read"),
    ],
)
async def test_a_failure_is_told_as_what_is_known(error: ApiError, words: str) -> None:
    result = await run(workflow_tool(SPEC, Workflows(error=error)), ORDER)

    assert not result.ok
    assert words in result.text
    assert "say so" in result.text.lower()


async def test_wrong_arguments_ask_nobody() -> None:
    workflows = Workflows()
    tool = workflow_tool(SPEC, workflows)

    result = await run(tool, {"count": 0})

    assert not result.ok
    assert result.text.startswith("Nothing was done.")
    assert "order: missing" in result.text
    assert "count: must be 1 or more" in result.text
    with pytest.raises(FieldError, match="missing") as caught:
        await use(tool, {})
    assert caught.value.field == "order"
    assert workflows.calls == []


async def test_the_same_question_twice_at_once_is_asked_once() -> None:
    workflows = Workflows(gate=asyncio.Event())
    tool = workflow_tool(SPEC, workflows)

    async with asyncio.TaskGroup() as group:
        first = group.create_task(run(tool, ORDER))
        second = group.create_task(run(tool, ORDER))
        await asyncio.sleep(0)
        assert workflows.gate is not None
        workflows.gate.set()

    assert len(workflows.calls) == 1
    assert first.result().text == second.result().text == "It is on its way."


async def test_whoever_waits_for_the_same_answer_may_stop_waiting() -> None:
    workflows = Workflows(gate=asyncio.Event())
    tool = workflow_tool(SPEC, workflows)

    async with asyncio.TaskGroup() as group:
        first = group.create_task(run(tool, ORDER))
        await asyncio.sleep(0)
        second = group.create_task(run(tool, ORDER))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        assert workflows.gate is not None
        workflows.gate.set()

    assert second.cancelled()
    assert first.result().ok


async def test_a_question_that_was_dropped_leaves_the_other_with_the_truth() -> None:
    workflows = Workflows(gate=asyncio.Event())
    tool = workflow_tool(SPEC, workflows)

    async with asyncio.TaskGroup() as group:
        first = group.create_task(run(tool, ORDER))
        await asyncio.sleep(0)
        second = group.create_task(run(tool, ORDER))
        await asyncio.sleep(0)
        first.cancel()

    assert not second.result().ok
    assert second.result().text.endswith("Do not ask for it again; say so.")
    workflows.gate = None
    assert (await run(tool, ORDER)).ok, "asked anew"


async def test_failures_are_shared_too() -> None:
    workflows = Workflows(error=ApiError("webhook", "no"), gate=asyncio.Event())
    tool = workflow_tool(SPEC, workflows)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(tool, ORDER)) for _ in range(2)]
        await asyncio.sleep(0)
        assert workflows.gate is not None
        workflows.gate.set()

    assert [task.result().ok for task in tasks] == [False, False]
    assert len(workflows.calls) == 1


def test_the_model_gets_the_schema_as_it_is_and_the_filler() -> None:
    tool = workflow_tool(SPEC, Workflows())
    registry = ToolRegistry([], {"FWAI_Core": [tool]})

    (spec,) = registry.specs([], "FWAI_Core")

    assert spec.parameters is SCHEMA
    assert spec.description == ('Look an order up. Say "One moment, I am looking." while it runs.')
    assert tool.timeout_s == 5.0 + SPARE_S


async def test_it_may_be_used_for_a_call_that_is_over() -> None:
    workflows = Workflows()
    registry = ToolRegistry([], {"FWAI_Core": [workflow_tool(SPEC, workflows)]})
    context = ToolContext(PHONE, "request-1", CALL, None, trusted=True)

    result = await registry.use("order_status", ORDER, context)

    assert result.ok
    assert workflows.calls[0][2]["call_id"] == CALL.id
