"""Our socket as a client, against a server made with another library."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ParamSpec

import pytest
import uvloop
from picows import ws_connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from fwai.http.websocket import Socket
from polling import until

WITHIN_S = 3.0
MAX_BYTES = 10_000
P = ParamSpec("P")
Behaviour = Callable[[ServerConnection], Coroutine[Any, Any, None]]


def on_uvloop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        uvloop.run(test(*args, **kwargs))

    return run


@dataclass
class Line:
    """Our socket, connected, and what it was told."""

    received: list[bytes] = field(default_factory=list)
    endings: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.socket = Socket(
            lambda view: self.received.append(bytes(view)),
            lambda code, reason: self.endings.append((code, reason)),
            MAX_BYTES,
            1000,
        )


@asynccontextmanager
async def connected(server: Behaviour, *, max_frame_size: int = MAX_BYTES) -> AsyncIterator[Line]:
    line = Line()
    async with serve(server, "127.0.0.1", 0, compression=None, ping_interval=None) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        await ws_connect(
            lambda: line.socket, f"ws://127.0.0.1:{port}/", max_frame_size=max_frame_size
        )
        try:
            yield line
        finally:
            line.socket.abort()
            await until(lambda: line.endings)
    assert len(line.endings) == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def says(*messages: Any) -> Behaviour:  # noqa: ANN401 - as websockets takes them
    async def run(connection: ServerConnection) -> None:
        for message in messages:
            await connection.send(message)
        await connection.wait_closed()

    return run


def writes(data: bytes) -> Behaviour:
    async def run(connection: ServerConnection) -> None:
        connection.transport.write(data)
        await connection.wait_closed()

    return run


@on_uvloop
async def test_messages_go_both_ways() -> None:
    async with connected(echo) as line:
        assert line.socket.open
        assert line.socket.send("नमस्ते".encode())
        assert line.socket.send(b"x" * 9000, droppable=True)
        await until(lambda: len(line.received) == 2)

        assert line.received == ["नमस्ते".encode(), b"x" * 9000]


@on_uvloop
async def test_text_binary_and_fragmented_messages_come_whole() -> None:
    async with connected(says("text", b"binary", ["in ", "three ", "parts"], "", "last")) as line:
        await until(lambda: b"last" in line.received)

        assert line.received == [b"text", b"binary", b"in three parts", b"", b"last"]


@pytest.mark.parametrize("size", [MAX_BYTES, MAX_BYTES - 1])
@on_uvloop
async def test_the_longest_message_put_together_is_taken(size: int) -> None:
    async with connected(says(["x" * 5000, "y" * (size - 5000)])) as line:
        await until(lambda: line.received)

        assert len(line.received[0]) == size


@on_uvloop
async def test_a_message_that_grows_too_long_closes_the_socket() -> None:
    closed: list[int | None] = []

    async def server(connection: ServerConnection) -> None:
        try:
            await connection.send(["x" * 6000, "y" * 6000, "z" * 6000])
            await connection.wait_closed()
        except ConnectionClosed:
            pass
        closed.append(connection.close_code)

    async with connected(server) as line:
        await until(lambda: line.endings and closed)

        assert closed == [1009]
        assert line.received == []


@on_uvloop
async def test_nothing_is_delivered_after_we_have_closed() -> None:
    """Further messages of the same read are already there."""
    line = Line()

    def close_at_once(view: memoryview) -> None:
        line.received.append(bytes(view))
        line.socket.close(1000)

    async with serve(writes(b"\x81\x01a\x81\x01b\x81\x01c"), "127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        line.socket = Socket(close_at_once, lambda *end: line.endings.append(end), MAX_BYTES, 1000)
        await ws_connect(lambda: line.socket, f"ws://127.0.0.1:{port}/")
        await until(lambda: line.endings)

    assert line.received == [b"a"]
    assert len(line.endings) == 1


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "going away"), (1011, "अरे"), (4321, "ours")]
)
@on_uvloop
async def test_the_peers_close_code_and_reason_are_told(code: int, reason: str) -> None:
    async def server(connection: ServerConnection) -> None:
        await connection.close(code, reason)

    async with connected(server) as line:
        await until(lambda: line.endings)

        assert line.endings == [(code, reason)]
        assert not line.socket.open


@on_uvloop
async def test_a_close_without_a_code_is_1005() -> None:
    async with connected(writes(b"\x88\x00")) as line:
        await until(lambda: line.endings)

        assert line.endings == [(1005, "")]


@on_uvloop
async def test_a_connection_that_breaks_is_1006() -> None:
    async def server(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with connected(server) as line:
        await until(lambda: line.endings)

        assert line.endings == [(1006, "")]


@on_uvloop
async def test_a_breach_of_the_protocol_is_an_end_and_told_once() -> None:
    async with connected(writes(b"\xff\xff\xff")) as line:
        await until(lambda: line.endings)

        assert line.received == []


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1008, "no"), (1003, "x" + "é" * 100)])
@on_uvloop
async def test_our_close_reaches_the_peer(code: int, reason: str) -> None:
    ends: list[tuple[int | None, str | None]] = []

    async def server(connection: ServerConnection) -> None:
        await connection.wait_closed()
        ends.append((connection.close_code, connection.close_reason))

    async with connected(server) as line:
        line.socket.close(code, reason)
        line.socket.close(1011, "twice")
        await until(lambda: ends)

        assert ends[0][0] == code
        assert reason.startswith(ends[0][1] or "")


@on_uvloop
async def test_what_is_closed_takes_no_message() -> None:
    async with connected(echo) as line:
        line.socket.close()

        assert not line.socket.open
        assert not line.socket.send(b"late")
        await until(lambda: line.endings)
        line.socket.close()
        line.socket.abort()
        assert not line.socket.send(b"later")
        assert line.received == []


def test_what_is_not_connected_takes_no_message() -> None:
    line = Line()

    line.socket.close()
    line.socket.abort()

    assert not line.socket.open
    assert not line.socket.send(b"early")


@on_uvloop
async def test_a_congested_socket_refuses_what_is_worth_nothing_later() -> None:
    async with connected(says()) as line:
        line.socket.pause_writing()
        taken = [line.socket.send(b"audio", droppable=True), line.socket.send(b"control")]
        line.socket.resume_writing()
        taken.append(line.socket.send(b"audio", droppable=True))

        assert taken == [False, True, True]


@on_uvloop
async def test_a_peer_that_does_not_read_congests_and_reading_relieves() -> None:
    read = asyncio.Event()

    async def server(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await read.wait()
        connection.transport.resume_reading()
        async for _ in connection:
            pass

    async with connected(server) as line:
        async with asyncio.timeout(WITHIN_S):
            while line.socket.send(b"x" * 60_000, droppable=True):  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert line.socket.congested

        read.set()
        await until(lambda: not line.socket.congested)

        assert line.socket.send(b"again", droppable=True)


@on_uvloop
async def test_a_ping_is_answered() -> None:
    answered = asyncio.Event()

    async def server(connection: ServerConnection) -> None:
        await (await connection.ping())
        answered.set()
        await connection.wait_closed()

    async with connected(server) as line:
        async with asyncio.timeout(WITHIN_S):
            await answered.wait()

        assert line.received == []
