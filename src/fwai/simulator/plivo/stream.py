"""Plivo's end of one media stream: connects, talks, listens, and ends with the call.

Theory of operation: two pumps share the socket. One sends a frame every 20 ms on an absolute
schedule and moves the playback buffer on; the other carries out what the server orders. Either
ends the stream by resolving one future, and so does the end of the call. A server that reads too
slowly makes the first pump late: that lateness is what Plivo buffers, so it is reported at 30,
60 and 90 % of 40 s and drops the stream at 100 %.
"""

import asyncio
import contextlib
import enum
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from fwai.errors import WireError
from fwai.simulator.common.line import Line
from fwai.simulator.common.voice import Mouth, Speech
from fwai.simulator.plivo.garbage import KINDS
from fwai.simulator.plivo.signature import PlivoSigner
from fwai.simulator.plivo.webhook import default_tls
from fwai.simulator.plivo.wire import (
    FRAME_MS,
    Checkpoint,
    ClearAudio,
    Command,
    Encoder,
    FormatMismatchError,
    PlayAudio,
    SendDtmf,
    decode,
)
from fwai.simulator.plivo.xml import StreamInstruction

ATTEMPTS = 3
RETRY_DELAY_S = 0.2
OPEN_LIMIT_S = 10.0
CLOSE_LIMIT_S = 2.0
READER_LIMIT_S = 40.0
DEGRADED = (0.9, 0.6, 0.3)
MAX_SIZE = 1 << 20
NOT_KEPT_ALIVE_S = 2.0
"""How long a call lives on when ``keepCallAlive`` is not true."""

GOOD_CLOSES = (1000, 1001)


class StreamEnd(enum.StrEnum):
    """Why a stream is over."""

    CALL_OVER = "call_over"
    CLOSED = "closed"
    BROKEN = "broken"
    REFUSED = "refused"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Account:
    """Who the stream belongs to, and how it proves itself.

    Attributes:
        call_id: The call's id.
        auth_id: The account's id.
        signer: Signs the upgrade.
        tls: Trust for ``wss://``; None takes the machine's.
        send_stop: Whether a ``stop`` message precedes the close at the end of the call.
    """

    call_id: str
    auth_id: str
    signer: PlivoSigner
    tls: ssl.SSLContext | None = None
    send_stop: bool = False


class MediaStream:
    """One media stream.

    Args:
        instruction: What the answer said about it.
        account: Whose it is.
        line: The call it belongs to.
        notify: Called with the stream id, each event of the status callback, and its fields.
    """

    def __init__(
        self,
        instruction: StreamInstruction,
        account: Account,
        line: Line,
        notify: Callable[..., None],
    ) -> None:
        self.stream_id = str(uuid4())
        self.finished = asyncio.Event()
        self.mouth = Mouth(instruction.audio, line.now_s)
        self._instruction = instruction
        self._account = account
        self._line = line
        self._notify = notify
        self._loop = asyncio.get_running_loop()
        self._encoder = Encoder(self.stream_id, instruction.extra_headers)
        self._socket: ClientConnection | None = None
        self._ended: asyncio.Future[StreamEnd] = self._loop.create_future()
        self._aborted = False
        self._degraded = list(DEGRADED)

    # ---- what the caller does --------------------------------------------------------------

    def say(self, name: str) -> Speech:
        """Say a phrase."""
        return self.mouth.say(name, self._line.repertoire.spoken(name, self._instruction.audio))

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self._send(self._encoder.dtmf(digit, round(self._line.now_s() * 1000)))

    async def garble(self, kind: str) -> None:
        """Send a malformed message; ``kind`` is a key of ``plivo_garbage.KINDS``."""
        await self._send(KINDS[kind](self.stream_id))

    def abort(self) -> None:
        """Break the connection without a word."""
        self._aborted = True
        if self._socket is not None:
            self._socket.transport.abort()

    def stop(self, why: StreamEnd = StreamEnd.STOPPED) -> None:
        """End the stream; the call goes on with its further orders."""
        if not self._ended.done():
            self._ended.set_result(why)

    # ---- its life --------------------------------------------------------------------------

    async def run(self, opened: Callable[[], None]) -> StreamEnd:
        """Carry the stream to its end; ``opened`` is called when audio begins to flow."""
        self._socket = await self._connect()
        if self._socket is None:
            self._notify(self.stream_id, "DroppedStream", StatusReason="connection_failed")
            return StreamEnd.REFUSED
        try:
            end = await self._talk(opened)
        finally:
            await self._close()
            self._line.ear.close(self._line.now_s())
            self.finished.set()
        dropped = end is StreamEnd.BROKEN or self._aborted
        event = "DroppedStream" if dropped else "StopStream"
        self._notify(self.stream_id, event, StatusReason=str(end))
        self._line.emit("stream_closed", end=str(end), code=self._socket.close_code)
        return end

    async def _connect(self) -> ClientConnection | None:
        url = self._instruction.url
        tls = (self._account.tls or default_tls()) if url.startswith("wss") else None
        for attempt in range(1, ATTEMPTS + 1):
            if self._line.ending is not None:
                return None
            try:
                return await connect(
                    url,
                    additional_headers=self._account.signer.upgrade(url),
                    compression=None,
                    proxy=None,
                    ping_interval=None,
                    open_timeout=OPEN_LIMIT_S,
                    close_timeout=CLOSE_LIMIT_S,
                    max_size=MAX_SIZE,
                    user_agent_header="plivo-simulator",
                    ssl=tls,
                )
            except (OSError, TimeoutError, WebSocketException) as exc:
                self._line.emit("stream_refused", attempt=attempt, error=str(exc))
                await asyncio.sleep(RETRY_DELAY_S)
        return None

    async def _talk(self, opened: Callable[[], None]) -> StreamEnd:
        instruction, line = self._instruction, self._line
        line.ear.open(instruction.audio.sample_rate)
        limit_s = instruction.timeout_s if instruction.keep_call_alive else NOT_KEPT_ALIVE_S
        async with asyncio.TaskGroup() as tasks:
            pumps = [
                tasks.create_task(self._send_media(opened), name="plivo_send_media"),
                tasks.create_task(self._receive(), name="plivo_receive"),
            ]
            ends: set[asyncio.Future[Any]] = {self._ended, line.over}
            await asyncio.wait(ends, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
        if line.ending is not None:
            return StreamEnd.CALL_OVER
        return self._ended.result() if self._ended.done() else StreamEnd.STOPPED

    async def _close(self) -> None:
        if self._socket is None or self._aborted:
            return
        if self._account.send_stop and not self._ended.done():
            await self._send(self._encoder.stop())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * CLOSE_LIMIT_S):
                await self._socket.close()

    # ---- towards the server ----------------------------------------------------------------

    async def _send(self, message: str | bytes) -> None:
        """Send one message; a lost connection ends the stream instead of raising."""
        if self._socket is None:
            return
        try:
            async with asyncio.timeout(READER_LIMIT_S):
                await self._socket.send(message)
        except ConnectionClosed as exc:
            self._lost(exc)
        except TimeoutError:
            self._line.violate("the server did not read its stream for 40 s")
            self.stop(StreamEnd.BROKEN)

    def _lost(self, exc: ConnectionClosed) -> None:
        code = exc.rcvd.code if exc.rcvd else None
        self.stop(StreamEnd.CLOSED if code in GOOD_CLOSES else StreamEnd.BROKEN)

    async def _send_media(self, opened: Callable[[], None]) -> None:
        account, instruction = self._account, self._instruction
        await self._send(self._encoder.start(account.call_id, account.auth_id, instruction.audio))
        self._notify(self.stream_id, "StartStream")
        opened()
        due = self._loop.time()
        while not self._ended.done():
            late = self._loop.time() - due
            if late < 0:
                await asyncio.sleep(-late)
            elif self._degraded and late > self._degraded[-1] * READER_LIMIT_S:
                self._notify(
                    self.stream_id, "DegradedStream", StatusReason=f"{self._degraded.pop():.0%}"
                )
            await self._send(self._encoder.media(self.mouth.next_payload()))
            await self._tell_played(self._line.ear.advance(self._line.now_s()))
            self._line.wake()
            due += FRAME_MS / 1000

    async def _tell_played(self, names: list[str]) -> None:
        for name in names:
            await self._send(self._encoder.played(name))
            self._notify(self.stream_id, "PlayedStream", Name=name)
            self._line.reached(name)

    # ---- from the server -------------------------------------------------------------------

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
            command = decode(message, self.stream_id, self._instruction.audio)
        except FormatMismatchError as exc:
            self._line.violate(str(exc))
            await self._send(self._encoder.error("invalid_content_type"))
        except WireError as exc:
            self._line.violate(str(exc))
        else:
            await self._carry_out(command)

    async def _carry_out(self, command: Command) -> None:
        line, now_s = self._line, self._line.now_s()
        match command:
            case PlayAudio() if not self._instruction.bidirectional:
                line.violate("playAudio on a stream that is not bidirectional")
            case PlayAudio():
                if not line.ear.play(command.pcm, now_s):
                    line.violate("more than 40 s of speech ahead (buffer_overflow)")
                    await self._send(self._encoder.error("buffer_overflow"))
            case Checkpoint():
                if not line.ear.checkpoint(command.name, now_s):
                    line.violate("more than 1000 checkpoints ahead")
            case ClearAudio():
                reached, unheard_ms = line.ear.clear(now_s)
                line.cleared(now_s, unheard_ms)
                await self._tell_played(reached)
                await self._send(self._encoder.cleared())
                self._notify(self.stream_id, "ClearedAudio")
            case SendDtmf():
                line.pressed(command.digits)
