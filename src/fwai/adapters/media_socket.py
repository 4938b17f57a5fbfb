"""Moves media WebSockets from ASGI to picows after the handshake, for speed.

The handshake is ordinary: a FastAPI route looks at path, headers and token, and refuses with 403 or
takes the socket. What follows, fifty messages a second each way and call, does not pass through
ASGI, where every message costs a queue, a task switch and two changes of the poll set: the route
calls `take_over`, and from then on picows reads and writes the connection (docs/adr/0003).
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, cast

from fastapi import WebSocket
from picows import WSAutoPingStrategy
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # guarded by a test
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from fwai.http.websocket import Socket

EXTENSION: Final = "fwai.media"
# Plivo stays below 64 KB. Exotel may put 100,000 bytes of sound into one message, two seconds of
# 24 kHz: 133 KB in base64, and some more around it.
MAX_MESSAGE_BYTES: Final = 256 * 1024
READ_BUFFER_BYTES: Final = 4 * 1024
MAX_READ_BYTES: Final = 16 * 1024  # a second of 8 kHz audio in 20 ms messages
BUSY_S: Final = 0.000_5  # what a whole read may cost before its peer has to wait
REST_S: Final = 0.02

_UPGRADE: Final = (
    b"GET / HTTP/1.1\r\nHost: media\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
)

_get_buffer: Final = WSProtocol.get_buffer
_buffer_updated: Final = WSProtocol.buffer_updated

_picows_log = logging.getLogger("fwai.media_socket")
_picows_log.setLevel(logging.WARNING)


class StrangersProtocol(WSProtocol):  # type: ignore[misc]  # picows names no types for it
    """picows' side of a connection whose peer may be anybody.

    picows reads as much as there is, into a buffer that doubles whenever it was filled; so a flood
    of small frames makes its own next read longer, up to seconds. Here one read is short, and a
    peer that fills it with work is not read from for a while: nothing of a burst is lost, but it
    takes turns with everybody else. After a breach of the protocol nothing more is parsed; what
    still comes is read and thrown away, so that our close frame is not overtaken by a reset.
    """

    _is_over = False

    def get_buffer(self, size_hint: int) -> memoryview:
        """Return the place of the next read."""
        # Neither super() nor a cast nor a needless slice: all cost on the hot path.
        place = _get_buffer(self, size_hint)
        if len(place) > MAX_READ_BYTES:
            place = place[:MAX_READ_BYTES]
        return place  # type: ignore[no-any-return]

    def buffer_updated(self, nbytes: int) -> None:
        """Parse and hand on what was read."""
        if self._is_over:
            return
        if nbytes < MAX_READ_BYTES:
            _buffer_updated(self, nbytes)
        else:
            began = time.perf_counter()
            _buffer_updated(self, nbytes)
            if time.perf_counter() - began > BUSY_S:
                self._rest()
        if self.transport.is_close_frame_sent:
            self._is_over = True
            if isinstance(self.listener, Socket):
                self.listener.end_soon()

    def _rest(self) -> None:
        connection = self.transport.underlying_transport
        if not connection.is_closing():
            connection.pause_reading()
            asyncio.get_running_loop().call_later(REST_S, self._read_on)

    def _read_on(self) -> None:
        connection = self.transport.underlying_transport
        if not connection.is_closing():
            connection.resume_reading()


class MediaSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol (``ws=`` of its Config) that can hand a connection to picows."""

    def data_received(self, data: bytes) -> None:
        """Offer the switch to picows to the route once the upgrade request is complete."""
        super().data_received(data)
        if self.handshake_initiated and not self.handshake_complete and hasattr(self, "scope"):
            extensions = cast("dict[str, object]", self.scope["extensions"])
            extensions[EXTENSION] = self._switch_to_picows

    def _switch_to_picows(self, listener: Socket) -> None:
        """Let picows complete the handshake and carry the connection from here on."""
        protocol = StrangersProtocol(
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
            False,  # the listener answers pings, and not those of a peer that reads nothing
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
