"""Tools, listed and run."""

from typing import Any

import pytest

from unit.store.kit import PHONE
from unit.web.kit import House, problem

TO = "+919999900000"


def tools(answer: Any) -> dict[str, Any]:  # noqa: ANN401
    return {tool["name"]: tool for tool in answer.json()["tools"]}


async def test_every_tool_is_listed_with_what_it_needs(home: House) -> None:
    listed = tools(await home.get("/tools"))

    assert list(listed) == ["note", "transfer_call", "core_only", "send_sms"]
    assert listed["note"]["parameters"]["required"] == ["text"]
    assert [tool["configured"] for tool in listed.values()] == [True, True, True, False]
    assert listed["send_sms"]["missing"] == "PLIVO_AUTH_ID"
    assert listed["core_only"]["agent"] == "FWAI_Core"


async def test_one_tool_is_shown(home: House) -> None:
    assert (await home.get("/tools/note")).json()["description"] == "Note something."
    problem(await home.get("/tools/nothing"), 404, "not-found")


async def test_a_tool_runs_for_a_number(home: House) -> None:
    body = {"arguments": {"text": "Hi"}, "to": "+91 99999 00000"}
    answer = await home.post("/tools/note", body)
    again = await home.post("/tools/note", body)

    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "ok", "message": "It is noted.", "result": {"length": 2}},
    )
    first, second = (context for _, context in home.notes)
    assert (first.to, first.trusted, first.call, first.actions) == (TO, True, None, None)
    assert first.scope != second.scope
    assert again.status_code == 200


async def test_what_waits_is_pending(home: House) -> None:
    answer = await home.post("/tools/note", {"arguments": {"text": "later"}, "to": TO})

    assert answer.json()["status"] == "pending"


async def test_a_tool_runs_in_a_live_call_and_can_act_on_it(home: House) -> None:
    session = await home.carry()
    await home.post("/tools/note", {"arguments": {"text": "Hi"}, "call_id": "c-1"})

    ((_, context),) = home.notes
    assert (context.to, context.scope, context.trusted) == (PHONE, "c-1", True)
    assert (context.call, context.actions) == (session.call, session)


async def test_a_tool_runs_for_the_person_of_a_call_that_is_over(home: House) -> None:
    await home.carry()
    await home.over()
    await home.post("/tools/note", {"arguments": {"text": "Hi"}, "call_id": "c-1"})

    ((_, context),) = home.notes
    assert (context.to, context.call_id, context.actions) == (PHONE, "c-1", None)


async def test_a_tool_of_one_agent_runs_in_its_calls(home: House) -> None:
    await home.carry()
    own = await home.post("/tools/core_only", {"arguments": {"text": "Hi"}, "call_id": "c-1"})
    free = await home.post("/tools/core_only", {"arguments": {"text": "Hi"}, "to": TO})

    assert own.status_code == 200
    problem(free, 404, "not-found")


async def test_with_a_key_a_tool_runs_once(home: House) -> None:
    body = {"arguments": {"text": "Hi"}, "to": TO}
    first = await home.post("/tools/note", body, key="k")
    again = await home.post("/tools/note", body, key="k")
    other = await home.post("/tools/note", {**body, "to": PHONE}, key="k")

    assert (again.text, len(home.notes)) == (first.text, 1)
    problem(other, 422, "idempotency-key-reused", "Idempotency-Key")


async def test_worked_on_again_after_a_crash_the_scope_is_the_same(home: House) -> None:
    body = {"arguments": {"text": "Hi"}, "to": TO}
    answer = home.services.requests.answer

    async def died(*kept: Any) -> bool:  # noqa: ANN401
        raise RuntimeError("killed")

    home.services.requests.answer = died  # type: ignore[assignment, method-assign]
    problem(await home.post("/tools/note", body, key="k"), 500, "internal")
    home.services.requests.answer = answer  # type: ignore[method-assign]
    await home.post("/tools/note", body, key="k")

    first, second = (context.scope for _, context in home.notes)
    assert first == second
    assert first.startswith("api:")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"to": TO}, "arguments.text"),
        ({"to": TO, "arguments": {"text": "x" * 101}}, "arguments.text"),
        ({"to": TO, "arguments": {"text": {"a": "b"}}}, "arguments.text"),
        ({"to": TO, "arguments": {"text": "x", "wen": "y"}}, "arguments.wen"),
        ({"to": TO, "arguments": []}, "arguments"),
        ({"to": TO, "arguments": {"text": "a\x00"}}, "arguments"),
        ({"to": TO, "arguments": {"text": [[[[[[[["x"]]]]]]]]}}, "arguments"),
        ({"to": "12", "arguments": {"text": "x"}}, "to"),
        ({"arguments": {"text": "x"}}, "to"),
        ({"to": TO, "call_id": "c-1", "arguments": {"text": "x"}}, "to"),
        ({"to": TO, "args": {"text": "x"}}, "args"),
    ],
)
async def test_the_argument_that_cannot_be_right_is_named(
    home: House, body: dict[str, Any], field: str
) -> None:
    problem(await home.post("/tools/note", body), 422, "invalid", field)
    assert home.notes == []


async def test_what_is_not_there_is_not_found(home: House) -> None:
    problem(await home.post("/tools/nothing", {"to": TO}), 404, "not-found")
    problem(await home.post("/tools/note", {"call_id": "c-9"}), 404, "not-found")
    problem(await home.post("/tools/note", {"call_id": "../x"}), 404, "not-found")


async def test_a_tool_that_is_not_configured_says_what_is_missing(home: House) -> None:
    answer = await home.post("/tools/send_sms", {"to": TO, "arguments": {"text": "Hi"}})

    assert "PLIVO_AUTH_ID" in problem(answer, 409, "tool-not-configured")


async def test_a_tool_that_fails_says_so(home: House) -> None:
    await home.carry()
    body = {"arguments": {"reason": "x"}, "to": TO}
    answer = await home.post("/tools/transfer_call", body)  # it asserts that there is a call

    assert (answer.status_code, answer.json()["status"]) == (200, "failed")
