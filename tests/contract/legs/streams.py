"""Plivo's and Exotel's ends of a media stream, and the server side of their legs."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

import uvicorn
from fastapi import FastAPI, WebSocket

from contract.legs.bench import Ear, Peer, until
from fwai.adapters.exotel.codec import ExotelCodec
from fwai.adapters.exotel.leg import MAX_CALL_S, ExotelLeg
from fwai.adapters.media_codec import MediaCodec
from fwai.adapters.media_socket import MediaSocketProtocol
from fwai.adapters.media_stream import BUFFERED_MS, WebSocketLeg
from fwai.adapters.plivo.codec import PlivoCodec
from fwai.interfaces.media import CallerLeg
from fwai.simulator.common.cause import FAILED, Ending
from fwai.simulator.common.line import Line
from fwai.simulator.common.voice import standard_repertoire
from fwai.simulator.common.wire import StreamFormat
from fwai.simulator.exotel import malformed as exotel_malformed
from fwai.simulator.exotel import wire as exotel_wire
from fwai.simulator.exotel.ear import ExotelEar
from fwai.simulator.exotel.stream import ExotelStream, StreamOptions
from fwai.simulator.exotel.wire import StreamFacts
from fwai.simulator.plivo import malformed as plivo_malformed
from fwai.simulator.plivo.signature import PlivoSigner
from fwai.simulator.plivo.stream import Account, MediaStream
from fwai.simulator.plivo.xml import StreamInstruction

STREAM_GOES = frozenset({"huge"})  # the WebSocket's own limit ends it; see test_media_stream
HIGH_WATER_BYTES = BUFFERED_MS * 24


class StreamPeer:
    """A simulated carrier's end of one stream. Implements ``Peer``.

    Args:
        stream: The simulator's.
        line: Its call.
        garbage: What it can send.
        stops: It says ``stop``; else the connection is all there is to break.
    """

    def __init__(
        self,
        stream: MediaStream | ExotelStream,
        line: Line,
        garbage: tuple[str, ...],
        *,
        stops: bool,
    ) -> None:
        self._stops = stops
        self.garbage: Sequence[str] = tuple(kind for kind in garbage if kind not in STREAM_GOES)
        self.line = line
        self._stream = stream
        self._stuck = False

    @property
    def ear(self) -> Ear:
        ear = Ear()
        ear.zero_s = asyncio.get_running_loop().time() - self.line.now_s()
        ear.time_line = self.line.ear.time_line
        return ear

    async def say(self, clip: str) -> None:
        speech = self._stream.say(clip)
        assert await self.line.until(lambda: speech.done, 10.0)

    async def press(self, digit: str) -> None:
        await self._stream.press(digit)

    async def hang_up(self) -> None:
        self.line.end(Ending("caller", FAILED, "Caller"))

    async def drop(self) -> None:
        if not self._stops:
            self._stream.abort()
            return
        encoder = self._stream._encoder
        await self._stream._send(
            encoder.stop("callended")
            if isinstance(encoder, exotel_wire.Encoder)
            else encoder.stop()
        )

    async def receipt(self, name: str) -> None:
        encoder = self._stream._encoder
        await self._stream._send(
            encoder.mark(name) if isinstance(encoder, exotel_wire.Encoder) else encoder.played(name)
        )

    async def die(self) -> None:
        self.stop_reading()
        self._stream._send = _swallow  # type: ignore[method-assign]

    async def garble(self, kind: str) -> None:
        await self._stream.garble(kind)

    def stop_reading(self) -> None:
        self._stuck = True
        assert self._stream._socket is not None
        self._stream._socket.transport.pause_reading()

    def leave(self) -> None:
        """Let go of the socket; the leg is closed."""
        if self._stuck:
            self._stream.abort()
        self._stream.stop()


async def _swallow(message: str | bytes) -> None:
    """Nobody sends."""


@asynccontextmanager
async def _serving(
    leg_class: type[WebSocketLeg], codec: Callable[[], MediaCodec], max_call_s: float | None
) -> AsyncIterator[tuple[str, "asyncio.Future[WebSocketLeg]"]]:
    """Serve one stream; yield its address and the leg to come."""
    opened: asyncio.Future[WebSocketLeg] = asyncio.get_running_loop().create_future()
    app = FastAPI()

    @app.websocket("/stream")
    async def stream(websocket: WebSocket) -> None:
        leg, _ = await leg_class.open(websocket, codec(), max_call_s)
        opened.set_result(leg)
        await leg.gone()

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    config = uvicorn.Config(
        app,
        http="httptools",
        ws=MediaSocketProtocol,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    config.load()
    http = uvicorn.Server(config)
    http.lifespan = config.lifespan_class(config)
    await http.startup(sockets=[listener])  # serve() would add its waits to every test
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/stream", opened
    finally:
        await until(lambda: not http.server_state.tasks)
        for one in http.servers:
            one.close()
            await one.wait_closed()
        listener.close()


@asynccontextmanager
async def _talking(
    peer: StreamPeer, opened: "asyncio.Future[WebSocketLeg]"
) -> AsyncIterator[tuple[CallerLeg, Peer]]:
    carrier = asyncio.create_task(peer._stream.run(peer.line.answer), name="carrier")
    try:
        async with asyncio.timeout(5):
            leg = await opened
        yield leg, peer
    finally:
        peer.leave()
        del leg, opened
        async with asyncio.timeout(5):
            await carrier


@asynccontextmanager
async def plivo(audio: StreamFormat, *, says_stop: bool) -> AsyncIterator[tuple[CallerLeg, Peer]]:
    """Open a Plivo stream; ``says_stop``: a stop message goes before the close."""
    async with _serving(WebSocketLeg, PlivoCodec, None) as (url, opened):
        order = StreamInstruction(
            url=url,
            audio=audio,
            bidirectional=True,
            keep_call_alive=True,
            timeout_s=60.0,
            status_url=None,
            status_method="POST",
            extra_headers="",
            doubts=(),
        )
        account = Account("c-1", "MA1", PlivoSigner("account-token"), send_stop=says_stop)
        line = Line(standard_repertoire())
        stream = MediaStream(order, account, line, lambda *_, **__: None)
        peer = StreamPeer(stream, line, tuple(plivo_malformed.KINDS), stops=says_stop)
        async with _talking(peer, opened) as pair:
            del opened
            yield pair
        assert line.violations == {}


@asynccontextmanager
async def exotel(sample_rate: int) -> AsyncIterator[tuple[CallerLeg, Peer]]:
    """Open an Exotel stream."""

    def codec() -> ExotelCodec:
        return ExotelCodec(sample_rate)

    async with _serving(ExotelLeg, codec, MAX_CALL_S) as (url, opened):
        facts = StreamFacts(
            stream_id="S1",
            call_sid="C1",
            account_id="acme1",
            from_number="09999900001",
            to_number="08047100000",
            parameters={},
        )
        line = Line(standard_repertoire())
        line.ear = ExotelEar(standard_repertoire(), line.emit)
        options = StreamOptions(sample_rate=sample_rate)
        stream = ExotelStream(url, facts, options, line)
        peer = StreamPeer(stream, line, tuple(exotel_malformed.KINDS), stops=True)
        async with _talking(peer, opened) as pair:
            del opened
            yield pair


def faults(leg: CallerLeg) -> int:
    return cast("WebSocketLeg", leg).wire_errors


def held_bytes(leg: CallerLeg) -> int:
    """Bytes that wait for the kernel."""
    held = cast("WebSocketLeg", leg)._socket
    if held is None or held._transport is None:
        return 0
    return held._transport.underlying_transport.get_write_buffer_size()


def refused(leg: CallerLeg) -> bool:
    return cast("WebSocketLeg", leg).dropped_messages > 0


def over(leg: CallerLeg) -> bool:
    return cast("WebSocketLeg", leg)._gone.is_set()
