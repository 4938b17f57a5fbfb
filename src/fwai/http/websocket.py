"""A WebSocket connection, client or server side, on picows.

A message is handed on inside the read of its bytes: no queue, no task. Sending never waits either;
what the kernel does not take at once is held by the transport up to a high-water mark, and from
there on the socket is congested: audio is refused until it drained, because late audio is worth
nothing; control messages, which are few and small, still go in. Whoever sends decides how long a
congested peer is borne.
"""

import asyncio
from collections.abc import Callable

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

MAX_REASON_BYTES = 120  # the protocol has room for 123
LINGER_S = 2.0  # what a peer that has closed is given to take our last bytes

_CONTINUATION = WSMsgType.CONTINUATION
_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY
_CLOSE = WSMsgType.CLOSE


class Socket(WSListener):
    """Receives and sends the messages of one WebSocket, with a high-water mark for sending.

    Args:
        receive: Called with each whole message; the view is valid only during the call.
        closed: Called once with the peer's close code and reason; 1006 when there was none.
        max_message_bytes: Longest message put together from fragments.
        high_water_bytes: How much may wait for the kernel before the socket is congested.

    Attributes:
        congested: Audio is refused at the moment.
    """

    def __init__(
        self,
        receive: Callable[[memoryview], None],
        closed: Callable[[int, str], None],
        max_message_bytes: int,
        high_water_bytes: int,
    ) -> None:
        super().__init__()
        self._receive = receive
        self._closed = closed
        self._max_message_bytes = max_message_bytes
        self._high_water_bytes = high_water_bytes
        self._transport: WSTransport | None = None
        self._fragments = bytearray()
        self._code = 1006
        self._reason = ""
        self._over = False
        self._linger: asyncio.TimerHandle | None = None
        self.congested = False

    @property
    def open(self) -> bool:
        """Whether messages can be sent."""
        return self._transport is not None and not self._over

    @property
    def leaving(self) -> bool:
        """Whether either side has begun to close, though bytes may still wait to be sent."""
        transport = self._transport
        return self._over or transport is None or transport.underlying_transport.is_closing()

    def send(self, message: bytes, *, droppable: bool = False) -> bool:
        """Send a text message.

        Args:
            message: UTF-8 text.
            droppable: Refuse it while the socket is congested; it is worth nothing later.

        Returns:
            False when the message was not taken.
        """
        if self._transport is None or self._over or (droppable and self.congested):
            return False
        self._transport.send(_TEXT, message)
        return True

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame and disconnect; ``closed`` is called when the transport is gone."""
        if self._transport is None or self._transport.is_disconnected:
            return
        self._over = True
        if not self._transport.is_close_frame_sent:
            short = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
            self._transport.send_close(WSCloseCode(code), short)
        self._transport.disconnect()

    def abort(self) -> None:
        """Drop the connection without a close frame, and what was not sent yet with it."""
        self._over = True
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    # ---- called by picows ---------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:  # noqa: D102
        self._transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=self._high_water_bytes)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: D102
        kind = frame.msg_type
        if self._over and kind != _CLOSE:
            return  # it came in the same read as what made us close
        if kind in (_TEXT, _BINARY):
            if frame.fin:
                self._receive(frame.get_payload_as_memoryview())
            else:
                self._fragments = bytearray(frame.get_payload_as_memoryview())
        elif kind == _CONTINUATION:
            self._continue(frame)
        elif kind == _CLOSE:
            self._code = _code(frame)
            self._reason = frame.get_close_reason() or ""
            self._over = True
            if not transport.is_close_frame_sent:
                transport.send_close(WSCloseCode.OK)
            transport.disconnect()
            # A peer that does not read would keep the connection: it is over all the same.
            self._linger = asyncio.get_running_loop().call_later(LINGER_S, self.abort)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002, D102
        if self._linger is not None:
            self._linger.cancel()
        self._over = True
        self._transport = None
        self._closed(self._code, self._reason)

    def pause_writing(self) -> None:  # noqa: D102
        self.congested = True

    def resume_writing(self) -> None:  # noqa: D102
        self.congested = False

    def _continue(self, frame: WSFrame) -> None:
        self._fragments += frame.get_payload_as_memoryview()
        if len(self._fragments) > self._max_message_bytes:
            self.close(1009, "message too long")
        elif frame.fin:
            message, self._fragments = self._fragments, bytearray()
            self._receive(memoryview(message))


def _code(frame: WSFrame) -> int:
    """Return a close frame's code; 1005 when it has none. Codes of 4000 and up are not named."""
    payload = bytes(frame.get_payload_as_memoryview()[:2])
    return int.from_bytes(payload, "big") if len(payload) == 2 else 1005
