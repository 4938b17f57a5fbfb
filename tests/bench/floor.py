"""The bare floors: the same wire work as the product and nothing else.

No session, no transcript, no tools, no database, no tokens, no log. Two of them:

- ``uvicorn``: what a plain server would be. FastAPI on uvicorn's websockets-sansio and uvloop, no
  deflate; each 20 ms frame decoded and resampled as it comes, 40 ms sent up through the
  ``websockets`` library; replies sent as frames of 20 ms by a loop of each call.
- ``picows``: picows on both sides, messages of the same sizes as the product's, audio gathered
  before it is converted: about the least that Python can do.
"""

import argparse
import asyncio
import gc
import re
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from picows import ws_connect
from websockets.asyncio.client import ClientConnection, connect

from fwai.adapters.media_socket import MediaSocketProtocol, take_over
from fwai.audio.g711 import pcm_to_ulaw, ulaw_to_pcm
from fwai.audio.resample import Resampler
from fwai.http.websocket import Socket

LEAD_S: Final = 0.2  # the product's
FRAME_S: Final = 0.020
TICK_S: Final = 0.040  # the product's, picows only
CHUNK: Final = 640  # 80 ms of mu-law: the product's usual message
UPLINK: Final = 1280  # 40 ms at 16 kHz


class _Payload(msgspec.Struct):
    payload: bytes


class _Media(msgspec.Struct, tag="media", tag_field="event"):
    media: _Payload


class _Start(msgspec.Struct, tag="start", tag_field="event"):
    pass


class _Blob(msgspec.Struct):
    data: bytes


class _Part(msgspec.Struct, rename="camel"):
    inline_data: _Blob


class _ModelTurn(msgspec.Struct):
    parts: list[_Part]


class _Content(msgspec.Struct, rename="camel"):
    model_turn: _ModelTurn | None = None
    interrupted: bool = False


class _ServerMessage(msgspec.Struct, rename="camel"):
    server_content: _Content | None = None
    setup_complete: dict[str, Any] | None = None


decode_caller = msgspec.json.Decoder(_Media | _Start).decode
decode_model = msgspec.json.Decoder(_ServerMessage).decode
encode = msgspec.json.encode


def play_audio(ulaw: bytes) -> bytes:
    media = {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": ulaw}
    return encode({"event": "playAudio", "media": media})


def model_audio(pcm: bytes) -> bytes:
    audio = {"data": pcm, "mimeType": "audio/pcm;rate=16000"}
    return encode({"realtimeInput": {"audio": audio}})


def setup(number: str) -> bytes:
    return encode({"setup": {"model": "models/floor", "caller": number}})


CLEAR: Final = encode({"event": "clearAudio", "streamId": "floor"})


# ---- uvicorn ------------------------------------------------------------------------------------


class PlainCall:
    """One call as a plain server would carry it: three coroutines and a queue."""

    def __init__(self, caller: WebSocket, model: ClientConnection) -> None:
        self._caller = caller
        self._model = model
        self._queue: deque[bytes] = deque()
        self._rest = b""
        self._filled = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            pumps = [tasks.create_task(self._hear_model()), tasks.create_task(self._play())]
            await self._hear_caller()
            for pump in pumps:
                pump.cancel()

    async def _hear_caller(self) -> None:
        up = Resampler(8_000, 16_000)
        uplink = bytearray()
        try:
            while True:
                message = decode_caller(await self._caller.receive_text())
                if isinstance(message, _Media):
                    uplink += up.feed(ulaw_to_pcm(message.media.payload))
                    if len(uplink) >= UPLINK:
                        await self._model.send(model_audio(bytes(uplink)), text=True)
                        uplink.clear()
        except WebSocketDisconnect:
            return

    async def _hear_model(self) -> None:
        down = Resampler(24_000, 8_000)
        async for message in self._model:
            content = decode_model(message).server_content
            if content is None:
                continue
            if content.interrupted:
                self._queue.clear()
                self._rest = b""
                await self._caller.send_text(CLEAR.decode())
            if content.model_turn is not None:
                for part in content.model_turn.parts:
                    ulaw = self._rest + pcm_to_ulaw(down.feed(part.inline_data.data))
                    whole = len(ulaw) - len(ulaw) % 160
                    self._queue.extend(ulaw[at : at + 160] for at in range(0, whole, 160))
                    self._rest = ulaw[whole:]
                self._filled.set()

    async def _play(self) -> None:
        loop = asyncio.get_running_loop()
        until = due = loop.time()
        while True:
            if not self._queue:
                self._filled.clear()
                await self._filled.wait()
                due = loop.time()
            until = max(until, due)
            while self._queue and until - due < LEAD_S:
                await self._caller.send_text(play_audio(self._queue.popleft()).decode())
                until += FRAME_S
            due += FRAME_S
            await asyncio.sleep(due - loop.time())


async def carry_plain(caller: WebSocket, number: str, model_url: str) -> None:
    await caller.accept()
    async with connect(model_url, compression=None, ping_interval=None) as model:
        await model.send(setup(number), text=True)
        await model.recv()
        await PlainCall(caller, model).run()


# ---- picows -------------------------------------------------------------------------------------


class BareCall:
    """One call in callbacks; the speech of all of them is paced by one timer."""

    def __init__(self, speaking: set["BareCall"]) -> None:
        self.gone = asyncio.Event()
        self.caller: Socket | None = None
        self.model = Socket(self._hear_model, lambda _c, _r: None, 1 << 24, 1 << 16)
        self._speaking = speaking
        self._loop = asyncio.get_running_loop()
        self._pending = b""
        self._uplink = bytearray()
        self._held = bytearray()
        self._until = 0.0
        self._up = Resampler(8_000, 16_000)
        self._down = Resampler(24_000, 8_000)

    def hear_caller(self, message: memoryview) -> None:
        body = decode_caller(message)
        if isinstance(body, _Media):
            if not self._pending:
                self._pending = body.media.payload
                return
            pcm = self._up.feed(ulaw_to_pcm(self._pending + body.media.payload))
            self._pending = b""
            if self._uplink or len(pcm) < UPLINK:  # the first one is short
                self._uplink += pcm
                if len(self._uplink) < UPLINK:
                    return
                pcm = bytes(self._uplink)
                self._uplink.clear()
            self.model.send(model_audio(pcm))

    def caller_gone(self, _code: int, _reason: str) -> None:
        self.model.close()
        self._speaking.discard(self)
        self.gone.set()

    def _hear_model(self, message: memoryview) -> None:
        content = decode_model(message).server_content
        if content is None or self.caller is None:
            return
        if content.interrupted:
            self._held.clear()
            self._until = 0.0
            self.caller.send(CLEAR)
        if content.model_turn is not None:
            for part in content.model_turn.parts:
                self._held += pcm_to_ulaw(self._down.feed(part.inline_data.data))
            self.tick(self._loop.time())
            if self._held:
                self._speaking.add(self)

    def tick(self, now: float) -> None:
        ahead = int((self._until - now) * 8000)
        if ahead <= 0:
            self._until, ahead = now, 0
        room = round(LEAD_S * 8000) - ahead
        if self.caller is None or not self._held or (ahead and room < CHUNK):
            return
        ulaw = bytes(self._held[:room])
        del self._held[:room]
        self._until += len(ulaw) / 8000
        self.caller.send(play_audio(ulaw))


class BareServer:
    """All bare calls and their timer."""

    def __init__(self, model_url: str) -> None:
        self._model_url = model_url
        self._speaking: set[BareCall] = set()

    async def carry(self, websocket: WebSocket, number: str) -> None:
        call = BareCall(self._speaking)
        call.caller = take_over(websocket, call.hear_caller, call.caller_gone, 1 << 16)
        await ws_connect(lambda: call.model, self._model_url)
        call.model.send(setup(number))
        await call.gone.wait()

    async def pace(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += TICK_S
            await asyncio.sleep(due - loop.time())
            now = loop.time()
            for call in list(self._speaking):
                call.tick(now)
                if not call._held:
                    self._speaking.discard(call)


# ---- the door -----------------------------------------------------------------------------------


def build(kind: str, port: int, model_url: str) -> FastAPI:
    bare = BareServer(model_url)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        gc.collect()
        gc.freeze()  # as the product does
        pace = asyncio.get_running_loop().create_task(bare.pace())
        yield
        pace.cancel()

    app = FastAPI(lifespan=lifespan)
    calls = 0

    @app.get("/readyz")
    async def readyz() -> dict[str, int]:
        return {"calls": calls}

    @app.post("/plivo/answer")
    async def answer(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        number = re.sub(r"\D", "", form["From"])
        url = f"ws://127.0.0.1:{port}/plivo/stream?caller={number}"
        return Response(f"<Response><Stream>{url}</Stream></Response>", media_type="text/xml")

    @app.websocket("/plivo/stream")
    async def stream(websocket: WebSocket, caller: str) -> None:
        nonlocal calls
        calls += 1
        try:
            if kind == "picows":
                await bare.carry(websocket, f"+{caller}")
            else:
                await carry_plain(websocket, f"+{caller}", model_url)
        finally:
            calls -= 1

    return app


def main() -> int:
    """Serve one floor."""
    parser = argparse.ArgumentParser(prog="bench.floor")
    parser.add_argument("kind", choices=("uvicorn", "picows"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model-url", required=True)
    args = parser.parse_args()
    protocols: dict[str, Any] = {"picows": MediaSocketProtocol, "uvicorn": "websockets-sansio"}
    uvicorn.run(
        build(args.kind, args.port, args.model_url),
        host="127.0.0.1",
        port=args.port,
        loop="uvloop",
        http="httptools",
        ws=protocols[args.kind],
        ws_per_message_deflate=False,
        log_level="warning",
        access_log=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
