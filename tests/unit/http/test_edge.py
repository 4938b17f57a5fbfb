"""What every request meets first, with the server's side of the connection in hand."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

import virtual_time
from fwai.http.edge import DRAIN_BYTES, DRAIN_S, Edge


def scope(method: str = "POST", path: str = "/", **headers: str) -> dict[str, Any]:
    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": path, "headers": listed}


class Wire:
    """One connection: what the client sends, and what it gets."""

    def __init__(self, *chunks: bytes, ends: bool = True) -> None:
        self.chunks = list(chunks)
        self.ends = ends
        self.read = 0
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self.chunks:
            return {"type": "http.disconnect"}
        chunk = self.chunks.pop(0)
        self.read += len(chunk)
        more = bool(self.chunks) or not self.ends
        return {"type": "http.request", "body": chunk, "more_body": more}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(one.get("body", b"") for one in self.sent[1:])


def answering(status: int = 401, body: bytes = b"no", *, reads: bool = False) -> Any:  # noqa: ANN401 - an app
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if reads:
            while (await receive()).get("more_body"):
                pass
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return app


async def test_an_early_answer_is_sent_and_the_rest_of_the_body_thrown_away() -> None:
    wire = Wire(b"a" * 1000, b"b" * 1000)
    await Edge(answering())(scope(content_length="2000"), wire.receive, wire.send)

    assert (wire.status, wire.body, wire.read) == (401, b"no", 2000)
    assert wire.headers[b"connection"] == b"close"
    assert wire.sent[-1]["more_body"] is False


async def test_a_body_that_was_read_keeps_its_connection() -> None:
    wire = Wire(b"a", b"b")
    await Edge(answering(200, reads=True))(scope(content_length="2"), wire.receive, wire.send)
    assert (wire.status, wire.headers) == (200, {})


async def test_who_waits_for_leave_sends_no_body_after_an_answer() -> None:
    wire = Wire(b"a" * 10)
    asked = scope(content_length="10", expect="100-continue")
    await Edge(answering())(asked, wire.receive, wire.send)
    assert wire.read == 0


async def test_what_is_thrown_away_is_bounded() -> None:
    wire = Wire(*[b"x" * 65_536] * 200, ends=False)
    await Edge(answering())(scope(transfer_encoding="chunked"), wire.receive, wire.send)
    assert DRAIN_BYTES <= wire.read <= DRAIN_BYTES + 65_536


def test_a_slow_rest_is_waited_for_a_little() -> None:
    async def story() -> float:
        import asyncio

        async def never() -> Message:
            await asyncio.sleep(1e6)
            raise AssertionError

        wire = Wire()
        began = asyncio.get_running_loop().time()
        await Edge(answering())(scope(content_length="9"), never, wire.send)
        assert wire.body == b"no"
        return asyncio.get_running_loop().time() - began

    assert virtual_time.run(story()) <= DRAIN_S + 0.1


async def test_head_is_answered_as_get_without_a_body() -> None:
    wire = Wire()
    methods = []

    async def app(asked: Scope, receive: Receive, send: Send) -> None:
        methods.append(asked["method"])
        await answering(200, b"long")(asked, receive, send)

    await Edge(app)(scope("HEAD", "/healthz"), wire.receive, wire.send)
    assert (methods, wire.status, wire.body) == (["GET"], 200, b"")

    wire = Wire()
    await Edge(app, acting=("/plivo/",))(scope("HEAD", "/plivo/answer"), wire.receive, wire.send)
    assert methods == ["GET", "HEAD"], "a GET that acts is not called by HEAD"


async def test_a_fault_before_the_answer_is_a_problem_and_after_it_is_raised() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("secret")

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("secret")

    wire = Wire()
    await Edge(broken)(scope("GET"), wire.receive, wire.send)
    assert wire.status == 500
    assert b"secret" not in wire.body
    with pytest.raises(RuntimeError):
        await Edge(late)(scope("GET"), Wire().receive, Wire().send)


async def test_a_client_that_left_is_no_fault() -> None:
    async def left(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientDisconnect

    wire = Wire()
    await Edge(left)(scope("GET"), wire.receive, wire.send)
    assert wire.sent == []


async def test_what_is_no_request_goes_through() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    receive: Callable[[], Any] = Wire().receive
    await Edge(app)({"type": "websocket"}, receive, Wire().send)
    assert seen == ["websocket"]
