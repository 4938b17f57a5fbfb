"""What the tests of several providers' simulators share: a server on loopback, refusals."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import Server

from fwai.simulator.common.fate import Refusal
from fwai.simulator.common.rest import App, new_server

REFUSED: list[tuple[Refusal, int]] = [
    ("unauthorized", 401),
    ("no_credit", 402),
    ("too_many_calls", 403),
    ("too_many_requests", 429),
    ("unavailable", 503),
    ("bad_number", 400),
]
every_refusal = pytest.mark.parametrize(("refusal", "status"), REFUSED)


@asynccontextmanager
async def listening(app: App) -> AsyncIterator[str]:
    """Serve an application on loopback; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = new_server(app)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
    listener.close()


def address(streams: Server) -> str:
    """Return where WebSockets are served."""
    return f"ws://127.0.0.1:{next(iter(streams.sockets)).getsockname()[1]}"
