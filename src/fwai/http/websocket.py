"""A WebSocket connection, client or server side, on picows.

A message is handed on inside the read of its bytes: no queue, no task. Sending never waits either;
what the kernel does not take at once is held by the transport up to a high-water mark, and from
there on the socket is congested: audio is refused until it drained, because late audio is worth
nothing; control messages, which are few and small, still go in, up to `CONTROL_BYTES` more. A peer
that stays congested for `STALLED_S` is disconnected, whoever speaks.

Frames are judged here before their payload counts. picows refuses unknown opcodes, control frames
that are cut or long, wrong masks and lengths, but what it refuses for its size it still delivers
when the rest comes within 10 ms, and of reserved bits, fragments and pings without end it thinks
nothing. Whether text is UTF-8 is for whoever parses it: nothing else looks at it.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

MAX_REASON_BYTES = 120  # the protocol has room for 123
LINGER_S = 2.0  # what a peer is given to take our last bytes once either side has closed
STALLED_S = 5.0  # how long a peer may stay congested
PONG_S = 0.1  # between two pongs; the protocol asks for one to the latest ping only
CONTROL_BYTES: Final = 256 * 1024  # of control messages that may wait above the high-water mark

_CONTINUATION = WSMsgType.CONTINUATION
_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY
_PING = WSMsgType.PING
_CLOSE = WSMsgType.CLOSE
_DATA = (_TEXT, _BINARY)
_BREACH: Final = 1002
_TOO_LONG: Final = 1009


class Socket(WSListener):
    """Receives and sends the messages of one WebSocket, with a high-water mark for sending.

    Pings are answered here, so picows must not (``enable_auto_pong=False``): it would answer one
    that reads nothing until memory is full.

    Args:
        receive: Called with each whole message; the view is valid only during the call.
        closed: Called once with the peer's close code and reason; 1006 when there was none.
        max_message_bytes: Longest message, in one frame or put together from fragments; picows
            must be given the same limit for frames.
        high_water_bytes: How much may wait for the kernel before the socket is congested.

    Attributes:
        congested: Audio is refused at the moment.
        stalled: It was disconnected because the peer took nothing for `STALLED_S`.
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
        self._fragments: bytearray | None = None  # of a message that is not whole yet
        self._code = 1006
        self._reason = ""
        self._over = False
        self._linger: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._ping: bytes | None = None  # the latest that is not answered
        self._next_pong: asyncio.TimerHandle | None = None
        self.congested = False
        self.stalled = False

    @property
    def open(self) -> bool:
        """Whether messages can be sent."""
        transport = self._transport
        return transport is not None and not self._over and not transport.is_close_frame_sent

    @property
    def leaving(self) -> bool:
        """Whether either side has begun to close, though bytes may still wait to be sent."""
        transport = self._transport
        return (
            self._over
            or transport is None
            or transport.is_close_frame_sent
            or transport.underlying_transport.is_closing()
        )

    def send(self, message: bytes, *, droppable: bool = False) -> bool:
        """Send a text message.

        Args:
            message: UTF-8 text.
            droppable: Refuse it while the socket is congested; it is worth nothing later.

        Returns:
            False when the message was not taken.
        """
        transport = self._transport
        if transport is None or self._over or transport.is_close_frame_sent:
            return False
        if self.congested and (droppable or not self._has_room(transport, len(message))):
            return False
        transport.send(_TEXT, message)
        return True

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame and disconnect; ``closed`` is called when the transport is gone.

        A peer that does not take our last bytes within `LINGER_S` is dropped.
        """
        if self._transport is None or self._transport.is_disconnected:
            return
        if not self._transport.is_close_frame_sent:
            short = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
            self._transport.send_close(WSCloseCode(code), short)
        self._transport.disconnect()
        self.end_soon()

    def abort(self) -> None:
        """Drop the connection without a close frame, and what was not sent yet with it."""
        self._over = True
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def end_soon(self) -> None:
        """Hand on and send nothing more; drop the connection unless it ends within `LINGER_S`."""
        self._over = True
        self._fragments = self._ping = None
        if self._linger is None and self._transport is not None:
            self._linger = asyncio.get_running_loop().call_later(LINGER_S, self.abort)

    # ---- called by picows ---------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:  # noqa: D102
        self._transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=self._high_water_bytes)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: D102
        kind = frame.msg_type
        if self._over or transport.is_close_frame_sent:
            # It came in the same read as what made us, or picows, close.
            if kind == _CLOSE:
                self._note_close(transport, frame)
        elif frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.close(_BREACH, "reserved bits")
        elif frame.payload_size > self._max_message_bytes:
            self.close(_TOO_LONG, "message too long")
        elif kind in _DATA:
            if self._fragments is not None:
                self.close(_BREACH, "a message inside another")
            elif frame.fin:
                self._receive(frame.get_payload_as_memoryview())
            else:
                self._fragments = bytearray(frame.get_payload_as_memoryview())
        else:
            self._handle_rare(kind, transport, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002, D102
        for timer in (self._linger, self._stall, self._next_pong):
            if timer is not None:
                timer.cancel()
        self._over = True
        self._transport = None
        self._closed(self._code, self._reason)

    def pause_writing(self) -> None:  # noqa: D102
        self.congested = True
        if self._stall is None:
            self._stall = asyncio.get_running_loop().call_later(STALLED_S, self._give_up)

    def resume_writing(self) -> None:  # noqa: D102
        self.congested = False
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    # ---- judging and answering ----------------------------------------------------------------

    def _handle_rare(self, kind: WSMsgType, transport: WSTransport, frame: WSFrame) -> None:
        if kind == _CONTINUATION:
            self._continue(frame)
        elif kind == _PING:
            self._ping = frame.get_payload_as_bytes()
            if self._next_pong is None:
                self._answer_ping()
        elif kind == _CLOSE:
            self._note_close(transport, frame)

    def _continue(self, frame: WSFrame) -> None:
        fragments = self._fragments
        if fragments is None:
            self.close(_BREACH, "a continuation of nothing")
        elif len(fragments) + frame.payload_size > self._max_message_bytes:
            self.close(_TOO_LONG, "message too long")
        else:
            fragments += frame.get_payload_as_memoryview()
            if frame.fin:
                self._fragments = None
                self._receive(memoryview(fragments))

    def _note_close(self, transport: WSTransport, frame: WSFrame) -> None:
        self._code = _code(frame)
        self._reason = frame.get_close_reason() or ""
        if not transport.is_close_frame_sent:
            transport.send_close(WSCloseCode.OK)
        transport.disconnect()
        # A peer that does not read would keep the connection: it is over all the same.
        self.end_soon()

    def _answer_ping(self) -> None:
        """Answer the latest ping, unless the peer does not take what was sent before."""
        self._next_pong = None
        if self._ping is None or self._transport is None or not self.open:
            return
        if not self.congested:
            self._transport.send_pong(self._ping)
            self._ping = None
        self._next_pong = asyncio.get_running_loop().call_later(PONG_S, self._answer_ping)

    def _has_room(self, transport: WSTransport, more: int) -> bool:
        waiting = transport.underlying_transport.get_write_buffer_size()
        return waiting + more <= self._high_water_bytes + CONTROL_BYTES

    def _give_up(self) -> None:
        self._stall = None
        self.stalled = not self.leaving  # that one who leaves takes nothing more is no fault
        self.abort()


def _code(frame: WSFrame) -> int:
    """Return a close frame's code; 1005 when it has none. Codes of 4000 and up are not named."""
    payload = bytes(frame.get_payload_as_memoryview()[:2])
    return int.from_bytes(payload, "big") if len(payload) == 2 else 1005
