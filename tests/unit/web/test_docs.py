"""The API's description, and who may see it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.types import Message

from fwai.domain.api_key import Role
from fwai.http.access import COOKIE, Access
from fwai.http.problem import ProblemError
from fwai.web import docs
from fwai.web.docs import MAX_FORM_BYTES, _typed_key
from unit.web.kit import client, house
from unit.web.test_permissions import SECRETS, all_keys

HTML = {"Accept": "text/html,*/*"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", **HTML}


@asynccontextmanager
async def described(folder: Path, access: Access | None = None) -> AsyncIterator[FastAPI]:
    async with house(folder, access=access or all_keys()) as home:
        yield home.app


def far(app: FastAPI, **headers: str) -> httpx.AsyncClient:
    return client(app, "203.0.113.9", "https://voice.example.com", headers)


class Links(HTMLParser):
    """What a page loads and links to, and its ids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        named = {name: value or "" for name, value in attrs}
        self.targets += [named[key] for key in ("href", "src", "action") if key in named]
        self.ids += [named["id"]] if "id" in named else []
        assert not any(name.startswith("on") or name == "style" for name in named)
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_whoever_may_use_the_api_may_see_its_description(
    tmp_path: Path, path: str, role: Role
) -> None:
    async with described(tmp_path) as app, far(app, **{"X-API-Key": SECRETS[role]}) as asking:
        answer = await asking.get(path)

    may = role in (Role.ADMIN, Role.OPERATOR, Role.N8N)
    assert answer.status_code == (200 if may else 403)


async def test_strangers_see_none_of_it(tmp_path: Path) -> None:
    async with described(tmp_path) as app, far(app) as stranger:
        program = await stranger.get("/openapi.json")
        page = await stranger.get("/docs", headers=HTML)
        as_program = await stranger.get("/docs")
        others = [await stranger.get(path) for path in ("/redoc", "/docs/oauth2-redirect")]

    assert (program.status_code, page.status_code, as_program.status_code) == (401, 401, 401)
    assert program.json()["type"] == as_program.json()["type"] == "urn:fwai:problem:key-needed"
    assert "/api/" not in page.text
    assert "<form" in page.text
    assert {one.status_code for one in others} == {404}


async def test_this_machine_sees_it_where_it_is_trusted(tmp_path: Path) -> None:
    trusting = Access((), loopback=True, secure_cookies=False)
    async with described(tmp_path, trusting) as app:
        async with client(app, "127.0.0.1", "http://localhost:3000") as near:
            assert (await near.get("/docs")).status_code == 200
        async with far(app) as stranger:
            assert (await stranger.get("/docs")).status_code == 403


async def test_a_browser_signs_in_and_reads(tmp_path: Path) -> None:
    async with described(tmp_path) as app, far(app, **HTML) as browser:
        wrong = await browser.post("/docs", content="key=<script>", headers=FORM)
        begun = await browser.post(
            "/docs", content=f"key={SECRETS[Role.OPERATOR]}&next=//evil.example", headers=FORM
        )
        page = await browser.get("/docs")

    assert wrong.status_code == 401
    assert "This key is not one of API_KEYS." in wrong.text
    assert "script" not in wrong.text
    assert (begun.status_code, begun.headers["location"]) == (303, "docs")
    assert COOKIE in begun.headers["set-cookie"]
    assert page.status_code == 200


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", {}, 401),
        (b"key=", {}, 401),
        (b"key=%ff", {}, 401),
        (b"key=%ed%a0%80", {}, 401),
        (b"\xff", {}, 400),
        (b"&" * 100, {}, 400),
        (b"key=" + b"k" * MAX_FORM_BYTES, {}, 413),
        (b"key=" + SECRETS[Role.ADMIN].encode(), {"Origin": "https://evil.example"}, 403),
        (b"key=" + SECRETS[Role.ADMIN].encode(), {"Sec-Fetch-Site": "cross-site"}, 403),
        (b"key=" + SECRETS[Role.ADMIN].encode(), {"Content-Type": "text/plain"}, 415),
        (b"key=" + SECRETS[Role.N8N].encode(), {}, 403),
        (b"key=" + SECRETS[Role.METRICS].encode(), {}, 403),
    ],
)
async def test_no_other_form_begins_a_session(
    tmp_path: Path, content: bytes, headers: dict[str, str], status: int
) -> None:
    async with described(tmp_path) as app, far(app) as browser:
        answer = await browser.post("/docs", content=content, headers=FORM | headers)

    assert answer.status_code == status, answer.text
    assert "set-cookie" not in answer.headers


async def test_a_form_without_a_key_is_no_wrong_one(tmp_path: Path) -> None:
    access = all_keys()
    async with described(tmp_path, access) as app, far(app) as browser:
        answers = [await browser.post("/docs", content=b"key=", headers=FORM) for _ in range(20)]

    assert {one.status_code for one in answers} == {401}
    assert "Type the key." in answers[0].text
    assert access.wrong_keys.total == 0


async def test_the_page_needs_nothing_but_this_server(tmp_path: Path) -> None:
    async with described(tmp_path) as app, far(app, **{"X-API-Key": SECRETS[Role.ADMIN]}) as asking:
        page = await asking.get("/docs")
        style = await asking.get("/docs/api.css")
        document = (await asking.get("/openapi.json")).json()

    found = Links(page.text)
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    assert found.tags.isdisjoint({"script", "img", "iframe", "style", "object"})
    assert {one for one in found.targets if not one.startswith("#")} == {
        "docs/api.css",
        "openapi.json",
    }
    assert {one[1:] for one in found.targets if one.startswith("#")} <= set(found.ids)
    assert len(set(found.ids)) == len(found.ids)
    assert found.open == []
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert not re.search(r"url\(|@import", style.text)
    for path, operations in document["paths"].items():
        for method in operations:
            heading = f'<span class="method {method}">{method.upper()}</span> <code>{path}</code>'
            assert heading in page.text
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in page.text


async def test_a_form_that_does_not_come_is_told() -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    request = Request({"type": "http", "method": "POST", "headers": headers}, gone)

    with pytest.raises(ProblemError) as refused:
        await _typed_key(request)
    assert refused.value.status == 400


async def test_a_form_that_comes_too_slowly_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(docs, "FORM_S", 0.0)
    headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    request = Request({"type": "http", "method": "POST", "headers": headers}, never)

    with pytest.raises(ProblemError) as refused:
        await _typed_key(request)
    assert refused.value.status == 408
