"""Bodies that are too large or too slow, on every route; and idle connections beside calls."""

import asyncio
import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from e2e.house import House
from e2e.process import free_port, ready, server, world
from e2e.test_http_edges import KEY, Answer, Asked, Line, read_answer, routes, serving
from fwai.server import serving as server_serving
from fwai.server.connections import ConnectionLimits
from fwai.simulator.common.caller import HangUp, Hear, Wait
from gaps import assert_satisfied

LARGEST = 3 * 1024 * 1024  # of any route
SLOW_S = 0.25
# Routes that read no body answer at once; the rest of it is thrown away for a moment.
READ_NONE = {"/console/talk/session"}


def bodied(house: House) -> Iterator[tuple[str, str]]:
    """Yield method and path of each route that takes a body."""
    yield from sorted({(m, p) for m, p in routes(house) if m in ("POST", "PUT", "PATCH")})


def head(method: str, path: str, *more: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: voice.example.com", f"X-API-Key: {KEY}"]
    kind = "application/x-www-form-urlencoded" if path == "/docs" else "application/json"
    return "\r\n".join([*lines, f"Content-Type: {kind}", *more, "", ""]).encode()


async def sent(port: int, first: bytes, *, chunk: bytes, every_s: float, most: int) -> Answer:
    """Send a head, then the same piece of body again and again until an answer begins."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.ensure_future(read_answer(reader))
    try:
        writer.write(first)
        for _ in range(most):
            if (await asyncio.wait({answer}, timeout=every_s))[0]:
                break
            writer.write(chunk)
            with suppress(ConnectionError):
                await writer.drain()
        async with asyncio.timeout(5):
            return await answer
    finally:
        answer.cancel()
        writer.close()


async def test_a_body_is_refused_by_its_announced_size_before_it_is_read(tmp_path: Path) -> None:
    async with serving(tmp_path) as (house, _):
        for method, path in bodied(house):
            asked = head(method, path, "Content-Length: 99999999")
            answer = await sent(house.world.settings.port, asked, chunk=b"", every_s=2.0, most=1)
            assert answer.status == 413, path


async def test_a_body_of_no_announced_size_is_refused_where_it_becomes_too_large(
    tmp_path: Path,
) -> None:
    piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    async with serving(tmp_path) as (house, _):
        for method, path in bodied(house):
            asked = head(method, path, "Transfer-Encoding: chunked")
            port, most = house.world.settings.port, 2 * LARGEST // 65_536
            answer = await sent(port, asked, chunk=piece, every_s=0.001, most=most)
            assert answer.status == (201 if path in READ_NONE else 413), path


async def test_a_body_of_one_byte_at_a_time_ends_in_408(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = ConnectionLimits(request_s=SLOW_S)
    monkeypatch.setattr(server_serving, "limits_for", lambda _: limits)
    async with serving(tmp_path) as (house, _):
        for method, path in bodied(house):
            for length in ("Content-Length: 1000", "Transfer-Encoding: chunked"):
                began = time.monotonic()
                chunk = b" " if "1000" in length else b"1\r\n \r\n"
                asked, port = head(method, path, length), house.world.settings.port
                answer = await sent(port, asked, chunk=chunk, every_s=0.02, most=200)
                assert answer.status == (201 if path in READ_NONE else 408), path
                assert time.monotonic() - began < SLOW_S + 1.0
        assert house.server.calls.active == 0


async def test_calls_are_answered_while_1200_idle_connections_are_held(tmp_path: Path) -> None:
    """The process may have 256 files open, fewer than the strangers hold."""
    port = free_port()
    async with world(port) as (outside, values), asyncio.TaskGroup() as tasks:
        with server(tmp_path, port, **values) as process, ExitStack() as held:
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (256, 256))
            await ready(port)
            greeted = asyncio.Event()

            def on_event(kind: str, **_: object) -> None:
                if kind == "agent_heard":
                    greeted.set()

            spoken = (Hear("greeting"), Wait(4000), HangUp())
            first = tasks.create_task(outside.phone(on_event).call(spoken))
            async with asyncio.timeout(20):
                await greeted.wait()
            for number in range(1_200):
                address = f"127.0.{1 + number // 200}.{1 + number % 200}"
                _, writer = await asyncio.open_connection(
                    "127.0.0.1", port, local_addr=(address, 0)
                )
                held.callback(writer.close)
            began = time.monotonic()
            answer = await Line(port).ask(Asked("GET", "/readyz"), close=True)
            assert answer.status == 200
            assert time.monotonic() - began < 1.0
            second = await outside.phone(number="+919999900002").call([Wait(500), HangUp()])
            assert second.answered
            assert_satisfied(await first)
    log = (tmp_path / "server.log").read_text()
    assert '"connections_refused"' in log
    assert "too_many" in log
