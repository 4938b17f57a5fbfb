"""What no route takes."""

import httpx
import pytest
from fastapi import FastAPI, HTTPException

from fwai.web.fallback import install


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI(redirect_slashes=False)
    install(app, ("/plivo/",))

    @app.get("/docs")
    async def docs() -> str:
        return "here"

    @app.get("/console/talk")
    async def talk() -> str:
        return "here"

    @app.get("/plivo/answer")
    async def answer() -> str:
        return "here"

    @app.post("/busy")
    async def busy() -> None:
        raise HTTPException(400)

    @app.post("/large")
    async def large() -> None:
        raise HTTPException(413)

    @app.post("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout")

    return app


async def ask(app: FastAPI, method: str, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        return await client.request(method, path)


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/", 404, "not-found"),
        ("POST", "/docs/", 404, "not-found"),
        ("GET", "/busy/", 404, "not-found"),
        ("DELETE", "/docs", 405, "wrong-method"),
        ("POST", "/busy", 400, "unreadable"),
        ("POST", "/large", 413, "too-large"),
        ("POST", "/teapot", 418, "http-418"),
    ],
)
async def test_a_refusal_is_a_problem(
    app: FastAPI, method: str, path: str, status: int, kind: str
) -> None:
    answer = await ask(app, method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:fwai:problem:{kind}"


@pytest.mark.parametrize(
    ("path", "way"), [("/docs/", "../docs"), ("/console/talk//", "../../talk")]
)
async def test_a_slash_too_much_is_shown_the_way_by_no_host(
    app: FastAPI, path: str, way: str
) -> None:
    answer = await ask(app, "GET", path)
    assert (answer.status_code, answer.headers["location"]) == (307, way)


async def test_the_methods_of_an_address_are_named(app: FastAPI) -> None:
    assert (await ask(app, "DELETE", "/docs")).headers["allow"] == "GET, HEAD"
    assert (await ask(app, "DELETE", "/plivo/answer")).headers["allow"] == "GET", "it acts"
