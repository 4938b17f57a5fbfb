"""Serves HTTP on the port of a WebSocket server: a connection that begins with POST.

Theory of operation: websockets reads GET requests only, so a connection is not given to it before
its first bytes have come. ``POST`` hands the transport over to uvicorn's protocol; anything else
begins the WebSocket handshake as if the bytes had just arrived. TLS is below both.
"""

import asyncio
from typing import Any, Final, cast

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState
from websockets.asyncio.server import ServerConnection

from fwai.simulator.common.rest import App

FIRST_BYTES_S: Final = 10.0
CLOSE_LIMIT_S: Final = 2.0
_POST: Final = b"POST "


class HttpOnSamePort:
    """Serves the HTTP connections of a port that it does not own.

    Args:
        app: Answers requests (ASGI).
    """

    def __init__(self, app: App) -> None:
        self._config = Config(
            app, log_config=None, access_log=False, interface="asgi3", lifespan="off", ws="none"
        )
        self._state = ServerState()
        self._undecided: set[asyncio.BaseTransport] = set()

    def wait(self, transport: asyncio.Transport) -> asyncio.TimerHandle:
        """Remember a connection that has said nothing yet; it is dropped after 10 s."""
        self._undecided.add(transport)
        return asyncio.get_running_loop().call_later(FIRST_BYTES_S, transport.abort)

    def decided(self, transport: asyncio.BaseTransport) -> None:
        """Forget a connection that has spoken or is gone."""
        self._undecided.discard(transport)

    def take(self, transport: asyncio.Transport, data: bytes) -> None:
        """Serve a connection whose first bytes are ``data``."""
        protocol = H11Protocol(self._config, self._state, {})
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)

    async def close(self) -> None:
        """Break off every connection; requests that do not end within 2 s are cancelled."""
        connections = list(self._state.connections)
        for transport in (*self._undecided, *(one.transport for one in connections)):
            if transport is not None:
                cast("asyncio.Transport", transport).abort()
        if tasks := set(self._state.tasks):
            _, late = await asyncio.wait(tasks, timeout=CLOSE_LIMIT_S)
            for task in late:
                task.cancel()


class SharedConnection(ServerConnection):
    """A connection whose first bytes decide whether it is WebSocket or HTTP.

    Args:
        *given: As ``ServerConnection``.
        http: Serves those that turn out to be HTTP.
        **options: As ``ServerConnection``.
    """

    def __init__(self, *given: Any, http: HttpOnSamePort, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*given, **options)
        self._http = http
        self._first = b""
        self._waiting: tuple[asyncio.Transport, asyncio.TimerHandle] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first bytes."""
        # Not isinstance: uvloop's transports are none of asyncio's classes.
        link = cast("asyncio.Transport", transport)
        self._waiting = link, self._http.wait(link)

    def data_received(self, data: bytes) -> None:
        """Decide by the first bytes, then take part in what was decided."""
        if self._waiting is None:
            super().data_received(data)
            return
        self._first += data
        if len(self._first) < len(_POST) and _POST.startswith(self._first):
            return
        transport, first = self._decide(), self._first
        if first.startswith(_POST):
            self._http.take(transport, first)
        else:
            super().connection_made(transport)
            super().data_received(first)

    def _decide(self) -> asyncio.Transport:
        assert self._waiting is not None  # noqa: S101 - asked by those who know
        transport, alarm = self._waiting
        alarm.cancel()
        self._http.decided(transport)
        self._waiting = None
        return transport

    def eof_received(self) -> None:
        """Let a connection that said nothing go."""
        if self._waiting is None:
            super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection that said nothing."""
        if self._waiting is None:
            super().connection_lost(exc)
        else:
            self._decide()
