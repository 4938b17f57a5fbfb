"""What every answer tells a browser."""

import httpx
import pytest
from fastapi import FastAPI, Response
from starlette.types import Message, Receive, Scope, Send

from fwai.http.client_address import ClientAddresses
from fwai.http.front import Front, install
from fwai.http.rate_limit import RateLimits
from fwai.http.security_headers import HSTS, SecurityHeaders
from fwai.rates import Rate


async def headers_of(path: str, *, https: bool = False) -> httpx.Headers:
    app = FastAPI(redirect_slashes=False)
    many = Rate("requests", 1_000)
    install(app, Front(RateLimits(many, many, {}), ClientAddresses(), https))

    @app.get("/own")
    async def own() -> Response:
        return Response("x", headers={"Cache-Control": "no-cache", "Referrer-Policy": "origin"})

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError

    @app.get("/{path:path}")
    async def anything(path: str) -> str:
        return path

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        return (await client.get(path)).headers


@pytest.mark.parametrize(
    "path", ["/", "/api/calls", "/webhook", "/consoles", "/docsish", "/broken"]
)
async def test_nothing_may_run_in_what_is_no_page(path: str) -> None:
    headers = await headers_of(path)

    assert headers["content-security-policy"].startswith("default-src 'none'; base-uri 'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["permissions-policy"] == "microphone=(), camera=(), geolocation=()"


@pytest.mark.parametrize("path", ["/console", "/console/", "/console/talk", "/docs"])
async def test_a_page_runs_what_this_server_has_and_nothing_inline(path: str) -> None:
    policy = (await headers_of(path))["content-security-policy"]

    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize(
    ("path", "may"),
    [("/console/talk", True), ("/console/talk/page/x", True), ("/console", False), ("/", False)],
)
async def test_only_the_page_to_talk_hears(path: str, may: bool) -> None:
    policy = (await headers_of(path))["permissions-policy"]

    assert ("microphone=(self)" in policy) is may
    assert "camera=()" in policy


@pytest.mark.parametrize("https", [True, False])
async def test_https_is_asked_for_where_there_is_some(https: bool) -> None:
    told = (await headers_of("/", https=https)).get("strict-transport-security")

    assert told == (HSTS if https else None)


async def test_what_a_route_says_itself_stands_once() -> None:
    headers = await headers_of("/own")

    assert headers.get_list("cache-control") == ["no-cache"]
    assert headers.get_list("referrer-policy") == ["origin"]
    assert headers["x-content-type-options"] == "nosniff"


async def test_a_socket_goes_through_as_it_is() -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend((scope["type"], receive, send))

    async def receive() -> Message:
        raise AssertionError

    async def send(_: Message) -> None:
        raise AssertionError

    await SecurityHeaders(app, https=True)({"type": "websocket"}, receive, send)
    assert seen == ["websocket", receive, send]
