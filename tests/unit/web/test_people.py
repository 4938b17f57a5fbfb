"""Callbacks, demos, agents and contacts."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fwai.domain.booking import NewBooking
from fwai.domain.call import CallId
from fwai.domain.contact import MemoryEntry
from fwai.domain.job import SEND_EMAIL, SEND_SMS, Done, NewJob
from fwai.store.bookings import Bookings
from fwai.store.jobs import Jobs
from fwai.tools.booking_messages import BookingMessages
from unit.store.kit import KOLKATA, NOW, OTHER_PHONE, PHONE
from unit.web.kit import AGENTS, House, problem

PROMISE = {"to": PHONE, "when": "tomorrow 5 pm", "note": "about the fees"}


async def book(home: House, key: str = "b", hours: int = 24, phone: str = PHONE) -> str:
    starts_at = NOW + timedelta(hours=hours)
    new = NewBooking(key, phone, "Asha", "Hindi", starts_at, 30, "a@example.com")
    booked = await home.services.bookings.book(new, 9)  # type: ignore[attr-defined]
    return str(booked.id)


# ---- callbacks ----------------------------------------------------------------------------------


async def test_a_callback_is_promised(home: House) -> None:
    answer = await home.post("/callbacks", PROMISE)
    shown = answer.json()

    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/callbacks/{shown['callback_id']}"
    assert shown == {
        "callback_id": shown["callback_id"],
        "to": PHONE,
        "when": "2026-11-25T11:30:00.000Z",
        "note": "about the fees",
        "status": "scheduled",
        "agent": "FWAI_Core",
        "provider": None,
        "attempts": 0,
        "source_call_id": None,
        "last_call_id": None,
        "created_at": "2026-11-24T04:00:00.000Z",
    }
    one = await home.get(f"/callbacks/{shown['callback_id']}")
    assert one.json() == shown


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": "12"}, "to"),
        ({"when": "soonish"}, "when"),
        ({"when": "2026-11-20T10:00:00+05:30"}, "when"),
        ({"when": "0001-01-01T00:00:00+14:00"}, "when"),
        ({"when": "x" * 201}, "when"),
        ({"when": ""}, "when"),
        ({"note": "x" * 501}, "note"),
        ({"agent": "nobody"}, "agent"),
        ({"provider": "nobody"}, "provider"),
        ({"wen": "now"}, "wen"),
    ],
)
async def test_a_promise_that_cannot_be_kept_is_refused(
    home: House, change: dict[str, Any], field: str
) -> None:
    problem(await home.post("/callbacks", PROMISE | change), 422, "invalid", field)
    assert (await home.get("/callbacks")).json()["callbacks"] == []


async def test_at_night_nobody_is_promised_a_call(home: House) -> None:
    answer = await home.post("/callbacks", PROMISE | {"when": "tomorrow 10 pm"})
    detail = problem(answer, 422, "invalid", "when")

    assert "09:00-21:00" in detail
    assert "2026-11-26T09:00:00+05:30" in detail


async def test_nobody_is_promised_a_call_they_forbade(home: House) -> None:
    await home.services.contacts.set_do_not_call(PHONE, True, "asked")

    problem(await home.post("/callbacks", PROMISE), 403, "do-not-call")


async def test_a_promise_with_a_key_is_made_once(home: House) -> None:
    first = await home.post("/callbacks", PROMISE, key="k")
    again = await home.post("/callbacks", PROMISE, key="k")
    free = await home.post("/callbacks", PROMISE)

    assert (again.text, again.headers["location"]) == (first.text, first.headers["location"])
    assert free.json()["callback_id"] != first.json()["callback_id"]


async def test_a_callback_is_taken_back_once(home: House) -> None:
    path = (await home.post("/callbacks", PROMISE)).headers["location"]
    taken_back = await home.client.delete(path)

    assert (taken_back.status_code, taken_back.json()["status"]) == (200, "canceled")
    assert "canceled" in problem(await home.client.delete(path), 409, "over")
    problem(await home.client.delete("/api/callbacks/cb_0"), 404, "not-found")
    problem(await home.client.get("/api/callbacks/%2e%2e"), 404, "not-found")


async def test_callbacks_are_found(home: House) -> None:
    times = ("tomorrow 5 pm", "tomorrow 6 pm", "26 november 5 pm")
    promised = [await home.post("/callbacks", PROMISE | {"when": when}) for when in times]
    ids = [answer.json()["callback_id"] for answer in promised]
    await home.client.delete(f"/api/callbacks/{ids[0]}")

    async def found(**asked: Any) -> list[str]:  # noqa: ANN401
        answer = await home.get("/callbacks", **asked)
        return [one["callback_id"] for one in answer.json()["callbacks"]]

    assert await found() == ids
    assert await found(status="scheduled") == ids[1:]
    assert await found(due_before="2026-11-25") == ids[:2]
    assert await found(due_before="2026-11-25T18:00:00+05:30") == ids[:1]
    assert await found(phone=OTHER_PHONE) == []
    page = (await home.get("/callbacks", limit=2)).json()
    assert await found(cursor=page["next_cursor"]) == ids[2:]


# ---- demos --------------------------------------------------------------------------------------


async def test_demos_are_found_and_canceled(home: House) -> None:
    first, second = await book(home), await book(home, "c", 48, OTHER_PHONE)

    async def found(**asked: Any) -> list[str]:  # noqa: ANN401
        answer = await home.get("/bookings", **asked)
        return [one["booking_id"] for one in answer.json()["bookings"]]

    assert await found() == [first, second]
    assert await found(phone=PHONE) == [first]
    assert await found(**{"from": "2026-11-26"}) == [second]
    assert await found(to="2026-11-25") == [first]
    page = (await home.get("/bookings", limit=1)).json()
    assert await found(cursor=page["next_cursor"]) == [second]
    canceled = await home.client.delete(f"/api/bookings/{first}")
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    assert (await home.get(f"/bookings/{first}")).json() == canceled.json()
    problem(await home.client.delete(f"/api/bookings/{first}"), 409, "over")
    problem(await home.client.delete("/api/bookings/bk_0"), 404, "not-found")
    problem(await home.get("/bookings/a%20b"), 404, "not-found")


async def test_a_demo_that_is_canceled_takes_its_letters_back(home: House) -> None:
    def nobody_is_told(kind: str, key: str, data: object, call: object) -> list[NewJob]:
        return []

    messages = BookingMessages(nobody_is_told, KOLKATA, "Acme", (SEND_EMAIL, SEND_SMS))
    store: Bookings = home.services.bookings  # type: ignore[assignment]
    jobs: Jobs = home.services.jobs  # type: ignore[assignment]
    store.notices = messages
    starts_at = NOW + timedelta(days=1)
    new = NewBooking("b", PHONE, "Asha", "Hindi", starts_at, 30, "a@example.com")
    booked = await store.book(new, 9, lambda one: messages.jobs(one, None))
    assert booked is not None
    (mail,) = await jobs.lease(9, [SEND_EMAIL])
    await jobs.settle(mail, Done())

    await home.client.delete(f"/api/bookings/{booked.id}")

    assert await jobs.lease(9, [SEND_SMS]) == []
    (off,) = await jobs.lease(9, [SEND_EMAIL])
    assert (off.payload["to"], off.payload["template"]) == ("a@example.com", "demo_canceled")


# ---- agents -------------------------------------------------------------------------------------


async def test_agents_are_listed_without_their_prompts(home: House) -> None:
    answer = await home.get("/agents")
    agents = answer.json()["agents"]

    assert [(agent["id"], agent["default"]) for agent in agents] == [
        ("FWAI_Core", True),
        ("FWAI_Hindi", False),
    ]
    assert agents[0]["tools"] == ["note"]
    assert AGENTS["FWAI_Core"].prompt not in answer.text


# ---- contacts -----------------------------------------------------------------------------------


async def test_a_person_is_shown_with_all_that_is_known(home: House) -> None:
    await home.carry()
    await home.over()
    entry = MemoryEntry(NOW, "c-1", "FWAI_Core", "Wants a demo.")
    await home.services.contacts.remember(PHONE, entry)  # type: ignore[attr-defined]
    callback = (await home.post("/callbacks", PROMISE)).json()
    booking = await book(home)
    shown = (await home.get("/contacts/919999900001")).json()

    assert (shown["phone"], shown["do_not_call"]) == (PHONE, False)
    assert [one["text"] for one in shown["memory"]] == ["Wants a demo."]
    assert shown["callbacks"] == [callback]
    assert [one["booking_id"] for one in shown["bookings"]] == [booking]
    assert [one["call_id"] for one in shown["calls"]] == ["c-1"]


async def test_of_somebody_unknown_there_is_nothing(home: House) -> None:
    shown = (await home.get(f"/contacts/{OTHER_PHONE}")).json()

    assert [shown[name] for name in ("memory", "callbacks", "bookings", "calls")] == [[]] * 4


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_what_is_no_number_is_refused(home: House, method: str) -> None:
    body = {"do_not_call": True} if method == "PUT" else None
    for phone in ("12", "nobody", "%00", "9" * 50):
        answer = await home.client.request(method, f"/api/contacts/{phone}", json=body)

        problem(answer, 422, "invalid", "phone")


async def test_calls_to_a_person_are_forbidden_and_permitted(home: House) -> None:
    path = f"/api/contacts/{PHONE}"
    forbidden = await home.client.put(path, json={"do_not_call": True, "reason": "asked"})
    again = await home.client.put(path, json={"do_not_call": True})
    refused = await home.post("/calls", {"to": PHONE})
    permitted = await home.client.put(path, json={"do_not_call": False})
    accepted = await home.post("/calls", {"to": PHONE})

    assert forbidden.json() == {"phone": PHONE, "do_not_call": True, "reason": "asked"}
    assert again.json() == forbidden.json(), "a reason that is not named stays"
    assert permitted.json() == {"phone": PHONE, "do_not_call": False, "reason": ""}
    assert (refused.status_code, accepted.status_code) == (403, 202)
    problem(await home.client.put(path, json={}), 422, "invalid", "do_not_call")


async def test_who_must_not_be_called_is_listed(home: House) -> None:
    for phone in (PHONE, OTHER_PHONE):
        await home.services.contacts.set_do_not_call(phone, True, "asked")
    first = (await home.get("/do-not-call", limit=1)).json()
    second = (await home.get("/do-not-call", limit=1, cursor=first["next_cursor"])).json()

    assert [page["contacts"][0]["phone"] for page in (first, second)] == [PHONE, OTHER_PHONE]
    assert second["next_cursor"] is None
    problem(await home.get("/do-not-call", cursor="WzFd"), 422, "invalid", "cursor")


async def test_everything_that_is_wrong_with_a_promise_is_told_at_once(home: House) -> None:
    wrong = {"to": "+447911123456", "when": "yesterday", "agent": "nobody", "provider": "pigeon"}
    answer = await home.post("/callbacks", wrong)
    problem(answer, 422, "invalid", "to")
    assert "+91" in answer.json()["detail"], "it could not be dialled when it is due"
    named = [one["field"] for one in answer.json()["errors"]]
    assert named == ["to", "agent", "provider", "when"]
    assert (await home.get("/callbacks")).json()["callbacks"] == []


async def test_a_person_is_erased(home: House) -> None:
    await home.carry()
    path = Path("c-1.wav")
    (home.kept.recordings / path).write_bytes(b"x")
    await home.kept.calls.set_recording(CallId("c-1"), path)
    await home.over()
    await home.post("/callbacks", PROMISE)
    await book(home)
    answer = await home.client.delete(f"/api/contacts/{PHONE}")

    assert answer.status_code == 200
    counts = answer.json()
    assert (counts["calls"], counts["callbacks"], counts["bookings"]) == (1, 1, 1)
    assert counts["files"] == 2
    assert [one["what"] for one in counts["left"]] == ["backups", "what providers and n8n keep"]
    assert not (home.kept.recordings / path).exists()
    assert (await home.get("/calls")).json()["calls"] == []


@pytest.mark.parametrize("live", [True, False])
async def test_while_a_call_is_not_over_nobody_is_erased(home: House, live: bool) -> None:
    if live:
        await home.carry()
    else:
        await home.post("/calls", {"to": PHONE})
    answer = await home.client.delete(f"/api/contacts/{PHONE}")

    problem(answer, 409, "call-live")
    (call,) = (await home.get("/calls")).json()["calls"]
    assert call["call_id"] in answer.json()["detail"]
    assert len((await home.get("/calls")).json()["calls"]) == 1


async def test_a_call_that_begins_while_erasing_is_told(home: House) -> None:
    erase = home.services.erase

    async def racing(phone: str) -> Any:  # noqa: ANN401
        await home.carry()
        return await erase(phone)

    object.__setattr__(home.services, "erase", racing)

    problem(await home.client.delete(f"/api/contacts/{PHONE}"), 409, "call-live")
