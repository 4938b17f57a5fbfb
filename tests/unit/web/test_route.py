"""What every route does first and last."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fwai.domain.api_key import read_key
from fwai.errors import BusyError, StoreError
from fwai.http.access import COOKIE, Access
from fwai.web import route
from fwai.web.route import MAX_BODY_BYTES
from unit.store.kit import PHONE
from unit.web.kit import KEY, House, house, problem

TEXTS = [
    ("/calls", '{"to": "+919999900000", "context": {"note": "%s"}}'),
    ("/calls", '{"to": "+919999900000", "context": {"%s": "x"}}'),
    ("/calls", '{"to": "+919999900000", "webhook_url": "https://n8n.example.com/%s"}'),
    ("/calls", '{"to": "%s"}'),
    ("/calls", '{"to": "+919999900000", "%s": 1}'),
    ("/callbacks", '{"to": "+919999900000", "when": "tomorrow 5 pm", "note": "%s"}'),
    ("/tools/note", '{"to": "+919999900000", "arguments": {"text": "%s"}}'),
    ("/tools/note", '{"to": "+919999900000", "arguments": {"%s": "x"}}'),
]


class Broken:
    """A book in which nothing can be read."""

    def __init__(self, exc: Exception) -> None:
        self.exc = exc

    async def page(self, **asked: Any) -> Any:  # noqa: ANN401
        raise self.exc


def operations(home: House) -> list[tuple[str, str]]:
    paths = home.app.openapi()["paths"]
    return [(method, path) for path, methods in paths.items() for method in methods]


async def test_every_route_needs_a_key(tmp_path: Path) -> None:
    async with house(tmp_path, keys=(KEY,)) as home:
        asked = operations(home)
        for number, (method, path) in enumerate(asked):
            async with home.stranger(f"203.0.113.{number}") as far:  # wrong ones are slowed
                none = await far.request(method, path)
                wrong = await far.request(method, path, headers={"X-API-Key": KEY[:-1]})

            problem(none, 401, "key-needed", "Authorization")
            problem(wrong, 401, "key-wrong", "Authorization")
            assert none.headers["www-authenticate"] == "Bearer"
            assert wrong.headers["www-authenticate"] == "Bearer"
    assert len(asked) > 25


async def test_strangers_are_not_told_what_there_is(tmp_path: Path) -> None:
    async with house(tmp_path, keys=(KEY,)) as home, home.stranger() as far:
        problem(await far.get("/api/nothing"), 401, "key-needed", "Authorization")
        problem(await far.put("/api/calls"), 401, "key-needed", "Authorization")


@pytest.mark.parametrize("headers", [{"Authorization": f"Bearer {KEY}"}, {"X-API-Key": KEY}])
async def test_a_key_opens(tmp_path: Path, headers: dict[str, str]) -> None:
    async with house(tmp_path, keys=(KEY,)) as home, home.stranger(**headers) as far:
        assert (await far.get("/api/agents")).status_code == 200


async def test_without_keys_only_this_machine_may_ask(home: House) -> None:
    near = await home.get("/agents")
    async with home.stranger() as far:
        refused = await far.get("/api/agents")

    assert near.status_code == 200
    assert "Without API_KEYS, the API is open only" in problem(refused, 403, "not-allowed")


async def test_the_body_of_a_stranger_is_not_read(tmp_path: Path) -> None:
    read: list[bool] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(True)
        yield b"{}"

    async with house(tmp_path, keys=(KEY,)) as home, home.stranger() as far:
        answer = await far.post("/api/calls", content=body())

    problem(answer, 401, "key-needed", "Authorization")
    assert read == []


async def test_a_session_of_the_browser_counts(tmp_path: Path) -> None:
    access = Access((read_key(KEY),), loopback=False, secure_cookies=False)
    async with house(tmp_path, access=access) as home, home.stranger() as far:
        begun = await far.post("/session", headers={"X-API-Key": KEY})
        far.cookies.set(COOKIE, begun.cookies[COOKIE])

        assert (await far.get("/api/agents")).status_code == 200
        site = {"Sec-Fetch-Site": "cross-site"}
        problem(await far.get("/api/agents", headers=site), 403, "not-allowed")


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/calls/", "/calls/c-1/nothing", "/../x"])
async def test_an_unknown_address_is_a_problem(home: House, path: str) -> None:
    answer = await home.client.get(f"/api{path}", follow_redirects=False)

    if path != "/../x":
        problem(answer, 404, "not-found")
    assert answer.status_code == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "MADEUP"])
async def test_a_wrong_method_names_the_right_ones(home: House, method: str) -> None:
    answer = await home.client.request(method, "/api/calls")

    problem(answer, 405, "wrong-method")
    assert answer.headers["allow"] == "GET, HEAD, POST"


async def test_a_failing_database_is_unavailable(tmp_path: Path) -> None:
    async with house(tmp_path, jobs=Broken(StoreError("data/fwai.db: disk full"))) as home:
        answer = await home.get("/jobs")

    assert "disk" not in problem(answer, 503, "store-failed")
    assert answer.headers["retry-after"]


async def test_no_room_is_unavailable(tmp_path: Path) -> None:
    async with house(tmp_path, jobs=Broken(BusyError("full"))) as home:
        problem(await home.get("/jobs"), 503, "busy")


async def test_what_nobody_expected_is_logged_and_not_told(tmp_path: Path) -> None:
    async with house(tmp_path, jobs=Broken(RuntimeError(f"of {PHONE}"))) as home:
        with capture_logs() as logs:
            answer = await home.get("/jobs")

    assert PHONE not in answer.text
    problem(answer, 500, "internal")
    assert [(log["event"], log["error"]) for log in logs] == [("api_failed", "RuntimeError")]


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_that_is_too_large_is_refused(home: House, announced: bool) -> None:
    body = b'{"to": "' + b"9" * MAX_BODY_BYTES + b'"}'

    async def parts() -> AsyncIterator[bytes]:
        yield body[:1000]
        yield body[1000:]

    answer = await home.client.post(
        "/api/calls",
        content=body if announced else parts(),
        headers={"Content-Type": "application/json"},
    )

    problem(answer, 413, "too-large")


async def test_a_body_that_does_not_come_is_not_waited_for(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "BODY_S", 0.0)

    async def parts() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    problem(await home.client.post("/api/calls", content=parts()), 408, "too-slow")


async def test_a_length_that_is_no_number_is_no_fault(home: House) -> None:
    answer = await home.client.post("/api/calls", content=b"", headers={"Content-Length": "9" * 30})

    problem(answer, 413, "too-large")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_only_json_is_taken(home: House, kind: str) -> None:
    answer = await home.client.post(
        "/api/calls", content=b'{"to": "+919999900000"}', headers={"Content-Type": kind}
    )

    problem(answer, 415, "wrong-content", "Content-Type")


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b"[" * 20_000, b'{"to": ' + b"1" * 5_000 + b"}", b'{"to": "a" "b"}']
)
async def test_what_is_not_json_is_unreadable(home: House, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await home.client.post("/api/calls", content=body, headers=headers)

    problem(answer, 400, "unreadable")


async def test_several_faults_are_told_together(home: House) -> None:
    answer = await home.post("/calls", {"agnt": "x", "context": {"a": [1], "b": None}})

    problem(answer, 422, "invalid", "to")
    faults = {error["field"]: error["detail"] for error in answer.json()["errors"]}
    assert faults == {
        "to": "this is needed; add it",
        "agnt": "there is no such field; remove it or correct its name",
        "context.a": "give text, a number, true or false",
        "context.b": "give text, a number, true or false",
    }


@pytest.mark.parametrize(
    "text", ["a\x00b", "\\ud800", "\\udc00\\ud800"], ids=["nul", "half", "swapped"]
)
async def test_text_that_nothing_can_keep_is_refused(home: House, text: str) -> None:
    headers = {"Content-Type": "application/json"}
    for path, body in TEXTS:
        content = (body % text.replace("\x00", "\\u0000")).encode()
        answer = await home.client.post(f"/api{path}", content=content, headers=headers)

        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


# ---- query parameters ---------------------------------------------------------------------------


async def test_a_query_parameter_that_nobody_reads_is_named_with_those_that_there_are(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as home:
        one = await home.client.get("/api/calls?cursr=5&agent=Core")
        detail = problem(one, 422, "invalid", "cursr")
        assert detail.startswith("Unknown query parameter; use ")
        assert detail.endswith("did you mean cursor?")

        two = await home.client.get("/api/agents?a=1&b=2&a=3")
        detail = problem(two, 422, "invalid", "a")
        assert detail == "Unknown query parameter; this address takes none"
        assert [error["field"] for error in two.json()["errors"]] == ["a", "b"]


async def test_every_route_refuses_them_before_it_does_anything(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        for method, path in operations(home):
            if path.startswith("/api/"):
                found = await home.client.request(method, f"{path}?no_such=%ff%00")
                problem(found, 422, "invalid", "no_such")
