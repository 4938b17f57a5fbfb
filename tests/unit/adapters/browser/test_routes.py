"""The page, and calls from it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contract.webrtc.lab import Phone
from fwai.adapters.browser.page_files import PageFiles
from fwai.adapters.browser.routes import MAX_BODY_BYTES
from fwai.domain.call import CallId, CallState
from fwai.http.problem import ProblemError
from fwai.http.sse import MAX_STREAMS
from polling import until
from unit.adapters.browser.kit import KEY, Calls, Desk, desk

CALLS = "/console/talk/calls"


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    phone = Phone()
    yield phone
    await phone.close()


async def begin(house: Desk, phone: Phone) -> str:
    answer = await house.client.post(CALLS, json={"sdp": await phone.offer()})
    assert answer.status_code == 201
    body: dict[str, Any] = answer.json()
    await phone.accept(body["sdp"])
    return str(body["call_id"])


async def test_the_page_brings_everything_itself_and_nothing_inline() -> None:
    async with desk() as house, house.stranger() as far:
        shut = await far.get("/console/talk")
    async with desk(keys=("0123456789abcdef0123",)) as house, house.stranger() as far:
        page = await far.get("/console/talk")
        names = re.findall(r'(?:src|href)="talk/(page/[^"]+)"', page.text)
        files = [await far.get(f"/console/talk/{name}") for name in names]
        missing = await far.get("/console/talk/page/..%2froutes.py")

    assert (shut.status_code, shut.json()["status"]) == (403, 403), "nothing there could open it"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert len(names) == 3
    assert [file.status_code for file in files] == [200] * 3
    assert missing.status_code == 404
    for text in (page.text, *(file.text for file in files[1:])):
        assert not re.search(r"https?://(?!localhost|www\.w3\.org)", text)
    assert not re.search(r"<script>|<style>| style=| on\w+=", page.text)


def test_a_file_of_unknown_kind_is_not_served() -> None:
    files = PageFiles()
    files._files["notes.txt"] = b"x"

    with pytest.raises(ProblemError) as refused:
        files.response("notes.txt")
    assert refused.value.status == 404


async def test_a_browser_calls_and_hangs_up(phone: Phone) -> None:
    async with desk() as house:
        call_id = await begin(house, phone)
        async with asyncio.timeout(5):
            await house.calls.carried.wait()
        gone = await house.client.delete(f"{CALLS}/{call_id}")

        (offer,) = house.calls.offers
        assert (offer.provider, offer.caller, offer.line) == ("browser", "", "")
        assert gone.status_code == 204
        assert house.calls.endings == [
            ("browser", offer.provider_call_id, CallState.COMPLETED, "caller hung up")
        ]


async def test_a_browser_that_is_not_reached_ends_the_call() -> None:
    """It gets an answer and never comes."""
    stray = Phone()
    async with desk(connect_s=0.3) as house:
        await house.client.post(CALLS, json={"sdp": await stray.offer()})
        async with asyncio.timeout(5):
            await house.calls.over.wait()

        ((_, _, state, cause),) = house.calls.endings
        assert (state, cause) == (CallState.FAILED, "media not connected")
    await stray.close()


async def test_a_call_is_given_up_while_it_is_connecting() -> None:
    stray = Phone()
    async with desk(connect_s=30) as house:
        answer = await house.client.post(CALLS, json={"sdp": await stray.offer()})
        async with asyncio.timeout(5):
            gone = await house.client.delete(f"{CALLS}/{answer.json()['call_id']}")
        assert gone.status_code == 204
    await stray.close()


@pytest.mark.parametrize("calls", [Calls(busy=True), Calls(gone=True)])
async def test_all_lines_are_busy(phone: Phone, calls: Calls) -> None:
    async with desk(calls) as house:
        answer = await house.client.post(CALLS, json={"sdp": await phone.offer()})

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "10"
    assert answer.json()["type"] == "urn:fwai:problem:busy"


@pytest.mark.parametrize(
    ("body", "kind", "status", "field"),
    [
        (b'{"sdp": "v=0"}', "text/plain", 415, "Content-Type"),
        (b'{"sdp": "v=0"}', "application/x-www-form-urlencoded", 415, "Content-Type"),
        (b"{", "application/json", 400, None),
        (b"\xff", "application/json", 400, None),
        (b"[" * 20_000, "application/json", 400, None),
        (b"[]", "application/json", 422, "sdp"),
        (b"{}", "application/json", 422, "sdp"),
        (b'{"sdp": 7}', "application/json", 422, "sdp"),
        (b'{"sdp": ""}', "application/json; charset=utf-8", 422, "sdp"),
        (b'{"sdp": "garbage"}', "application/json", 422, "sdp"),
        (b'{"sdp": "v=0", "agent": "nobody"}', "application/json", 422, "agent"),
        (b'{"sdp": "v=0", "agent": "Asha"}', "application/json", 422, "agent"),
        (b'{"sdp": "v=0", "agent": 0}', "application/json", 422, "agent"),
        (b'{"sdp": "v=0", "agent": false}', "application/json", 422, "agent"),
        (b'{"sdp": "v=0", "agent": ["core"]}', "application/json", 422, "agent"),
        (b'{"sdp": "v=0", "agent": {"id": "core"}}', "application/json", 422, "agent"),
        (b" " * (MAX_BODY_BYTES + 1), "application/json", 413, None),
    ],
)
async def test_what_is_no_offer(body: bytes, kind: str, status: int, field: str | None) -> None:
    async with desk() as house:
        answer = await house.client.post(CALLS, content=body, headers={"Content-Type": kind})

    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["field"]) == (status, status, field)
    assert answer.headers["content-type"] == "application/problem+json"
    assert house.calls.offers == []


@pytest.mark.parametrize(
    ("chosen", "offered"),
    [({}, ""), ({"agent": ""}, ""), ({"agent": None}, ""), ({"agent": "desk"}, "desk")],
)
async def test_a_caller_may_choose_who_speaks(
    phone: Phone, chosen: dict[str, object], offered: str
) -> None:
    async with desk() as house:
        answer = await house.client.post(CALLS, json={"sdp": await phone.offer(), **chosen})

        assert answer.status_code == 201
        assert [offer.agent for offer in house.calls.offers] == [offered]


@pytest.mark.parametrize("scripted", [False, True])
async def test_callers_learn_whom_they_may_choose_and_whether_it_is_a_script(
    scripted: bool,
) -> None:
    async with desk(scripted=scripted) as house:
        told = await house.client.get("/console/talk/agents")

    assert told.json() == {
        "agents": [
            {"id": "core", "name": "Asha", "description": "Answers."},
            {"id": "desk", "name": "Ravi", "description": ""},
        ],
        "scripted": scripted,
    }


async def test_a_stranger_does_not_learn_who_is_there() -> None:
    async with desk() as house, house.stranger() as far:
        assert (await far.get("/console/talk/agents")).status_code == 403
    async with desk(keys=(KEY,)) as house, house.stranger() as far:
        assert (await far.get("/console/talk/agents")).status_code == 401


async def test_a_stranger_begins_nothing(phone: Phone) -> None:
    async with desk(keys=(KEY,)) as house, house.stranger() as far:
        answer = await far.post(CALLS, json={"sdp": await phone.offer()})

        assert answer.status_code == 401
        assert house.calls.offers == []


async def test_events_are_streamed_to_the_end(phone: Phone) -> None:
    async with desk(heartbeat_s=0.02) as house:
        call_id = await begin(house, phone)
        events = f"{CALLS}/{call_id}/events"

        async def talk() -> None:
            house.board.publish(CallId(call_id), "said", text="नमस्ते\nthere")
            await asyncio.sleep(0.1)
            house.board.publish(CallId(call_id), "end", reason="caller_hung_up")

        async with asyncio.timeout(5):
            stream, _ = await asyncio.gather(house.client.get(events), talk())
        again = await house.client.get(events, headers={"Last-Event-ID": "1"})

    assert stream.headers["content-type"].startswith("text/event-stream")
    assert ": alive\n\n" in stream.text
    said = re.findall(r"id: (\d+)\nevent: (\w+)\ndata: (.*)\n\n", stream.text)
    assert [(number, kind) for number, kind, _ in said] == [("1", "said"), ("2", "end")]
    assert json.loads(said[0][2])["text"] == "नमस्ते\nthere"
    assert "event: said" not in again.text
    assert "event: end" in again.text


async def test_a_call_belongs_to_who_began_it(phone: Phone) -> None:
    async with desk(keys=(KEY,)) as house, house.stranger(**{"X-API-Key": KEY}) as far:
        call_id = await begin(house, phone)
        answers = [
            await far.get(f"{CALLS}/{call_id}/events"),
            await far.delete(f"{CALLS}/{call_id}"),
            await house.client.delete(f"{CALLS}/another"),
        ]

        assert [answer.status_code for answer in answers] == [404] * 3
        assert house.calls.endings == []


def _subscribers(house: Desk, call_id: str) -> int:
    history = house.board._histories.get(CallId(call_id))
    return len(history.subscribers) if history is not None else 0


async def test_streams_of_one_call_are_limited(phone: Phone) -> None:
    async with desk() as house:
        call_id = await begin(house, phone)
        events = f"{CALLS}/{call_id}/events"
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            open_ones = [tasks.create_task(house.client.get(events)) for _ in range(MAX_STREAMS)]
            await until(lambda: _subscribers(house, call_id) == MAX_STREAMS)
            refused = await house.client.get(events)
            house.board.publish(CallId(call_id), "end")

    assert refused.status_code == 429
    assert [task.result().status_code for task in open_ones] == [200] * MAX_STREAMS
