"""Print what one Live audio message costs the process, by the way it is sent and read.

Run: ``PYTHONPATH=src:tests .venv/bin/python tests/bench/live_connection.py``. The service is a
process of its own on loopback, so that only the client's time is counted. Three clients take turns:
the SDK's session, websockets with our messages, and picows with our messages (what is shipped).
Medians of several rounds in microseconds of processor time; nothing is asserted, machines differ.
See docs/adr/0004-own-live-connection.md.
"""

import argparse
import asyncio
import base64
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from multiprocessing.connection import Connection

import uvloop
from google import genai
from google.genai import live, types
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from contract.gemini.oracle import connect_config
from fwai.domain.events import AgentAudio
from fwai.gemini import messages
from fwai.gemini.connection import LiveConnection, LiveEndpoint
from fwai.gemini.messages import ServerMessage
from fwai.gemini.setup import SessionConfig, setup_message

CONFIG = SessionConfig("gemini-3.8-live", "Be brief.", "Puck")
UP_BYTES = 16_000 * 2 * 40 // 1000
DOWN_MS = (40, 200)
Send = Callable[[bytes], Awaitable[object]]
Receive = Callable[[int], Awaitable[None]]
Face = tuple[Send, Receive, Callable[[str], Awaitable[object]]]
"""How to send audio, how to read so many pieces, and how to send a text."""


def run_service(pipe: Connection) -> None:
    """Serve until the parent says stop: count what comes, send what is asked for."""

    async def talk(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(b'{"setupComplete":{}}')
        async for raw in socket:
            text = json.loads(raw).get("realtimeInput", json.loads(raw).get("realtime_input"))
            if "text" in text:
                count, milliseconds = map(int, text["text"].split())
                data = base64.b64encode(bytes(48 * milliseconds)).decode()
                blob = {"mimeType": "audio/pcm;rate=24000", "data": data}
                turn = {"role": "model", "parts": [{"inlineData": blob}]}
                frame = json.dumps({"serverContent": {"modelTurn": turn}}).encode()
                for _ in range(count):
                    await socket.send(frame)
            elif "audioStreamEnd" in text:
                await socket.send(b'{"serverContent":{"turnComplete":true}}')

    async def main() -> None:
        async with serve(talk, "127.0.0.1", 0, compression=None, max_size=None) as server:
            pipe.send(server.sockets[0].getsockname()[1])
            await asyncio.get_running_loop().run_in_executor(None, pipe.recv)

    asyncio.run(main())


@asynccontextmanager
async def sdk(port: int) -> AsyncIterator[Face]:
    def plain(_: str, **__: object) -> connect:
        return connect(f"ws://127.0.0.1:{port}", compression=None, proxy=None)

    live.ws_connect = plain  # type: ignore[attr-defined, assignment]
    options = types.HttpOptions(api_version="v1beta")
    client = genai.Client(api_key="K", http_options=options).aio.live
    async with client.connect(model=CONFIG.model, config=connect_config(CONFIG, None)) as session:

        async def send(pcm: bytes) -> None:
            blob = types.Blob(data=pcm, mime_type="audio/pcm;rate=16000")
            await session.send_realtime_input(audio=blob)

        async def receive(count: int) -> None:
            async for message in session.receive():
                content = message.server_content
                for part in (
                    content.model_turn.parts if content and content.model_turn else []
                ) or []:
                    count -= bool(part.inline_data and part.inline_data.data)
                if count == 0:
                    return

        async def text(words: str) -> None:
            if words:
                await session.send_realtime_input(text=words)
            else:
                await session.send_realtime_input(audio_stream_end=True)

        yield send, receive, text


@asynccontextmanager
async def with_websockets(port: int) -> AsyncIterator[Face]:
    url = f"ws://127.0.0.1:{port}"
    async with connect(url, compression=None, proxy=None, max_size=None) as socket:
        await socket.send(setup_message(CONFIG), text=True)
        messages.read(await socket.recv(decode=False))

        async def receive(count: int) -> None:
            while count:
                for event in messages.read(await socket.recv(decode=False)):
                    count -= isinstance(event, AgentAudio)

        yield (
            lambda pcm: socket.send(messages.audio(pcm), text=True),
            receive,
            lambda words: socket.send(
                messages.text(words) if words else messages.AUDIO_STREAM_END, text=True
            ),
        )


@asynccontextmanager
async def with_picows(port: int) -> AsyncIterator[Face]:
    endpoint = LiveEndpoint(f"ws://127.0.0.1:{port}", "K")
    connection = await LiveConnection.open(endpoint, setup_message(CONFIG))
    left = 0
    done = asyncio.Event()

    def hear(event: ServerMessage) -> None:
        nonlocal left
        left -= isinstance(event, AgentAudio)
        if left == 0:
            done.set()

    connection.listen(hear)

    async def send(pcm: bytes) -> None:
        if not connection.send_audio(messages.audio(pcm)):
            raise RuntimeError("the service does not keep up")
        await asyncio.sleep(0)  # as in life: one message in each pass of the loop

    async def receive(count: int) -> None:
        nonlocal left
        left += count
        done.clear()
        if left:
            await done.wait()

    async def text(words: str) -> None:
        connection.send(messages.text(words) if words else messages.AUDIO_STREAM_END)

    yield send, receive, text
    connection.close()


Client = Callable[[int], AbstractAsyncContextManager[Face]]
CLIENTS: dict[str, Client] = {
    "SDK session": sdk,
    "websockets + our messages": with_websockets,
    "picows + our messages": with_picows,
}


async def measure(client: Client, port: int, count: int) -> list[float]:
    """Return microseconds for each message: 40 ms up, then each of ``DOWN_MS`` down."""
    found = []
    spent = 0.0
    async with client(port) as (send, receive, text):
        pcm = bytes(range(256)) * (UP_BYTES // 256)
        for timed in (count // 10, count):
            began = time.process_time()
            for number in range(timed):
                await send(pcm)
                if number % 10 == 9:
                    await asyncio.sleep(0.001)  # the service reads in this time
            spent = time.process_time() - began
        found.append(spent / count * 1e6)
        for milliseconds in DOWN_MS:
            for timed in (count // 10, count):
                await text(f"{timed} {milliseconds}")
                began = time.process_time()
                await receive(timed)
                spent = time.process_time() - began
            found.append(spent / count * 1e6)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2_000, help="messages for each figure")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    service = context.Process(target=run_service, args=(theirs,))
    service.start()
    port = ours.recv()
    rounds: dict[str, list[list[float]]] = {name: [] for name in CLIENTS}
    for _ in range(options.rounds):
        for name, client in CLIENTS.items():
            rounds[name].append(uvloop.run(measure(client, port, options.count)))
    ours.send("stop")
    service.join(10)
    heads = ["send 40 ms", *(f"receive {milliseconds} ms" for milliseconds in DOWN_MS)]
    sys.stdout.write(f"{'us of CPU per message':28s}" + "".join(f"{h:>16s}" for h in heads) + "\n")
    for name, figures in rounds.items():
        medians = [statistics.median(column) for column in zip(*figures, strict=True)]
        sys.stdout.write(f"{name:28s}" + "".join(f"{m:16.1f}" for m in medians) + "\n")


if __name__ == "__main__":
    main()
