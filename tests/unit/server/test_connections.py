"""What strangers' connections cost, over real sockets and by the numbers."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn

from fwai.server import connections as server_connections
from fwai.server.connections import (
    ConnectionLimits,
    Connections,
    LimitedHttpProtocol,
    counted_address,
    limits_for,
)
from polling import until

WHOLE = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def app(scope: dict, receive: Callable, send: Callable) -> None:  # type: ignore[type-arg]
    """Answer with the length of the body, once it has come."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        if message["type"] == "http.disconnect":
            return
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(
    limits: ConnectionLimits,
    served: Callable = app,  # type: ignore[type-arg]
    counted_by: Callable[[str], str] | None = None,
) -> AsyncIterator[tuple[Connections, int]]:
    now = asyncio.get_running_loop().time
    connections = Connections(limits, 10_000, now, counted_by)
    http = functools.partial(LimitedHttpProtocol, open_connections=connections)
    config = uvicorn.Config(served, http=http, lifespan="off", log_config=None)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield connections, listener.getsockname()[1]
    finally:
        await server.shutdown(sockets=[listener])


async def exchange(port: int, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Send the parts and return everything that comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.ensure_future(reader.read())
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            if pause_s and (await asyncio.wait({answer}, timeout=pause_s))[0]:
                break
        async with asyncio.timeout(5):
            return await answer
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_request_in_time_is_answered_and_nothing_stays_counted() -> None:
    async with serving(ConnectionLimits()) as (connections, port):
        close = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc"
        assert b"\r\n\r\n3" in await exchange(port, close)
        assert b"\r\n\r\n3" in await exchange(port, close[:20], close[20:70], close[70:])
        for _ in range(50):
            if not len(connections):
                break
            await asyncio.sleep(0)
        assert len(connections) == 0


@pytest.mark.parametrize(
    ("parts", "status", "reason"),
    [
        ([], 408, "head_too_slow"),
        ([b"G"], 408, "head_too_slow"),
        ([b"GET / HTTP/1.1\r\nhost: x\r\n"], 408, "head_too_slow"),
        ([b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc"], 408, "body_too_slow"),
        (
            [b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"],
            408,
            "body_too_slow",
        ),
        ([WHOLE + b"GET /"], 408, "head_too_slow"),
        ([b"GET / HTTP/1.1\r\nx: " + b"a" * 3_000], 431, "head_too_large"),
        ([b"GET /" + b"a" * 3_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n"], 431, "head_too_large"),
        ([b"GET / HTTP/1.1\r\nx: ", b"a" * 1_200, b"a" * 1_200], 431, "head_too_large"),
        ([b"\x16\x03\x01\0\0no HTTP at all\r\n\r\n"], 400, "malformed"),
    ],
)
async def test_what_is_slow_or_large_is_closed_with_an_answer(
    parts: list[bytes], status: int, reason: str
) -> None:
    limits = ConnectionLimits(head_s=0.1, request_s=0.1, head_bytes=2_000)
    async with serving(limits) as (connections, port):
        said = await exchange(port, *parts)

        assert f"HTTP/1.1 {status} ".encode() in said
        assert connections.refused == {reason: 1}
        await until(lambda: not len(connections))


async def test_a_body_of_one_byte_at_a_time_ends_in_408_and_its_route_hears_of_it() -> None:
    gone = asyncio.Event()

    async def waits(scope: dict, receive: Callable, send: Callable) -> None:  # type: ignore[type-arg]
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()
        await app(scope, receive, send)  # an answer to nobody

    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n"
    async with serving(ConnectionLimits(request_s=0.2), waits) as (connections, port):
        said = await exchange(port, head, *[b"a"] * 100, pause_s=0.02)

        assert said.count(b"HTTP/1.1 ") == 1
        assert said.startswith(b"HTTP/1.1 408 ")
        assert connections.refused == {"body_too_slow": 1}
        async with asyncio.timeout(5):
            await gone.wait()


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\nx: ", b"POST / HTTP/1.1\r\ncontent-length: 9999999\r\n\r\n"]
)
async def test_who_still_sends_when_refused_hears_of_it_and_is_reset_after_a_moment(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_connections, "LINGER_S", 0.3)
    limits = ConnectionLimits(head_s=0.1, request_s=0.1)
    async with serving(limits) as (connections, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(5):
            while not reader.at_eof():
                writer.write(b"a")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.005):
                        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 408 ")
                        break
            assert len(connections) == 1, "it is listened to a little longer"
            with contextlib.suppress(ConnectionError):
                while len(connections):
                    writer.write(b"a" * 10)
                    await asyncio.sleep(0)
        writer.close()


async def test_of_whoever_sends_much_when_refused_no_more_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_connections, "LINGER_S", 0.5)
    monkeypatch.setattr(server_connections, "LINGER_BYTES", 100_000)
    sent = 0
    async with serving(ConnectionLimits(head_bytes=2_000)) as (connections, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /" + b"a" * 3_000)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 431 ")
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(0.4):
                while True:
                    writer.write(b"a" * 1_000_000)
                    await writer.drain()
                    sent += 1_000_000
        assert sent < 20_000_000, "the kernel's buffers are full"
        await until(lambda: not len(connections), 2.0)
        writer.close()


async def test_whoever_holds_connections_open_keeps_nobody_out() -> None:
    async with serving(ConnectionLimits(total=20)) as (connections, port):
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]

        said = await exchange(port, WHOLE.replace(b"host", b"connection: close\r\nhost"))

        assert b"HTTP/1.1 200" in said
        assert len(connections) <= 20
        assert connections.refused["too_many"] >= 40
        for _, writer in idle:
            writer.close()


async def connected_from(address: str, port: int) -> asyncio.StreamWriter | None:
    """Connect from an address of this machine; None when it is closed at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(0.05):
            await reader.read(1)
        writer.close()
        return None
    return None if writer.is_closing() or reader.at_eof() or reader.exception() else writer


async def test_one_address_over_real_sockets_gets_its_share_and_leaves_the_rest() -> None:
    limits = ConnectionLimits(total=30, per_address=5)
    async with serving(limits, counted_by=str) as (connections, port):
        held = [await connected_from("127.0.0.2", port) for _ in range(8)]
        others = [await connected_from(f"127.0.1.{n}", port) for n in range(1, 11)]

        assert [one is not None for one in held] == [True] * 5 + [False] * 3
        assert all(others)
        assert connections.refused == {"too_many_of_one_address": 3}
        for writer in filter(None, [*held, *others]):
            writer.close()


class Peer:
    """A connection that only says where it comes from."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.dropped = False

    def drop(self) -> None:
        self.dropped = True


def admitted(connections: Connections, address: str, descriptor: int = 9) -> Peer | None:
    peer = Peer(address)
    return peer if connections.admit(peer, descriptor) else None  # type: ignore[arg-type]


def test_one_address_does_not_get_all_of_them() -> None:
    connections = Connections(ConnectionLimits(total=10, per_address=3), 1_000, lambda: 0.0)

    given = [admitted(connections, "203.0.113.9") for _ in range(5)]

    assert [peer is not None for peer in given] == [True, True, True, False, False]
    assert admitted(connections, "203.0.113.10")
    assert admitted(connections, ""), "a proxy on this machine"
    assert connections.refused == {"too_many_of_one_address": 2}
    connections.forget(given[0])  # type: ignore[arg-type]
    connections.forget(given[0])  # type: ignore[arg-type]
    assert admitted(connections, "203.0.113.9")
    assert not admitted(connections, "203.0.113.9")


def test_the_one_that_waited_longest_gives_way_and_a_request_never_does() -> None:
    connections = Connections(ConnectionLimits(total=3), 1_000, lambda: 0.0)
    first, second, third = (admitted(connections, "") for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is not None
    connections.busy(first)  # type: ignore[arg-type]

    assert admitted(connections, "")
    assert (first.dropped, second.dropped, third.dropped) == (False, True, False)

    connections.waits(first)  # type: ignore[arg-type]
    for _ in range(3):
        connections.busy(admitted(connections, ""))  # type: ignore[arg-type]
    assert first.dropped, "once it was answered it may give way"
    assert admitted(connections, "") is None, "all are at work"


def test_scarce_descriptors_are_told_of_once_a_minute() -> None:
    now = 0.0
    connections = Connections(ConnectionLimits(), 100, lambda: now)

    assert admitted(connections, "", descriptor=89)
    assert not connections.refused
    for _ in range(3):
        assert admitted(connections, "", descriptor=90)
    assert connections.refused == {"descriptors_scarce": 3}


@pytest.mark.parametrize(
    ("descriptors", "total"), [(1_024, 512), (256, 128), (65_536, 1_024), (1_048_576, 1_024)]
)
def test_half_of_the_descriptors_are_left_to_calls(descriptors: int, total: int) -> None:
    assert limits_for(descriptors).total == total


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("127.0.0.1", ""),
        ("127.9.9.9", ""),
        ("::1", ""),
        ("", ""),
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("not an address", "not an address"),
    ],
)
def test_what_an_address_is_counted_by(host: str, counted: str) -> None:
    assert counted_address(host) == counted
