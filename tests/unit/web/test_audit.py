"""Which key did what."""

from pathlib import Path
from typing import Any

import pytest

from fwai.domain.api_key import ApiKey, Role
from fwai.domain.call import CallId
from fwai.http.access import Access
from unit.store.kit import PHONE
from unit.web.kit import House, house, problem
from unit.web.test_permissions import SECRETS, all_keys

ADMIN = {"X-API-Key": SECRETS[Role.ADMIN]}
OPERATOR = {"X-API-Key": SECRETS[Role.OPERATOR]}


async def listed(home: House) -> list[dict[str, Any]]:
    async with home.stranger(**ADMIN) as admin:
        answer = await admin.get("/api/audit")
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.json()["entries"]
    return entries


async def test_it_says_who_did_what_to_what_and_how_it_ended(tmp_path: Path) -> None:
    async with house(tmp_path, access=all_keys()) as home:
        await home.carry("c-1")
        async with home.stranger("198.51.100.7", **OPERATOR) as desk:
            await desk.post("/api/calls/c-1/hangup")
            await desk.post("/api/calls/c-1/say", json={"text": "secret words"})
            placed = await desk.post("/api/calls", json={"to": PHONE})
            await desk.post("/api/tools/note", json={"to": PHONE, "arguments": {"text": "x"}})
            await desk.put(f"/api/contacts/{PHONE}", json={"do_not_call": True})
            await desk.delete(f"/api/contacts/{PHONE}")
            await desk.get("/api/calls")
        entries = await listed(home)

    told = [(one["action"], one["object"], one["status"]) for one in reversed(entries)]
    assert told == [
        ("hang_up", "c-1", 202),
        ("say", "c-1", 202),
        ("place_call", placed.json()["call_id"], 202),
        ("run_tool", "note", 200),
        ("change_contact", "…0001", 200),
        ("erase_contact", "…0001", 403),
    ]
    who = {(one["key"], one["role"], one["address"]) for one in entries}
    assert who == {("the-operator", "operator", "198.51.100.7")}
    assert PHONE.lstrip("+") not in str(entries)
    assert "secret words" not in str(entries)


@pytest.mark.parametrize(
    ("method", "path", "shown"),
    [
        ("POST", "/api/calls/919999900000/hangup", "…0000"),  # a number where an id belongs
        ("POST", "/api/calls/+919999900000/hangup", "…0000"),
        ("POST", "/api/calls/12345/hangup", None),
        ("POST", "/api/calls/of-somebody-called-Asha/hangup", None),
        ("POST", f"/api/tools/{'x' * 5000}", None),
        ("DELETE", "/api/contacts/nobody-at-all", None),
        ("DELETE", "/api/contacts/%2B91%2099999%2000000", "…0000"),
        ("DELETE", "/api/contacts/919999900009.0", "…0009"),
        ("POST", "/api/events/replay", None),
    ],
)
async def test_nothing_that_a_client_made_up_gets_in(
    tmp_path: Path, method: str, path: str, shown: str | None
) -> None:
    async with house(tmp_path, access=all_keys()) as home:
        async with home.stranger(**ADMIN) as admin:
            await admin.request(method, path)
        (entry,) = await listed(home)

    assert entry["object"] == shown


async def test_strangers_are_in_no_list(tmp_path: Path) -> None:
    async with house(tmp_path, access=all_keys()) as home:
        async with home.stranger() as far:
            problem(await far.post("/api/calls"), 401, "key-needed", "Authorization")
        assert await listed(home) == []


async def test_who_needs_no_key_is_named_so_and_so_is_a_session(tmp_path: Path) -> None:
    key = ApiKey("front-desk", Role.OPERATOR, SECRETS[Role.OPERATOR])
    admin = ApiKey("boss", Role.ADMIN, SECRETS[Role.ADMIN])
    access = Access((key, admin), loopback=True, secure_cookies=False)
    async with house(tmp_path, access=access) as home:
        await home.post("/events/replay")
        async with home.stranger() as page:
            await page.post("/session", headers=OPERATOR)
            await page.post("/api/events/replay")
        entries = await listed(home)

    assert [(one["key"], one["role"]) for one in entries] == [
        ("front-desk", "operator"),
        ("loopback", "admin"),
    ]


async def test_it_is_paged(tmp_path: Path) -> None:
    async with house(tmp_path, access=all_keys()) as home:
        for number in range(5):
            await home.post(f"/calls/call-{number}/hangup")
        async with home.stranger(**ADMIN) as admin:
            seen, cursor = list[str](), None
            for _ in range(3):
                page = await admin.get(f"/api/audit?limit=2&cursor={cursor or ''}")
                seen += [one["id"] for one in page.json()["entries"]]
                cursor = page.json()["next_cursor"]
            wrong = await admin.get("/api/audit", params={"cursor": "x"})

    assert len(set(seen)) == 5
    assert cursor is None
    problem(wrong, 422, "invalid", "cursor")


async def test_an_erased_persons_digits_and_calls_go_from_it(tmp_path: Path) -> None:
    async with house(tmp_path, access=all_keys()) as home:
        await home.carry("c-1")
        await home.carry("c-2", caller="+919999900008")
        await home.post("/calls/c-1/hangup")
        await home.post("/calls/c-2/hangup")
        await home.client.put(f"/api/contacts/{PHONE}", json={"do_not_call": True})
        await home.client.put("/api/contacts/919999900008", json={"do_not_call": True})
        await home.over("c-1")
        assert CallId("c-2") in home.live.sessions

        erased = await home.client.delete(f"/api/contacts/{PHONE}")

        told = [(one["action"], one["object"]) for one in reversed(await listed(home))]
    assert erased.status_code == 200
    assert told == [
        ("hang_up", "erased"),
        ("hang_up", "c-2"),
        ("change_contact", "erased"),
        ("change_contact", "…0008"),
        ("erase_contact", "…0001"),  # who did it, after it was done
    ]
