"""Moves media WebSockets from ASGI to picows after the handshake, for speed.

The handshake is ordinary: a FastAPI route looks at path, headers and token, and refuses with 403 or
takes the socket. What follows, fifty messages a second each way and call, does not pass through
ASGI, where every message costs a queue, a task switch and two changes of the poll set: the route
calls `take_over`, and from then on picows reads and writes the connection (docs/adr/0003).
"""

import logging
from collections.abc import Callable
from typing import Final, cast

from fastapi import WebSocket
from picows import WSAutoPingStrategy, WSListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # guarded by a test
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from fwai.http.websocket import Socket

EXTENSION: Final = "fwai.media"
# Plivo stays below 64 KB. Exotel may put 100,000 bytes of sound into one message, two seconds of
# 24 kHz: 133 KB in base64, and some more around it.
MAX_MESSAGE_BYTES: Final = 256 * 1024
READ_BUFFER_BYTES: Final = 4 * 1024

_UPGRADE: Final = (
    b"GET / HTTP/1.1\r\nHost: media\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
)

_picows_log = logging.getLogger("fwai.media_socket")
_picows_log.setLevel(logging.WARNING)


class MediaSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol (``ws=`` of its Config) that can hand a connection to picows."""

    def data_received(self, data: bytes) -> None:
        """Offer the switch to picows to the route once the upgrade request is complete."""
        super().data_received(data)
        if self.handshake_initiated and not self.handshake_complete and hasattr(self, "scope"):
            extensions = cast("dict[str, object]", self.scope["extensions"])
            extensions[EXTENSION] = self._switch_to_picows

    def _switch_to_picows(self, listener: WSListener) -> None:
        """Let picows complete the handshake and carry the connection from here on."""
        protocol = WSProtocol(
            None,
            None,
            False,  # is_client_side: a positional C signature
            lambda _: listener,
            _picows_log,
            True,  # disconnect on an exception of the listener
            5,
            False,  # no pings of ours: carriers send media without end
            10,
            10,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            True,  # answer the peer's pings
            MAX_MESSAGE_BYTES,
            None,
            READ_BUFFER_BYTES,
        )
        self.handshake_complete = True
        self.connections.discard(self)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        # uvicorn has checked the request. picows needs only the key of it to answer, and would not
        # take one that is longer than its buffer.
        request = _UPGRADE % self.request.headers["Sec-WebSocket-Key"].encode("ascii")
        buffer = protocol.get_buffer(len(request))
        buffer[: len(request)] = request
        protocol.buffer_updated(len(request))


def take_over(
    websocket: WebSocket,
    receive: Callable[[memoryview], None],
    closed: Callable[[int, str], None],
    high_water_bytes: int,
) -> Socket:
    """Accept the WebSocket of a route and move it from ASGI to picows.

    The route must stay until ``closed`` was called; when it returns, the connection is closed.

    Args:
        websocket: Not accepted yet.
        receive: Called with each whole message; the view is valid only during the call.
        closed: Called once with the peer's close code and reason.
        high_water_bytes: How much may wait for the kernel before audio is refused.

    Raises:
        RuntimeError: The server was not started with ``ws=MediaSocketProtocol``.
    """
    switch = websocket.scope.get("extensions", {}).get(EXTENSION)
    if switch is None:
        raise RuntimeError("start uvicorn with ws=MediaSocketProtocol")
    socket = Socket(receive, closed, MAX_MESSAGE_BYTES, high_water_bytes)
    switch(socket)
    return socket
