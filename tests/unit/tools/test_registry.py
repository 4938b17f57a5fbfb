"""Every failure of a tool becomes words for the model; the call goes on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel, Field
from structlog.testing import capture_logs

from fakes import CALL
from fwai.domain.events import ToolCall
from fwai.errors import FieldError, RefusedError, StoreError, ToolError
from fwai.interfaces.tools import ToolContext
from fwai.tools.base import Outcome, SchemaArgs, Tool
from fwai.tools.registry import ToolRegistry
from unit.tools.kit import Actions, NoArgs, run, use

Work = Callable[["Book", ToolContext], Awaitable[Outcome]]
GOOD = {"when": "tomorrow", "people": 2}


class Person(BaseModel):
    name: str


class Book(BaseModel):
    when: str = Field(min_length=1)
    people: int = Field(ge=1, le=9)
    guests: list[Person] = Field(default_factory=list)


async def done(args: Book, _: ToolContext) -> Outcome:
    return Outcome(f"Booked for {args.people}.", {"when": args.when}, silent=True)


def book(work: Work = done, timeout_s: float = 8.0) -> Tool[Book]:
    return Tool("book", "Book a table.", Book, work, timeout_s)


async def test_a_tool_gets_checked_arguments_and_its_outcome_goes_to_the_model() -> None:
    result = await run(book(), {"when": "tomorrow", "people": "2"})

    assert (result.id, result.name, result.ok) == ("id-1", "book", True)
    assert (result.text, result.data) == ("Booked for 2.", {"when": "tomorrow"})
    assert result.silent


async def test_a_tool_sees_the_call_and_what_it_may_do_to_it() -> None:
    seen: list[ToolContext] = []

    async def look(_: Book, context: ToolContext) -> Outcome:
        seen.append(context)
        return Outcome("Seen.")

    actions = Actions()
    await run(book(look), GOOD, actions=actions)

    assert seen == [ToolContext(CALL.caller, CALL.id, CALL, actions)]
    assert not seen[0].trusted
    assert [seen[0].allow("x", 1), seen[0].allow("x", 1)] == [True, False]


async def test_an_unknown_tool_is_answered_with_those_there_are() -> None:
    result = await run(book(), name="order_pizza")

    assert not result.ok
    assert result.name == "order_pizza"
    assert result.text == "There is no tool of that name; there are: book."


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, ["when: Field required", "people: Field required"]),
        ({**GOOD, "people": 12}, ["people: Input should be less than or equal to 9"]),
        ({**GOOD, "people": "many"}, ["people: "]),
        ({**GOOD, "guests": [{"name": "A"}, {}]}, ["guests.1.name: Field required"]),
    ],
)
async def test_bad_arguments_name_the_field(args: dict[str, object], words: list[str]) -> None:
    result = await run(book(), args)

    assert not result.ok
    assert result.text.startswith("Nothing was done.")
    assert all(word in result.text for word in words)


async def test_bad_arguments_are_not_repeated() -> None:
    """They may hold what the caller asked nobody to write down."""
    result = await run(book(), {**GOOD, "people": "4111 1111 1111 1111"})

    assert "4111" not in result.text


async def test_a_tool_error_is_told_as_it_stands() -> None:
    async def refuse(_: Book, __: ToolContext) -> Outcome:
        raise ToolError("We are closed on Mondays.")

    result = await run(book(refuse), GOOD)

    assert (result.ok, result.text) == (False, "We are closed on Mondays.")


async def test_a_tool_that_takes_too_long_is_stopped_and_not_claimed_done() -> None:
    stopped = asyncio.Event()

    async def hang(_: Book, __: ToolContext) -> Outcome:
        try:
            return await asyncio.Future()
        finally:
            stopped.set()

    result = await run(book(hang, timeout_s=0.01), GOOD)

    assert stopped.is_set()
    assert not result.ok
    assert "not known whether it was done" in result.text


async def test_a_crash_is_reported_and_shows_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def crash(_: Book, __: ToolContext) -> Outcome:
        raise KeyError("+919999900001")

    with capture_logs() as logs, caplog.at_level(logging.DEBUG):
        result = await run(book(crash), GOOD)

    assert (result.ok, result.text) == (
        False,
        "That did not work because of a fault on our side.",
    )
    assert [(line["event"], line["tool"], line["error"]) for line in logs] == [
        ("tool_crashed", "book", "KeyError")
    ]


async def test_a_cancelled_tool_is_cancelled() -> None:
    async def hang(_: Book, __: ToolContext) -> Outcome:
        return await asyncio.Future()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(run(book(hang), GOOD))
        await asyncio.sleep(0)
        task.cancel()

    assert task.cancelled()


def test_only_tools_that_exist_are_offered() -> None:
    registry = ToolRegistry([book(), Tool("bye", "Say bye.", NoArgs, done)])

    specs = registry.specs(["bye", "send_email", "book"])

    assert set(registry.names) == {"book", "bye"}
    assert [spec.name for spec in specs] == ["bye", "book"]
    assert specs[0].parameters == {}
    assert specs[1].description == "Book a table."
    assert specs[1].parameters["required"] == ["when", "people"]


async def test_results_are_matched_by_the_id_of_the_request() -> None:
    registry = ToolRegistry([book()])

    results = [
        await registry.run(ToolCall(call_id, "book", GOOD), CALL, Actions())
        for call_id in ("a", "b")
    ]

    assert [result.id for result in results] == ["a", "b"]


async def test_an_argument_that_a_tool_refuses_is_told_as_it_stands() -> None:
    async def refuse(_: Book, __: ToolContext) -> Outcome:
        raise FieldError("when", "That time has passed; ask for another.")

    result = await run(book(refuse), GOOD)

    assert (result.ok, result.text) == (False, "That time has passed; ask for another.")


async def test_records_that_cannot_be_reached_are_told_as_not_known() -> None:
    async def fail(_: Book, __: ToolContext) -> Outcome:
        raise StoreError("/data/fwai.db: disk full")

    with capture_logs() as logs:
        result = await run(book(fail), GOOD)

    assert not result.ok
    assert "not known whether it was done" in result.text
    assert "disk" not in result.text
    assert [line["event"] for line in logs] == ["tool_not_stored"]


# ---- tools of one agent -------------------------------------------------------------------------


async def own(_: Mapping[str, Any], __: ToolContext) -> Outcome:
    return Outcome("By the agent's own.")


def brought(name: str) -> Tool[Mapping[str, Any]]:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    return Tool(name, "Its own.", SchemaArgs(schema, dict), own)


async def test_an_agents_own_tools_are_offered_to_it_alone_and_come_first() -> None:
    registry = ToolRegistry([book()], {"FWAI_Core": [brought("crm"), brought("book")]})

    assert [spec.name for spec in registry.specs(["book"], "FWAI_Core")] == ["crm", "book"]
    assert registry.specs(["book"], "FWAI_Core")[1].description == "Its own."
    assert [spec.name for spec in registry.specs(["book", "crm"], "Other")] == ["book"]
    assert [spec.name for spec in registry.specs(["book", "crm"])] == ["book"]


async def test_a_call_uses_the_tools_of_its_agent() -> None:
    registry = ToolRegistry([book()], {"FWAI_Core": [brought("crm"), brought("book")]})
    other = replace(CALL, agent="Other")

    mine = await registry.run(ToolCall("1", "book", {}), CALL, Actions())
    theirs = await registry.run(ToolCall("1", "book", GOOD), other, Actions())
    missing = await registry.run(ToolCall("1", "crm", {}), other, Actions())

    assert mine.text == "By the agent's own."
    assert theirs.text == "Booked for 2."
    assert missing.text == "There is no tool of that name; there are: book."


# ---- for others than models ---------------------------------------------------------------------

CONTEXT = ToolContext("+919999900001", "request-1", trusted=True)


async def test_an_operator_uses_a_tool() -> None:
    result = await use(book(), GOOD)

    assert (result.ok, result.name, result.text) == (True, "book", "Booked for 2.")


async def test_what_a_tool_could_not_do_is_a_result() -> None:
    async def refuse(_: Book, __: ToolContext) -> Outcome:
        raise ToolError("We are closed on Mondays.")

    result = await use(book(refuse), GOOD)

    assert (result.ok, result.text) == (False, "We are closed on Mondays.")


async def test_an_unknown_tool_is_the_name_that_is_wrong() -> None:
    with pytest.raises(FieldError, match="there are: book") as caught:
        await ToolRegistry([book()]).use("order_pizza", {}, CONTEXT)

    assert caught.value.field == "name"


async def test_a_tool_of_an_agent_is_not_for_everybody() -> None:
    registry = ToolRegistry([book()], {"FWAI_Core": [brought("crm")]})

    with pytest.raises(FieldError):
        await registry.use("crm", {}, CONTEXT)
    assert (await registry.use("crm", {}, replace(CONTEXT, call=CALL))).ok


@pytest.mark.parametrize(
    ("args", "field", "fix"),
    [
        ({"people": 2}, "when", "Field required"),
        ({}, "when", "Field required"),
        ({**GOOD, "people": 12}, "people", "less than or equal to 9"),
        ({**GOOD, "guests": [{"name": "A"}, {}]}, "guests.1.name", "Field required"),
        ({**GOOD, "wen": "x"}, "wen", "no such argument; there are: when, people, guests"),
    ],
)
async def test_the_first_wrong_argument_is_named(
    args: dict[str, object], field: str, fix: str
) -> None:
    with pytest.raises(FieldError, match=fix) as caught:
        await use(book(), args)

    assert caught.value.field == field


async def test_an_argument_that_a_tool_refuses_is_named() -> None:
    async def refuse(_: Book, __: ToolContext) -> Outcome:
        raise FieldError("when", "That time has passed.")

    with pytest.raises(FieldError) as caught:
        await use(book(refuse), GOOD)

    assert caught.value.field == "when"


async def test_a_tool_that_is_not_configured_says_what_is_missing() -> None:
    registry = ToolRegistry([book()], unconfigured={"send_email": "SMTP_HOST"})

    assert registry.unconfigured == {"send_email": "SMTP_HOST"}
    assert registry.exists("send_email")
    assert registry.exists("book")
    assert not registry.exists("order_pizza")
    assert registry.specs(["send_email"]) == ()
    with pytest.raises(RefusedError, match="send_email needs SMTP_HOST") as caught:
        await registry.use("send_email", {}, CONTEXT)
    assert caught.value.kind == "not-configured"
    result = await registry.run(ToolCall("1", "send_email", {}), CALL, Actions())
    assert (result.ok, "SMTP" in result.text) == (False, False)


def test_tools_are_described_with_all_of_their_schema() -> None:
    registry = ToolRegistry([book()], {"FWAI_Core": [brought("crm")]})

    (described,) = registry.describe()

    assert described.name == "book"
    assert described.parameters["properties"]["people"]["title"] == "People"
    assert "$defs" in described.parameters
    assert [spec.name for spec in registry.describe("FWAI_Core")] == ["book", "crm"]
    assert registry.exists("crm")


# ---- what an agent may use ----------------------------------------------------------------------


def limited() -> ToolRegistry:
    return ToolRegistry(
        [book(), Tool("bye", "Say bye.", NoArgs, done)],
        {"FWAI_Core": [brought("crm")]},
        {"send_email": "SMTP_HOST", "send_sms": "CALL_PROVIDER"},
        {"FWAI_Core": ("bye", "send_sms"), "Other": ("book",)},
    )


async def test_a_model_uses_no_tool_that_its_agent_was_not_offered() -> None:
    registry = limited()

    refused = await registry.run(ToolCall("1", "book", GOOD), CALL, Actions())
    own_one = await registry.run(ToolCall("1", "crm", {}), CALL, Actions())
    other = await registry.run(ToolCall("1", "book", GOOD), replace(CALL, agent="Other"), Actions())

    assert not refused.ok
    assert refused.text == "There is no tool of that name; there are: bye, crm."
    assert (own_one.ok, other.ok) == (True, True)


async def test_a_tool_that_is_missing_is_told_only_to_the_agent_that_should_have_it() -> None:
    registry = limited()

    mine = await registry.run(ToolCall("1", "send_sms", {}), CALL, Actions())
    theirs = await registry.run(ToolCall("1", "send_email", {}), CALL, Actions())

    assert "not set up" in mine.text
    assert theirs.text == "There is no tool of that name; there are: bye, crm."


async def test_an_agent_that_nothing_is_allowed_to_has_no_tools() -> None:
    result = await limited().run(
        ToolCall("1", "bye", {}), replace(CALL, agent="Unheard"), Actions()
    )

    assert (result.ok, result.text) == (
        False,
        "There is no tool of that name; there are: none.",
    )


async def test_an_operator_uses_what_the_agent_may_not() -> None:
    result = await limited().use("book", GOOD, replace(CONTEXT, call=CALL))

    assert result.ok
