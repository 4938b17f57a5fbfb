"""Caller leg over a provider's media WebSocket, for any codec.

Caller audio is batched to `BATCH_MS` before it is decoded and emitted, which halves the work per
second; everything else is emitted at once. Sound that comes faster than it can have been spoken
(`sound_allowance`) is dropped and counted, and ends nothing.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Self

import structlog
from fastapi import WebSocket

from fwai.adapters.media_codec import MediaCodec, StreamStarted
from fwai.adapters.media_socket import take_over
from fwai.adapters.sound_allowance import SoundAllowance
from fwai.domain.events import CallerAudio, CallerEvent, CallerHungUp, MarkReached
from fwai.errors import WireError
from fwai.http.websocket import Socket

BATCH_MS: Final = 40
START_S: Final = 10.0  # from the handshake to the provider's start message
CLOSE_S: Final = 2.0
MAX_WIRE_ERRORS: Final = 3  # in a row
EARLY_EVENTS: Final = 500
MAX_AWAITED_MARKS: Final = 1000  # as many as Plivo holds
OWN_CODES: Final = 3_000  # from here on close codes mean what a peer wants them to mean
BUFFERED_MS: Final = 2_000  # of speech that may wait for a slow peer

_log = structlog.get_logger()


class WebSocketLeg:
    """Runs a codec over a media WebSocket. Implements ``CallerLeg``.

    Attributes:
        wire_errors: Messages that could not be read.
        dropped_messages: Of ours, which a congested peer did not take.
    """

    def __init__(self, codec: MediaCodec, max_call_s: float | None = None) -> None:
        self._codec = codec
        self._max_call_s = max_call_s
        self._loop = asyncio.get_running_loop()
        self._socket: Socket | None = None
        self._started: asyncio.Future[StreamStarted] = self._loop.create_future()
        self._gone = asyncio.Event()
        self._listener: Callable[[CallerEvent], None] | None = None
        self._early_events: deque[CallerEvent] = deque(maxlen=EARLY_EVENTS)
        self._awaited_marks: deque[str] = deque(maxlen=MAX_AWAITED_MARKS)
        self._pending_audio = bytearray()
        self._batch_bytes = 0
        self._allowance: SoundAllowance | None = None  # before the start nobody knows what it is
        self._errors_in_a_row = 0
        self._broken = False
        self._hung_up = False
        self.wire_errors = 0
        self.dropped_messages = 0

    @classmethod
    async def open(
        cls, websocket: WebSocket, codec: MediaCodec, max_call_s: float | None = None
    ) -> tuple[Self, StreamStarted]:
        """Accept the socket and wait for the provider's start message.

        Raises:
            WireError: No start message came within `START_S`; the socket is closed.
        """
        leg = cls(codec, max_call_s)
        leg._socket = take_over(websocket, leg._receive, leg._closed, BUFFERED_MS * 24)
        try:
            async with asyncio.timeout(START_S):
                started = await leg._started
        except TimeoutError:
            await leg.close(1008)
            raise WireError("the stream did not say which call it belongs to in time") from None
        except BaseException:
            await leg.close(1008)
            raise
        return leg, started

    # ---- CallerLeg ----------------------------------------------------------------------------

    @property
    def sample_rate(self) -> int:
        """Samples per second both ways, in Hz."""
        return self._codec.sample_rate

    @property
    def max_call_s(self) -> float | None:
        """How long the provider lets a call last, in seconds."""
        return self._max_call_s

    @property
    def lead_ms(self) -> float:
        """How far ahead of the caller's ear speech must be handed over, in milliseconds."""
        return self._codec.lead_ms

    @property
    def dropped_sound_ms(self) -> int:
        """How much of the caller's sound was dropped because it came faster than time passed."""
        return 0 if self._allowance is None else self._allowance.dropped_ms

    def listen(self, hear: Callable[[CallerEvent], None]) -> None:
        """Deliver every event from now on to ``hear``; earlier ones first."""
        self._listener = hear
        while self._early_events:
            hear(self._early_events.popleft())

    def play(self, pcm: bytes) -> None:
        """Play ``pcm``; what a congested peer does not take is dropped and counted."""
        self._send_audio(self._codec.encode_audio(pcm))

    def _send_audio(self, messages: Sequence[bytes]) -> None:
        if self._socket is None:
            return
        for message in messages:
            if not self._socket.send(message, droppable=True):
                self.dropped_messages += 1
                if self._socket.leaving and self._socket.open:
                    # It left without a close frame: there is none to answer, nor anybody to wait
                    # for. That it takes nothing more is no fault then.
                    self._socket.abort()

    def flush(self) -> None:
        """Play what the codec holds back to fill a message."""
        self._send_audio(self._codec.encode_tail())

    def clear(self) -> None:
        """Drop what the provider has buffered; marks it still returns are not reported."""
        self._awaited_marks.clear()
        if self._socket is not None:
            self._socket.send(self._codec.encode_clear())

    def mark(self, name: str) -> bool:
        """Send a mark after everything played so far."""
        message = self._codec.encode_mark(name)
        if self._hung_up or message is None or self._socket is None:
            return False
        if not self._socket.send(message):
            return False
        self._awaited_marks.append(name)
        return True

    async def close(self, code: int = 1000) -> None:
        """Close the socket; a peer that does not answer is dropped after `CLOSE_S`."""
        if self._socket is None:
            return
        self._listener = _ignore
        self._socket.close(code)
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._gone.wait()
        except TimeoutError:
            self._socket.abort()

    async def gone(self) -> None:
        """Wait until the connection is over."""
        await self._gone.wait()

    # ---- from the socket ----------------------------------------------------------------------

    def _receive(self, message: memoryview) -> None:
        try:
            event = self._codec.decode(message)
        except WireError:
            self._count_error()
            return
        self._errors_in_a_row = 0
        if type(event) is bytes:
            allowance = self._allowance
            if allowance is not None:
                if len(event) <= allowance.left:
                    allowance.left -= len(event)
                else:
                    event = allowance.take(event, self._loop.time())
                self._pending_audio += event
                if len(self._pending_audio) >= self._batch_bytes:
                    self._emit_audio()
        elif isinstance(event, StreamStarted):
            if not self._started.done():
                self._batch_bytes = self._codec.bytes_per_ms * BATCH_MS
                self._allowance = SoundAllowance(self._codec.bytes_per_ms, self._loop.time())
                self._started.set_result(event)
        elif event is not None and self._started.done():
            self._emit_audio()
            self._emit(event)  # type: ignore[arg-type]

    def _emit_audio(self) -> None:
        if self._pending_audio:
            pcm = self._codec.to_pcm(bytes(self._pending_audio))
            self._pending_audio.clear()
            self._emit(CallerAudio(pcm))

    def _emit(self, event: CallerEvent) -> None:
        if self._hung_up:  # a stream may go on until its socket is closed
            return
        if isinstance(event, CallerHungUp):
            self._hung_up = True
        elif isinstance(event, MarkReached):
            if event.name not in self._awaited_marks:
                return
            self._awaited_marks.remove(event.name)
        if self._listener is not None:
            self._listener(event)
        else:
            self._early_events.append(event)

    def _closed(self, code: int, reason: str) -> None:  # noqa: ARG002 - a peer's words stay out
        if not self._started.done():
            said = code if code < OWN_CODES else "own code"
            self._started.set_exception(WireError(f"the stream closed before it started ({said})"))
        stalled = self._socket is not None and self._socket.stalled
        if stalled:
            _log.warning("stream_stalled", dropped=self.dropped_messages)
        if self._allowance is not None and self._allowance.dropped_bytes:
            _log.warning("stream_sound_dropped", dropped_ms=self.dropped_sound_ms)
        self._emit(CallerHungUp(failed=self._broken or stalled))
        self._gone.set()

    def _count_error(self) -> None:
        self.wire_errors += 1
        self._errors_in_a_row += 1
        if self.wire_errors == 1:
            _log.warning("stream_message_unreadable", errors=self.wire_errors)
        if self._errors_in_a_row >= MAX_WIRE_ERRORS and self._socket is not None:
            self._broken = True
            _log.warning("stream_closed_on_errors", errors=self.wire_errors)
            self._socket.close(1003, "unreadable messages")


def _ignore(_: CallerEvent) -> None:
    """Drop an event that came after the leg was closed."""
