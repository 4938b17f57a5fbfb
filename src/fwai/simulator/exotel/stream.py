"""Exotel's end of one media stream: connects, talks, listens, and ends with the call.

Theory of operation: as in ``plivo_stream``, two pumps share the socket and one future ends both.
The caller's voice is taken every 20 ms on an absolute schedule and sent when a message of
``message_ms`` is full, so the delay of gathering it is in every measured time, as it is at Exotel.
"""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from fwai.errors import WireError
from fwai.simulator.common.line import Line
from fwai.simulator.common.voice import Mouth, Speech
from fwai.simulator.exotel.ear import ExotelEar
from fwai.simulator.exotel.garbage import KINDS
from fwai.simulator.exotel.wire import Decoder, Encoder, Spelling, StreamFacts
from fwai.simulator.plivo.stream import GOOD_CLOSES, StreamEnd
from fwai.simulator.plivo.webhook import default_tls
from fwai.simulator.plivo.wire import (
    FRAME_MS,
    L16,
    MULAW,
    Checkpoint,
    ClearAudio,
    Command,
    PlayAudio,
    StreamFormat,
)

ATTEMPTS: Final = 2
RETRY_DELAY_S: Final = 0.2
OPEN_LIMIT_S: Final = 10.0
CLOSE_LIMIT_S: Final = 2.0
READER_LIMIT_S: Final = 10.0
MAX_AHEAD_MS: Final = 1000.0
"""More speech ahead than this is a burst; Exotel ends calls a few seconds after such."""

MAX_SIZE: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """How a stream looks.

    Attributes:
        spelling: Of the keys.
        message_ms: How much of the caller's voice is in one message.
        mulaw: Declare mu-law at 8 kHz, whatever the URL asks for.
        listening: It is a Stream applet's: the server may send nothing.
        sample_rate: Declare this rate, whatever the URL asks for; 0 does as asked.
        tls: Trust for ``wss://``; None takes the machine's.
    """

    spelling: Spelling = "snake"
    message_ms: int = 100
    mulaw: bool = False
    listening: bool = False
    sample_rate: int = 0
    tls: ssl.SSLContext | None = None


def audio_of(url: str, options: StreamOptions) -> StreamFormat:
    """Return the audio that Exotel sends on a stream to ``url``."""
    if options.mulaw:
        return StreamFormat(MULAW, 8000)
    asked = parse_qs(urlsplit(url).query).get("sample-rate", ["8000"])[0]
    rate = int(asked) if asked in ("8000", "16000", "24000") else 8000
    return StreamFormat(L16, options.sample_rate or rate)


class ExotelStream:
    """One media stream.

    Args:
        url: ``ws://`` or ``wss://``; user and password in it are sent as Basic credentials.
        facts: What ``start`` says.
        options: How it looks.
        line: The call it belongs to; its ear must be an `ExotelEar`.
    """

    def __init__(self, url: str, facts: StreamFacts, options: StreamOptions, line: Line) -> None:
        audio = audio_of(url, options)
        self.finished = asyncio.Event()
        self.mouth = Mouth(audio, line.now_s)
        self._url = url
        self._facts = facts
        self._options = options
        self._audio = audio
        self._line = line
        self._loop = asyncio.get_running_loop()
        self._encoder = Encoder(facts, audio, options.spelling)
        self._decoder = Decoder(facts.stream_id, audio, options.spelling)
        self._socket: ClientConnection | None = None
        self._ended: asyncio.Future[StreamEnd] = self._loop.create_future()
        self._aborted = False

    # ---- what the caller does --------------------------------------------------------------

    def say(self, name: str) -> Speech:
        """Say a phrase."""
        return self.mouth.say(name, self._line.repertoire.spoken(name, self._audio))

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self._send(self._encoder.dtmf(digit))

    async def garble(self, kind: str) -> None:
        """Send a malformed message; ``kind`` is a key of ``exotel_garbage.KINDS``."""
        await self._send(KINDS[kind](self._facts.stream_id))

    def abort(self) -> None:
        """Break the connection without a word."""
        self._aborted = True
        if self._socket is not None:
            self._socket.transport.abort()

    def stop(self, why: StreamEnd = StreamEnd.STOPPED) -> None:
        """End the stream."""
        if not self._ended.done():
            self._ended.set_result(why)

    # ---- its life --------------------------------------------------------------------------

    async def run(self, opened: Callable[[], None]) -> StreamEnd:
        """Carry the stream to its end; ``opened`` is called when audio begins to flow."""
        self._socket = await self._connect()
        if self._socket is None:
            return StreamEnd.REFUSED
        try:
            end = await self._talk(opened)
        finally:
            await self._close()
            self._line.ear.close(self._line.now_s())
            self.finished.set()
        self._line.emit("stream_closed", end=str(end), code=self._socket.close_code)
        return end

    async def _connect(self) -> ClientConnection | None:
        secure = self._url.startswith("wss")
        for attempt in range(1, ATTEMPTS + 1):
            if self._line.ending is not None:
                return None
            try:
                return await connect(
                    self._url,
                    compression=None,
                    proxy=None,
                    ping_interval=None,
                    open_timeout=OPEN_LIMIT_S,
                    close_timeout=CLOSE_LIMIT_S,
                    max_size=MAX_SIZE,
                    user_agent_header="exotel-simulator",
                    ssl=(self._options.tls or default_tls()) if secure else None,
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
                tasks.create_task(self._send_media(opened), name="exotel_send_media"),
                tasks.create_task(self._receive(), name="exotel_receive"),
            ]
            ends: set[asyncio.Future[Any]] = {self._ended, line.over}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
        if line.ending is not None:
            return StreamEnd.CALL_OVER
        return self._ended.result() if self._ended.done() else StreamEnd.STOPPED

    async def _close(self) -> None:
        if self._socket is None or self._aborted:
            return
        if not self._ended.done():
            by_caller = self._line.ending is not None and self._line.ending.by == "caller"
            await self._send(self._encoder.stop("callended" if by_caller else "stopped"))
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
            self._line.violate("the server did not read its stream for 10 s")
            self.stop(StreamEnd.BROKEN)

    def _lost(self, exc: ConnectionClosed) -> None:
        code = exc.rcvd.code if exc.rcvd else None
        self.stop(StreamEnd.CLOSED if code in GOOD_CLOSES else StreamEnd.BROKEN)

    async def _send_media(self, opened: Callable[[], None]) -> None:
        await self._send(self._encoder.connected())
        await self._send(self._encoder.start())
        opened()
        due = self._loop.time()
        voice = b""
        full = self._options.message_ms // FRAME_MS
        frames = 0
        while not self._ended.done():
            due += FRAME_MS / 1000
            await asyncio.sleep(due - self._loop.time())
            voice += base64.b64decode(self.mouth.next_payload())
            frames += 1
            if frames % full == 0:
                await self._send(self._encoder.media(voice))
                voice = b""
            await self._tell_played(self._line.ear.advance(self._line.now_s()))
            self._line.wake()

    async def _tell_played(self, names: list[str]) -> None:
        for name in names:
            await self._send(self._encoder.mark(name))
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
        if self._options.listening:
            self._line.violate("a message on a stream that only listens")
            return
        try:
            command = self._decoder.decode(message)
        except WireError as exc:
            self._line.violate(str(exc))
            return
        for doubt in self._decoder.doubts:
            self._line.violate(doubt)
        await self._carry_out(command)

    async def _carry_out(self, command: Command) -> None:
        line, now_s = self._line, self._line.now_s()
        match command:
            case PlayAudio():
                line.ear.play(command.pcm, now_s)
                if line.ear.queued_ms(now_s) > MAX_AHEAD_MS:
                    line.violate("a burst: more than 1 s of speech ahead")
            case Checkpoint():
                line.ear.checkpoint(command.name, now_s)
            case ClearAudio() if isinstance(line.ear, ExotelEar):
                reached, silent_s, unheard_ms = line.ear.silence(now_s)
                line.cleared(silent_s, unheard_ms)
                await self._tell_played(reached)
            case _:
                pass
