"""The provider's end of a media stream over a WebSocket: the base of every provider's.

Theory of operation: two pumps share the socket. One takes 20 ms of the caller's voice on an
absolute schedule and moves the playback buffer on; the other carries out what the server sends.
Either ends the stream by resolving one future, and so does the end of the call.
"""

import asyncio
import contextlib
import enum
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Final, Generic, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from fwai.errors import WireError
from fwai.simulator.common.line import Line
from fwai.simulator.common.tls import default_tls
from fwai.simulator.common.voice import Speech, SpeechSource
from fwai.simulator.common.wire import FRAME_MS, StreamFormat

RETRY_DELAY_S: Final = 0.2
OPEN_LIMIT_S: Final = 10.0
CLOSE_LIMIT_S: Final = 2.0
MAX_SIZE: Final = 1 << 20
GOOD_CLOSES: Final = (1000, 1001)

CommandT = TypeVar("CommandT")


class StreamEnd(enum.StrEnum):
    """Why a stream is over."""

    CALL_OVER = "call_over"
    CLOSED = "closed"
    BROKEN = "broken"
    REFUSED = "refused"
    STOPPED = "stopped"


class ProviderStream(ABC, Generic[CommandT]):
    """Carries one media stream; a provider's class adds its messages.

    Args:
        url: ``ws://`` or ``wss://``; user and password in it are sent as Basic credentials.
        audio: The format of both directions.
        line: The call it belongs to.
        tls: Trust for ``wss://``; None takes the machine's.

    Attributes:
        finished: Set when the stream is over.
        provider: Name of the provider, in lower case.
        attempts: How often a connection is tried.
        reader_limit_s: A server that does not read for this long has broken the stream.
        first_frame_ms: When the first frame is due, from the start.
    """

    provider: ClassVar[str]
    attempts: ClassVar[int]
    reader_limit_s: ClassVar[float]
    first_frame_ms: ClassVar[int] = 0

    def __init__(
        self, url: str, audio: StreamFormat, line: Line, tls: ssl.SSLContext | None = None
    ) -> None:
        self.finished = asyncio.Event()
        self._url = url
        self._audio = audio
        self._line = line
        self._tls = tls
        self._speech = SpeechSource(audio, line.now_s)
        self._loop = asyncio.get_running_loop()
        self._socket: ClientConnection | None = None
        self._ended: asyncio.Future[StreamEnd] = self._loop.create_future()
        self._aborted = False

    # ---- what a provider adds ------------------------------------------------------------------

    @abstractmethod
    def _dtmf(self, digit: str) -> str:
        """Return the message of a key press."""

    @abstractmethod
    def _malformed(self, kind: str) -> str | bytes:
        """Return a malformed message of this kind."""

    @abstractmethod
    async def _start(self) -> None:
        """Send what opens the stream."""

    @abstractmethod
    async def _send_frame(self, payload: str) -> None:
        """Send 20 ms of the caller's voice, given as base64, or gather them."""

    @abstractmethod
    async def _tell_played(self, name: str) -> None:
        """Tell the server that a checkpoint was reached."""

    @abstractmethod
    def _stop_message(self) -> str | None:
        """Return what is sent before the close at the end of the call, or None."""

    @abstractmethod
    def _decode(self, message: str | bytes) -> CommandT:
        """Read one message from the server.

        Raises:
            WireError: It breaks a rule.
        """

    @abstractmethod
    async def _carry_out(self, command: CommandT) -> None:
        """Do what the server asks for."""

    def _upgrade_headers(self) -> dict[str, str]:
        """Return headers for the upgrade request."""
        return {}

    def _limit_s(self) -> float | None:
        """Return how long the stream lasts at most."""
        return None

    def _late(self, late_s: float) -> None:
        """Note how late a frame is, because the server reads too slowly."""

    async def _refuse(self, error: WireError) -> None:
        """Answer a message that breaks a rule."""

    def _over(self, end: StreamEnd) -> None:
        """Report how the stream ended, or that it never began."""

    # ---- what the caller does ------------------------------------------------------------------

    def say(self, name: str) -> Speech:
        """Say a phrase."""
        return self._speech.say(name, self._line.repertoire.spoken(name, self._audio))

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self._send(self._dtmf(digit))

    async def garble(self, kind: str) -> None:
        """Send a malformed message; ``kind`` is a key of the provider's ``malformed.KINDS``."""
        await self._send(self._malformed(kind))

    def abort(self) -> None:
        """Break the connection without a word."""
        self._aborted = True
        if self._socket is not None:
            self._socket.transport.abort()

    def stop(self, why: StreamEnd = StreamEnd.STOPPED) -> None:
        """End the stream, but not the call."""
        if not self._ended.done():
            self._ended.set_result(why)

    # ---- connection ----------------------------------------------------------------------------

    async def run(self, opened: Callable[[], None]) -> StreamEnd:
        """Carry the stream to its end; ``opened`` is called when audio begins to flow."""
        self._socket = await self._connect()
        if self._socket is None:
            self._over(StreamEnd.REFUSED)
            return StreamEnd.REFUSED
        try:
            end = await self._talk(opened)
        finally:
            await self._close()
            self._line.ear.close(self._line.now_s())
            self.finished.set()
        self._over(end)
        self._line.emit("stream_closed", end=str(end), code=self._socket.close_code)
        return end

    async def _connect(self) -> ClientConnection | None:
        secure = self._url.startswith("wss")
        for attempt in range(1, self.attempts + 1):
            if self._line.ending is not None:
                return None
            try:
                return await connect(
                    self._url,
                    additional_headers=self._upgrade_headers(),
                    compression=None,
                    proxy=None,
                    ping_interval=None,
                    open_timeout=OPEN_LIMIT_S,
                    close_timeout=CLOSE_LIMIT_S,
                    max_size=MAX_SIZE,
                    user_agent_header=f"{self.provider}-simulator",
                    ssl=(self._tls or default_tls()) if secure else None,
                )
            except (OSError, TimeoutError, WebSocketException) as exc:
                self._line.emit("stream_refused", attempt=attempt, error=str(exc))
                await asyncio.sleep(RETRY_DELAY_S)
        return None

    async def _talk(self, opened: Callable[[], None]) -> StreamEnd:
        line = self._line
        line.ear.open(self._audio.sample_rate)
        async with asyncio.TaskGroup() as tasks:
            pumps = [
                tasks.create_task(self._send_media(opened), name=f"{self.provider}_send_media"),
                tasks.create_task(self._receive(), name=f"{self.provider}_receive"),
            ]
            ends: set[asyncio.Future[Any]] = {self._ended, line.over}
            await asyncio.wait(ends, timeout=self._limit_s(), return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
        if line.ending is not None:
            return StreamEnd.CALL_OVER
        return self._ended.result() if self._ended.done() else StreamEnd.STOPPED

    async def _close(self) -> None:
        if self._socket is None or self._aborted:
            return
        if not self._ended.done() and (stop := self._stop_message()) is not None:
            await self._send(stop)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * CLOSE_LIMIT_S):
                await self._socket.close()

    # ---- pumps ---------------------------------------------------------------------------------

    async def _send(self, message: str | bytes) -> None:
        """Send one message; a lost connection ends the stream instead of raising."""
        if self._socket is None:
            return
        try:
            async with asyncio.timeout(self.reader_limit_s):
                await self._socket.send(message)
        except ConnectionClosed as exc:
            self._lost(exc)
        except TimeoutError:
            self._line.violate(f"the server did not read its stream for {self.reader_limit_s:g} s")
            self.stop(StreamEnd.BROKEN)

    def _lost(self, exc: ConnectionClosed) -> None:
        code = exc.rcvd.code if exc.rcvd else None
        self.stop(StreamEnd.CLOSED if code in GOOD_CLOSES else StreamEnd.BROKEN)

    async def _send_media(self, opened: Callable[[], None]) -> None:
        await self._start()
        opened()
        due = self._loop.time() + self.first_frame_ms / 1000
        while not self._ended.done():
            late_s = self._loop.time() - due
            await asyncio.sleep(max(-late_s, 0.0))
            if late_s > 0:
                self._late(late_s)
            await self._send_frame(self._speech.next_payload())
            await self._tell_all_played(self._line.ear.advance(self._line.now_s()))
            self._line.wake()
            due += FRAME_MS / 1000

    async def _tell_all_played(self, names: list[str]) -> None:
        for name in names:
            await self._tell_played(name)
            self._line.reached(name)

    async def _receive(self) -> None:
        if self._socket is None:
            return
        try:
            async for message in self._socket:
                await self._obey(message)
        except ConnectionClosed as exc:
            self._lost(exc)
        self.stop(StreamEnd.CLOSED)

    async def _obey(self, message: str | bytes) -> None:
        try:
            command = self._decode(message)
        except WireError as exc:
            self._line.violate(str(exc))
            await self._refuse(exc)
            return
        await self._carry_out(command)
