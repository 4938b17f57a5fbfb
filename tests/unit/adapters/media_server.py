"""A real server on loopback with Plivo's stream route, for one test."""

import asyncio
import base64
import functools
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import (
    AbstractContextManager,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, cast

import uvicorn
import uvloop
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from fakes import FakeControl
from fwai.adapters.media_socket import MediaSocketProtocol
from fwai.adapters.media_stream import WebSocketLeg
from fwai.adapters.plivo.routes import PlivoWebhooks, router
from fwai.domain.events import CallerEvent, CallerHungUp
from fwai.interfaces.media import CallerLeg
from polling import until as until  # noqa: PLC0414 - for whoever uses this server
from unit.adapters.handler_kit import FakeCalls, FakeReports

TOKEN = "stream-token"
HOOKS = PlivoWebhooks("https://voice.example.com", "MA1", ("account-token",))
PATH = f"/plivo/stream?call=x&t={TOKEN}"
STOP = '{"event":"stop"}'
KEY = '{"event":"dtmf","dtmf":{"digit":"5"}}'
SPEECH = bytes(320)
WITHIN_S = 3.0
P = ParamSpec("P")


def start(call: str = "c-1", account: str = "MA1", rate: int = 8000) -> str:
    encoding = "audio/x-mulaw" if rate == 8000 else "audio/x-l16"
    body = {"callId": call, "streamId": "s-1", "accountId": account}
    media_format = {"encoding": encoding, "sampleRate": rate}
    return json.dumps({"event": "start", "start": {**body, "mediaFormat": media_format}})


def media(payload: bytes = b"\xff" * 160) -> str:
    text = base64.b64encode(payload).decode()
    return json.dumps({"event": "media", "media": {"track": "inbound", "payload": text}})


@dataclass(eq=False)
class Carried:
    """A call whose stream is open.

    Attributes:
        heard: Every event of the leg, in order.
        over: Set it to hang up.
    """

    leg: WebSocketLeg
    heard: list[CallerEvent] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, event: CallerEvent) -> None:
        self.heard.append(event)
        if isinstance(event, CallerHungUp):
            self.over.set()

    @property
    def hang_ups(self) -> list[CallerHungUp]:
        return [event for event in self.heard if isinstance(event, CallerHungUp)]


@dataclass
class Calls(FakeCalls):
    """A CallHandler that listens until its caller hangs up.

    Attributes:
        listens: Set it to let calls listen to their legs.
    """

    calls: list[Carried] = field(default_factory=list)
    listens: asyncio.Event = field(default_factory=asyncio.Event)

    def admission(self, provider: str, token: str) -> AbstractContextManager[bool]:
        return nullcontext(token == TOKEN)

    async def carry(self, token: str, provider_call_id: str, leg: CallerLeg) -> bool:
        if provider_call_id != "c-1":
            return False
        carried = Carried(cast("WebSocketLeg", leg))
        self.calls.append(carried)
        await self.listens.wait()
        leg.listen(carried.hear)
        await carried.over.wait()
        await leg.close()
        return True


@dataclass
class MediaServer:
    """A server that is running."""

    calls: Calls
    port: int
    http: uvicorn.Server

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{PATH}"

    def url_for(self, token: str) -> str:
        return self.url.replace(TOKEN, token)

    def connect(self, url: str = "", **options: Any) -> connect:  # noqa: ANN401
        return connect(url or self.url, compression=None, ping_interval=None, **options)

    async def call(self, client: ClientConnection, *, rate: int = 8000) -> Carried:
        """Start a stream and return the call that carries it."""
        before = len(self.calls.calls)
        await client.send(start(rate=rate))
        await until(lambda: len(self.calls.calls) > before)
        return self.calls.calls[before]

    def upgrade(self, *, receive_buffer: int = 0, more: bytes = b"") -> socket.socket:
        """Return a connection that has asked for the upgrade and read nothing."""
        client = socket.socket()
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.connect(("127.0.0.1", self.port))
        key = base64.b64encode(os.urandom(16)).decode()
        client.sendall(
            f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
            + more
        )
        return client

    @asynccontextmanager
    async def raw(self, *, receive_buffer: int = 0) -> AsyncIterator[socket.socket]:
        """Open a stream by hand; nobody reads what the server sends."""
        with self.upgrade(receive_buffer=receive_buffer) as client:
            client.setblocking(False)
            answer = b""
            async with asyncio.timeout(WITHIN_S):
                while b"\r\n\r\n" not in answer:
                    answer += await asyncio.get_running_loop().sock_recv(client, 4096)
            client.setblocking(True)
            before = len(self.calls.calls)
            client.sendall(frame(start().encode()))
            await until(lambda: len(self.calls.calls) > before)
            yield client

    async def quiet(self) -> None:
        """Wait until no stream is open any more."""
        await until(lambda: not self.http.server_state.tasks)


def frame(payload: bytes, opcode: int = 1, *, fin: bool = True, masked: bool = True) -> bytes:
    """Return one short frame as a client writes it; the mask is all zeros."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    head = bytes([opcode | (0x80 if fin else 0), length[0] | (0x80 if masked else 0)])
    return head + length[1:] + (bytes(4) if masked else b"") + payload


@asynccontextmanager
async def serving(
    hooks: PlivoWebhooks = HOOKS, *, listens: bool = True, calls: Calls | None = None
) -> AsyncIterator[MediaServer]:
    """Serve until the block is left; by then every stream must have ended by itself."""
    calls = calls or Calls()
    if listens:
        calls.listens.set()
    app = FastAPI()
    app.include_router(router(hooks, calls, FakeControl(), FakeReports()))
    async with listening(app) as (port, http):
        server = MediaServer(calls, port, http)
        try:
            yield server
            await server.quiet()
        finally:
            for task in http.server_state.tasks:  # none, unless the test has failed
                task.cancel()
            await server.quiet()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@asynccontextmanager
async def carrying() -> AsyncIterator[tuple[MediaServer, ClientConnection, Carried]]:
    """Serve one call whose stream is open."""
    async with serving() as server, server.connect() as client:
        yield server, client, await server.call(client)


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[tuple[int, uvicorn.Server]]:
    """Serve an application on loopback; yields the port and the server."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    http = uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws=MediaSocketProtocol,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
        )
    )
    http.config.load()
    http.lifespan = http.config.lifespan_class(http.config)
    await http.startup(sockets=[listener])  # serve() would add its waits to every test
    try:
        yield int(listener.getsockname()[1]), http
    finally:
        for one in http.servers:
            one.close()
            await one.wait_closed()
        listener.close()


TEST_S = 20.0  # pytest's own deadline does not interrupt uvloop


def on_uvloop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on the loop the server runs on; afterwards no socket may be left."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def in_time() -> None:
            async with asyncio.timeout(TEST_S):
                await test(*args, **kwargs)

        before = open_sockets()
        uvloop.run(in_time())
        assert open_sockets() <= before

    return run


def open_sockets() -> set[str]:
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if (target := str(link.readlink())).startswith("socket:"):
                found.add(target)
    return found
