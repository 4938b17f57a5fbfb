"""To place a call, and to look calls up."""

from datetime import timedelta
from typing import Any

import pytest

from unit.store.kit import PHONE
from unit.web.kit import House, problem

TO = "+919999900000"


async def test_a_call_is_accepted(home: House) -> None:
    answer = await home.post(
        "/calls",
        {
            "to": TO,
            "provider": "exotel",
            "agent": "FWAI_Hindi",
            "context": {"name": "Asha", "age": 31, "fee": 1.5, "member": True},
            "webhook_url": "https://n8n.example.com/x",
            "not_before": "2026-11-24T15:00:00+05:30",
        },
    )

    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/calls/{body['call_id']}"
    assert body == {
        "call_id": body["call_id"],
        "status": "scheduled",
        "provider": "exotel",
        "due_at": "2026-11-24T09:30:00.000Z",
    }
    (order,) = home.placed
    assert order.context == {"name": "Asha", "age": "31", "fee": "1.5", "member": "true"}
    assert (await home.get(f"/calls/{body['call_id']}")).json()["agent"] == "FWAI_Hindi"


async def test_only_a_number_is_needed(home: House) -> None:
    answer = await home.post("/calls", {"to": TO})

    assert answer.json()["status"] == "queued"
    assert answer.json()["provider"] == "plivo"
    assert answer.json()["due_at"] == "2026-11-24T04:00:00.000Z"


async def test_at_night_a_call_is_scheduled_and_says_for_when(home: House) -> None:
    home.clock.move(timedelta(hours=12).total_seconds())
    answer = await home.post("/calls", {"to": TO})

    assert answer.json()["status"] == "scheduled"
    assert answer.json()["due_at"] == "2026-11-25T03:30:00.000Z"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": "99999"}, "to"),
        ({"to": 919999900000}, "to"),
        ({"to": None}, "to"),
        ({"to": "+9" * 40}, "to"),
        ({"provider": "nobody"}, "provider"),
        ({"agent": "nobody"}, "agent"),
        ({"agent": ["FWAI_Core"]}, "agent"),
        ({"context": {str(n): "x" for n in range(41)}}, "context"),
        ({"context": {"n": "x" * 2001}}, "context"),
        ({"context": []}, "context"),
        ({"context": {"n": {}}}, "context.n"),
        ({"webhook_url": "https://evil.example/"}, "webhook_url"),
        ({"not_before": "tomorrow"}, "not_before"),
        ({"not_before": "2026-11-24T15:00:00"}, "not_before"),
        ({"not_before": "0001-01-01T00:00:00+14:00"}, "not_before"),
        ({"not_before": "9999-12-31T23:59:59-14:00"}, "not_before"),
        ({"not_before": "2100-01-01T00:00:00Z"}, "not_before"),
        ({"not_before": 1_800_000_000}, "not_before"),
        ({"call_id": "chosen"}, "call_id"),
    ],
)
async def test_what_cannot_be_right_is_named(
    home: House, change: dict[str, Any], field: str
) -> None:
    problem(await home.post("/calls", {"to": TO} | change), 422, "invalid", field)
    assert (await home.get("/calls")).json()["calls"] == []


@pytest.mark.parametrize("raw", ["Infinity", "-Infinity", "NaN", "1e999"])
async def test_a_number_that_is_none_is_refused(home: House, raw: str) -> None:
    content = f'{{"to": "{TO}", "context": {{"n": {raw}}}}}'.encode()
    headers = {"Content-Type": "application/json"}
    answer = await home.client.post("/api/calls", content=content, headers=headers)

    problem(answer, 422, "invalid", "context.n")


async def test_who_must_not_be_called_is_not(home: House) -> None:
    await home.services.contacts.set_do_not_call(TO, True, "asked")

    problem(await home.post("/calls", {"to": TO}), 403, "do-not-call")


async def test_one_call_is_shown_with_its_story(home: House) -> None:
    session = await home.carry("c-1")
    log = home.kept.calls.log(session.call)
    log.caller_said("Hello", 1_795_492_801.0, 1)
    await home.over("c-1")
    shown = (await home.get("/calls/c-1")).json()

    assert shown["transcript"] == [
        {"role": "caller", "text": "Hello", "at": "2026-11-24T04:00:01.000Z"}
    ]
    assert (shown["from"], shown["status"], shown["tools"]) == (PHONE, "completed", [])


@pytest.mark.parametrize("rest", ["", "/transcript", "/recording", "/events"])
async def test_an_unknown_call_is_not_found(home: House, rest: str) -> None:
    for call_id in ("c-9", "..", "%2e%2e", "a%2Fb", "%00", "x" * 65, "c 1", "-a"):
        problem(await home.client.get(f"/api/calls/{call_id}{rest}"), 404, "not-found")


async def three(home: House) -> None:
    for number in range(3):
        await home.carry(f"c-{number}", f"+91999990000{number}")
    await home.over("c-0")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, {"c-0", "c-1", "c-2"}),
        ({"status": "completed"}, {"c-0"}),
        ({"status": ["completed", "in_progress"]}, {"c-0", "c-1", "c-2"}),
        ({"provider": "exotel"}, set()),
        ({"phone": "+919999900002"}, {"c-2"}),
        ({"phone": " 919999900002"}, {"c-2"}),
        ({"direction": "outbound"}, set()),
        ({"from": "2026-11-24", "to": "2026-11-24"}, {"c-0", "c-1", "c-2"}),
        ({"from": "2026-11-25"}, set()),
        ({"to": "2026-11-23"}, set()),
        ({"from": "2026-11-24T09:30:00+05:30"}, {"c-0", "c-1", "c-2"}),
        ({"to": "2026-11-24T09:30:00 05:30"}, set()),
    ],
)
async def test_calls_are_found(home: House, asked: dict[str, Any], found: set[str]) -> None:
    await three(home)
    answer = await home.get("/calls", **asked)

    assert {call["call_id"] for call in answer.json()["calls"]} == found


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"status": "over"}, "status.0"),
        ({"provider": "\x00"}, "provider"),
        ({"phone": "12"}, "phone"),
        ({"phone": "\x00"}, "phone"),
        ({"direction": "up"}, "direction"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-24T09:30:00"}, "from"),
        ({"to": "0001-01-01"}, "to"),
        ({"to": "9999-12-31"}, "to"),
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"cursor": "x"}, "cursor"),
    ],
)
async def test_a_filter_that_cannot_be_right_is_named(
    home: House, asked: dict[str, Any], field: str
) -> None:
    problem(await home.get("/calls", **asked), 422, "invalid", field)


async def test_pages_show_every_call_once(home: House) -> None:
    await three(home)
    seen, cursors = list[str](), [""]
    for _ in range(3):
        page = (await home.get("/calls", limit=1, cursor=cursors[-1])).json()
        seen += [call["call_id"] for call in page["calls"]]
        cursors.append(page["next_cursor"])

    assert seen == ["c-2", "c-1", "c-0"]
    assert cursors[-1] is None


async def test_everything_that_is_wrong_with_a_call_is_told_at_once(home: House) -> None:
    answer = await home.post(
        "/calls",
        {
            "to": "+447911123456",
            "agent": "nobody",
            "provider": "pigeon",
            "context": {"x" * 65: "y"},
            "webhook_url": "https://elsewhere.example.org/hook",
            "not_before": "2036-01-01T00:00:00Z",
        },
    )
    problem(answer, 422, "invalid", "provider")
    named = [one["field"] for one in answer.json()["errors"]]
    assert named == ["provider", "agent", "context", "webhook_url", "to", "not_before"]
    assert (await home.get("/calls")).json()["calls"] == []
