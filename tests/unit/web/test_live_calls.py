"""To look on at calls and to act on them."""

import asyncio
import json
from typing import Any

import pytest

from fwai.domain.call import CallId, CallState, EndReason
from fwai.errors import StoreError
from fwai.http.sse import MAX_STREAMS
from fwai.web.live_calls import CONNECTING
from unit.store.kit import until
from unit.web.kit import House, problem

TO = "+919999900000"


async def placed(home: House) -> str:
    return str((await home.post("/calls", {"to": TO})).json()["call_id"])


async def test_a_live_call_is_hung_up(home: House) -> None:
    await home.carry()
    answer = await home.post("/calls/c-1/hangup")

    assert (answer.status_code, answer.json()["status"]) == (202, "in_progress")
    assert home.live.hung_up == ["c-1"]


async def test_a_call_that_was_not_dialled_yet_is_canceled(home: House) -> None:
    call_id = await placed(home)
    answer = await home.post(f"/calls/{call_id}/hangup")
    shown = (await home.get(f"/calls/{call_id}")).json()

    assert (answer.status_code, answer.json()["status"]) == (202, "canceled")
    assert (shown["status"], shown["end_reason"]) == ("canceled", "operator")


async def test_a_call_that_is_dialled_meanwhile_is_hung_up_too(home: House) -> None:
    call_id = await placed(home)
    cancel = home.services.cancel

    async def late(call: Any) -> bool:  # noqa: ANN401
        home.live.ringing.add(CallId(call_id))
        return await cancel(call)

    object.__setattr__(home.services, "cancel", late)
    await home.post(f"/calls/{call_id}/hangup")

    assert home.live.hung_up == [call_id]


@pytest.mark.parametrize(
    ("path", "body"), [("hangup", None), ("say", {"text": "Hello"}), ("transfer", None)]
)
async def test_only_a_live_call_can_be_acted_on(home: House, path: str, body: Any) -> None:  # noqa: ANN401
    await home.carry()
    await home.over()

    assert "completed" in problem(await home.post(f"/calls/c-1/{path}", body), 409, "not-live")
    problem(await home.post(f"/calls/c-9/{path}", body), 404, "not-found")


async def test_the_agent_says_something(home: House) -> None:
    session = await home.carry()
    answer = await home.post("/calls/c-1/say", {"text": "The course begins on Monday."})

    assert answer.status_code == 202
    assert session.said == ["The course begins on Monday."]


@pytest.mark.parametrize("text", ["", "x" * 501, 5, None])
async def test_what_cannot_be_said_is_refused(home: House, text: object) -> None:
    session = await home.carry()

    problem(await home.post("/calls/c-1/say", {"text": text}), 422, "invalid", "text")
    assert session.said == []


@pytest.mark.parametrize("body", [None, {}, {"reason": "asked for a person"}])
async def test_a_call_is_handed_over_by_the_tool(home: House, body: Any) -> None:  # noqa: ANN401
    session = await home.carry()
    answer = await home.post("/calls/c-1/transfer", body)

    assert answer.json() == {
        "status": "ok",
        "message": "Say that you connect them.",
        "result": {"reason": (body or {}).get("reason", "")},
    }
    assert session.finished == [EndReason.TRANSFERRED]
    assert session.said == [CONNECTING]


def events(text: str) -> list[dict[str, Any]]:
    lines = [line for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


async def test_a_call_is_followed_to_its_end(home: House) -> None:
    await home.carry()
    home.board.publish(CallId("c-1"), "state", state="in_progress", at=1.0)
    reading, reads = home.services.calls.get, list[CallId]()

    async def counted(call_id: CallId) -> Any:  # noqa: ANN401
        reads.append(call_id)
        return await reading(call_id)

    home.services.calls.get = counted  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        following = group.create_task(home.get("/calls/c-1/events"))
        await until(lambda: len(reads) == 2)  # the second one after a heartbeat
        home.board.publish(CallId("c-1"), "said", role="caller", text="a\nb", at=2.0)
        home.board.publish(CallId("c-1"), "end", state="completed", reason="x", at=3.0)
    answer = following.result()

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [event["type"] for event in events(answer.text)] == ["state", "said", "end"]
    assert ": alive\n\n" in answer.text
    assert "id: 2\nevent: said\n" in answer.text


async def test_what_was_seen_is_left_out(home: House) -> None:
    await home.carry()
    for kind in ("state", "said", "end"):
        home.board.publish(CallId("c-1"), kind, at=1.0)
    await home.over()
    headers = {"Last-Event-ID": "2"}
    after = await home.client.get("/api/calls/c-1/events", headers=headers)
    strange = await home.client.get("/api/calls/c-1/events", headers={"Last-Event-ID": "x"})

    assert [event["id"] for event in events(after.text)] == [3]
    assert [event["id"] for event in events(strange.text)] == [1, 2, 3]


async def test_a_call_that_was_over_long_ago_has_only_its_end(home: House) -> None:
    await home.carry()
    await home.over()
    answer = await home.get("/calls/c-1/events")

    (end,) = events(answer.text)
    assert (end["type"], end["state"], end["reason"]) == ("end", "completed", "caller_hung_up")


async def test_the_end_of_a_call_that_another_process_carries_is_seen(home: House) -> None:
    await home.carry()
    reading = home.services.calls.get
    reads = 0

    async def late(call_id: CallId) -> Any:  # noqa: ANN401
        nonlocal reads
        reads += 1
        if reads == 2:
            raise StoreError("away")
        if reads == 3:
            await home.over()
        return await reading(call_id)

    home.services.calls.get = late  # type: ignore[method-assign]
    answer = await home.get("/calls/c-1/events")

    assert [event["state"] for event in events(answer.text)] == [CallState.COMPLETED]


async def test_few_may_look_on_at_once(home: House) -> None:
    await home.carry()
    home.board.publish(CallId("c-1"), "state", state="in_progress", at=1.0)
    async with asyncio.TaskGroup() as group:
        for _ in range(MAX_STREAMS):
            group.create_task(home.get("/calls/c-1/events"))
        await until(lambda: len(home.board._histories[CallId("c-1")].subscribers) == MAX_STREAMS)
        problem(await home.get("/calls/c-1/events"), 429, "too-many-streams")
        home.board.publish(CallId("c-1"), "end", state="completed", reason="x", at=3.0)
    again = await home.get("/calls/c-1/events")

    assert [event["type"] for event in events(again.text)] == ["state", "end"]
