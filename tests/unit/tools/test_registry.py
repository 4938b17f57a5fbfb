"""Every failure of a tool becomes words for the model; the call goes on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
from pydantic import BaseModel, Field
from structlog.testing import capture_logs

from fakes import CALL
from fwai.domain.events import ToolCall
from fwai.errors import ToolError
from fwai.tools.base import Outcome, Tool, ToolContext
from fwai.tools.registry import ToolRegistry
from unit.tools.kit import Actions, NoArgs, run

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

    assert seen == [ToolContext(CALL, actions)]
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
