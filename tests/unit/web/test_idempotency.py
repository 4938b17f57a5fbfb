"""The same key is the same request."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from fwai.domain.idempotency import Claim
from fwai.domain.outbound import CallRequest
from fwai.errors import StoreError
from fwai.store.idempotency_keys import KEPT
from fwai.web import idempotency
from unit.web.kit import KEY, House, house, problem

BODY = {"to": "+919999900000", "context": {"name": "Asha"}}


class Gate:
    """Requests that wait at a gate before they are kept, or fail there."""

    def __init__(self, home: House) -> None:
        self.open = asyncio.Event()
        self.reached = asyncio.Event()
        self.place = home.services.place
        self.fail: Exception | None = None

    async def __call__(self, request: CallRequest) -> Any:  # noqa: ANN401
        self.reached.set()
        await self.open.wait()
        if self.fail is not None:
            raise self.fail
        return await self.place(request)


class Forgetful:
    """Requests whose answers cannot be kept."""

    def __init__(self, home: House) -> None:
        self._requests = home.services.requests

    async def claim(self, scope: str, key: str, fingerprint: str) -> Any:  # noqa: ANN401
        return await self._requests.claim(scope, key, fingerprint)

    async def answer(self, *answer: Any) -> bool:  # noqa: ANN401
        raise StoreError("disk full")


def change(home: House, **services: Any) -> None:  # noqa: ANN401
    """Replace services of a house that is open."""
    for name, service in services.items():
        object.__setattr__(home.services, name, service)


async def calls(home: House) -> list[str]:
    return [call["call_id"] for call in (await home.get("/calls")).json()["calls"]]


async def claim(home: House) -> Claim:
    """Return what a process that died left: the claim of a request like BODY's."""
    held: list[tuple[str, str, str]] = []
    given = home.services.requests.claim

    async def died(*asked: str) -> Claim:
        held.append(asked)  # type: ignore[arg-type]
        await given(*asked)
        raise StoreError("killed")

    change_claim(home, died)
    problem(await home.post("/calls", BODY, key="k"), 503, "store-failed")
    change_claim(home, given)
    return await given(*held[0])


def change_claim(home: House, claim: Any) -> None:  # noqa: ANN401
    home.services.requests.claim = claim  # type: ignore[method-assign]


async def test_the_same_key_has_the_same_answer(home: House) -> None:
    first = await home.post("/calls", BODY, key="k")
    home.clock.move(3600)
    again = await home.post("/calls", dict(reversed(BODY.items())), key="k")

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.text == first.text
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert await calls(home) == [first.json()["call_id"]]


async def test_a_day_later_the_key_is_new(home: House) -> None:
    first = await home.post("/calls", BODY, key="k")
    home.clock.move(KEPT.total_seconds())
    later = await home.post("/calls", BODY, key="k")

    assert later.json()["call_id"] != first.json()["call_id"]


async def test_a_key_for_another_body_is_refused(home: House) -> None:
    await home.post("/calls", BODY, key="k")
    other = await home.post("/calls", {"to": "+919999900001"}, key="k")

    problem(other, 422, "idempotency-key-reused", "Idempotency-Key")
    assert len(await calls(home)) == 1


async def test_keys_of_routes_and_of_clients_are_different_keys(tmp_path: Path) -> None:
    other = KEY + "-2"
    async with house(tmp_path, keys=(KEY, other)) as home:
        for key in (KEY, other):
            home.client.headers["X-API-Key"] = key
            assert (await home.post("/calls", BODY, key="k")).status_code == 202
            promise = {"to": "+919999900000", "when": "tomorrow 5 pm"}
            assert (await home.post("/callbacks", promise, key="k")).status_code == 201
        assert len(await calls(home)) == 2


async def test_a_refusal_is_an_answer_too(home: House) -> None:
    first = await home.post("/calls", {"to": "12"}, key="k")
    again = await home.post("/calls", {"to": "12"}, key="k")

    assert problem(first, 422, "invalid", "to") == problem(again, 422, "invalid", "to")
    assert len(home.placed) == 1


@pytest.mark.parametrize("key", ["k" * 256, "\x7f", "schlüssel", " "])
async def test_a_key_that_cannot_be_kept_is_refused(home: House, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1"))]
    answer = await home.client.post("/api/calls", json=BODY, headers=headers)

    if key == " ":
        assert answer.status_code == 202
    else:
        problem(answer, 422, "invalid", "Idempotency-Key")


async def test_of_two_at_once_the_second_gets_the_first_one_s_answer(home: House) -> None:
    gate = Gate(home)
    change(home, place=gate)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(home.post("/calls", BODY, key="k")) for _ in range(5)]
        await gate.reached.wait()
        gate.open.set()
    answers = [task.result() for task in asked]

    assert {answer.text for answer in answers} == {answers[0].text}
    assert {answer.status_code for answer in answers} == {202}
    assert len(await calls(home)) == 1


async def test_one_that_takes_too_long_is_in_progress(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "WAIT_S", 0.0)
    gate = Gate(home)
    change(home, place=gate)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(home.post("/calls", BODY, key="k"))
        await gate.reached.wait()
        second: httpx.Response = await home.post("/calls", BODY, key="k")
        gate.open.set()

    problem(second, 409, "in-progress")
    assert second.headers["retry-after"] == "5"
    assert first.result().status_code == 202


async def test_one_of_another_process_is_in_progress_for_a_minute(home: House) -> None:
    left = await claim(home)
    home.clock.move(59)
    waiting = await home.post("/calls", BODY, key="k")
    home.clock.move(1)
    done = await home.post("/calls", BODY, key="k")
    again = await home.post("/calls", BODY, key="k")

    problem(waiting, 409, "in-progress")
    assert done.status_code == 202
    assert again.text == done.text
    assert left.status is None
    assert len(await calls(home)) == 1


async def test_what_was_done_before_a_crash_is_not_done_again(home: House) -> None:
    """The call was placed and dialled, its answer never kept."""
    change(home, requests=home.services.requests)
    kept = home.services.requests.answer
    home.services.requests.answer = Forgetful(home).answer  # type: ignore[assignment, method-assign]
    with capture_logs() as logs:
        first = await home.post("/calls", BODY, key="k")
    home.services.requests.answer = kept  # type: ignore[method-assign]
    hung_up = await home.post(f"/calls/{first.json()['call_id']}/hangup")
    again = await home.post("/calls", BODY, key="k")

    assert [log["event"] for log in logs] == ["idempotent_answer_not_kept"]
    assert (first.status_code, hung_up.status_code, again.status_code) == (202, 202, 202)
    assert again.json()["call_id"] == first.json()["call_id"]
    assert again.json()["status"] == "canceled"
    assert len(await calls(home)) == 1


async def test_a_call_s_id_is_made_of_the_use_of_the_key(home: House) -> None:
    """Whoever works on the claim later makes the same id, and its day."""
    await claim(home)
    home.clock.move(60)
    done = await home.post("/calls", BODY, key="k")

    assert done.json()["call_id"].startswith("20261124-")
    assert len(done.json()["call_id"]) == 25


async def test_what_failed_for_a_while_is_tried_again_at_once(home: House) -> None:
    gate = Gate(home)
    gate.open.set()
    gate.fail = StoreError("disk full")
    change(home, place=gate)
    failed = await home.post("/calls", BODY, key="k")
    gate.fail = RuntimeError("?")
    broken = await home.post("/calls", BODY, key="k")
    gate.fail = None
    done = await home.post("/calls", BODY, key="k")

    problem(failed, 503, "store-failed")
    problem(broken, 500, "internal")
    assert done.status_code == 202


async def test_what_was_given_up_is_not_remembered_without_end(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "MAX_GIVEN_UP", 1)
    keys = idempotency.Idempotency(home.services.requests, home.clock)
    for name in ("a", "b", "c"):
        keys._give_up(name)

    assert list(keys._given_up) == ["c"]
