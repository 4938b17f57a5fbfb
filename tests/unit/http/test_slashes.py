"""An address that ends with a slash is the same address."""

import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from starlette.routing import Route
from starlette.testclient import TestClient

from fwai.http.slashes import accept_trailing_slash


def client() -> TestClient:
    api = APIRouter(prefix="/{secret}")

    @api.post("/hook")
    async def hook(request: Request, secret: str) -> dict[str, str]:
        return {"secret": secret, "body": (await request.body()).decode()}

    @api.websocket("/stream")
    async def stream(websocket: WebSocket, secret: str) -> None:
        await websocket.accept()
        await websocket.send_text(secret)
        await websocket.close()

    api.routes.append(Route("/{secret}/other", hook))  # not FastAPI's: stays as it is
    app = FastAPI()
    app.include_router(accept_trailing_slash(api))
    return TestClient(app, follow_redirects=False)


@pytest.mark.parametrize("path", ["/a/hook", "/a/hook/", "/a/hook/?x=1"])
def test_a_request_is_answered_and_not_redirected(path: str) -> None:
    answer = client().post(path, content=b"kept")

    assert (answer.status_code, answer.json()) == (200, {"secret": "a", "body": "kept"})


def test_other_methods_and_deeper_paths_stay_closed() -> None:
    assert client().put("/a/hook/").status_code == 405
    assert client().post("/a/hook//").status_code != 200
    assert client().post("/a/hook/x").status_code == 404


def test_a_websocket_may_end_with_a_slash_too() -> None:
    with client().websocket_connect("/a/stream/") as socket:
        assert socket.receive_text() == "a"


def test_the_described_paths_stay_those_without() -> None:
    schema = client().get("/openapi.json").json()

    assert list(schema["paths"]) == ["/{secret}/hook"]
