"""A tiny server that answers Plivo calls, for trying the simulated telephone on."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from plivo.utils import validate_signature, validate_v3_signature
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from contract.simulator.kit import address, listening
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.hearing import audible_windows
from fwai.simulator.common.rest import Receive, Scope, Send, read_body
from fwai.simulator.common.voice import Repertoire
from fwai.simulator.plivo.phone import PlivoPhone
from fwai.simulator.plivo.wire import FORMATS

AUTH_ID = "MAXXXXXXXXXXXXXXXXXX"
TOKEN = "a-secret-token"
MULAW = "audio/x-mulaw;rate=8000"


@cache
def repertoire() -> Repertoire:
    return Repertoire(ClipLibrary.load())


@dataclass
class Hook:
    """A webhook as it arrived."""

    path: str
    fields: dict[str, str]
    signed: bool
    query: str = ""


@dataclass
class AgentStream:
    """The server's end of one stream."""

    socket: ServerConnection
    start: dict[str, Any]
    content_type: str
    events: list[dict[str, Any]] = field(default_factory=list)
    caller: bytearray = field(default_factory=bytearray)

    async def send(self, event: str, **fields: object) -> None:
        body = {"event": event, "streamId": self.start["start"]["streamId"], **fields}
        await self.socket.send(json.dumps(body))

    async def play(self, payload: str) -> None:
        media = {**self.start["start"]["mediaFormat"], "payload": payload}
        media["contentType"] = media.pop("encoding")
        await self.send("playAudio", media=media)

    async def speak(self, name: str, lead_s: float = 0.1) -> None:
        """Send a phrase at the pace of speech, then a checkpoint of its name."""
        audio = FORMATS[self.content_type]
        loop = asyncio.get_running_loop()
        due = loop.time() - lead_s
        for frame in audio.frames(repertoire().clip(name).pcm(audio.sample_rate)):
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self.play(frame)
            due += 0.02
        await self.send("checkpoint", name=name)

    async def listen(self, until: str) -> dict[str, Any]:
        """Take in messages until an event of this name."""
        async for text in self.socket:
            message: dict[str, Any] = json.loads(text)
            if message["event"] == "media":
                wire = base64.b64decode(message["media"]["payload"])
                self.caller += FORMATS[self.content_type].decode(wire)
            else:
                self.events.append(message)
            if message["event"] == until:
                return message
        raise ConnectionError(until)

    async def listen_for_speech(self, quiet_frames: int = 20) -> str | None:
        """Take in one utterance of the caller and say which phrase it was."""
        rate = FORMATS[self.content_type].sample_rate
        frame, quiet, begun = rate // 50 * 2, 0, False
        while not begun or quiet < quiet_frames:
            await self.listen("media")
            loud = bool(audible_windows(bytes(self.caller[-frame:]), frame // 2).any())
            begun, quiet = begun or loud, 0 if loud else quiet + 1
        match = await asyncio.to_thread(repertoire().identify, bytes(self.caller), rate)
        self.caller.clear()
        return match.clip.name if match else None

    async def until_closed(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self.listen("never")


Behaviour = Callable[[AgentStream], Awaitable[None]]


@dataclass
class Agent:
    """The server: webhooks over HTTP, audio over a WebSocket."""

    behaviour: Behaviour
    content_type: str = MULAW
    attributes: str = 'bidirectional="true" keepCallAlive="true"'
    after: str = ""
    status: int = 200
    answers: dict[str, str] = field(default_factory=dict)
    refuse: bool = False
    hooks: list[Hook] = field(default_factory=list)
    upgrades: list[bool] = field(default_factory=list)
    streams: list[AgentStream] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    http: str = ""
    ws: str = ""

    def phone(self, **options: Any) -> PlivoPhone:  # noqa: ANN401
        urls = {"hangup_url": f"{self.http}/hangup?v=1", "ring_url": f"{self.http}/ring?v=1"}
        who = {"from_number": "+919999900001", "to_number": "+918888800000"}
        account = {"auth_id": AUTH_ID, "auth_token": TOKEN, "clips": repertoire()}
        answer = {"answer_url": f"{self.http}/answer?v=1"}
        return PlivoPhone(**{**answer, **urls, **who, **account, **options})

    def hooks_at(self, path: str) -> list[dict[str, str]]:
        return [hook.fields for hook in self.hooks if hook.path == path]

    def xml(self) -> str:
        return (
            f'<?xml version="1.0"?><Response><Stream {self.attributes} '
            f'contentType="{self.content_type}" statusCallbackUrl="{self.http}/status?v=1">'
            f"{self.ws}/stream?a=1&amp;t=x</Stream>{self.after}</Response>"
        )

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        query = scope["query_string"].decode()
        url = f"{self.http}{scope['path']}?{query}"
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        signed = is_signed(scope["method"], url, headers, form)
        self.hooks.append(Hook(scope["path"], form or dict(parse_qsl(query)), signed, query))
        text = self.answers.get(scope["path"], self.xml()).encode()
        kind = [(b"content-type", b"application/xml")]
        await send({"type": "http.response.start", "status": self.status, "headers": kind})
        await send({"type": "http.response.body", "body": text})

    async def converse(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        url = f"http{self.ws[2:]}{request.path}"
        headers = {key.lower(): value for key, value in request.headers.raw_items()}
        self.upgrades.append(is_signed("GET", url, headers, {}))
        if self.refuse:
            await connection.close(1008)
            return
        start = json.loads(await connection.recv())
        stream = AgentStream(connection, start, self.content_type)
        self.streams.append(stream)
        try:
            await self.behaviour(stream)
        except (ConnectionClosed, ConnectionError) as exc:
            self.failures.append(type(exc).__name__)


def is_signed(method: str, url: str, headers: dict[str, str], form: dict[str, str]) -> bool:
    """Ask Plivo's own SDK."""
    if "x-plivo-signature-v2" in headers:
        nonce = headers["x-plivo-signature-v2-nonce"]
        return bool(validate_signature(url, nonce, headers["x-plivo-signature-v2"], TOKEN))
    nonce = headers["x-plivo-signature-v3-nonce"]
    return all(
        bool(validate_v3_signature(method, url, nonce, TOKEN, headers[name], dict(form)))
        for name in ("x-plivo-signature-v3", "x-plivo-signature-ma-v3")
    )


@contextlib.asynccontextmanager
async def running(behaviour: Behaviour, **options: Any) -> AsyncIterator[Agent]:  # noqa: ANN401
    agent = Agent(behaviour, **options)
    async with (
        listening(agent.answer) as agent.http,
        serve(agent.converse, "127.0.0.1", 0, compression=None) as streams,
    ):
        agent.ws = address(streams)
        yield agent
