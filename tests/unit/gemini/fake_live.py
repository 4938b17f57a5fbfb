"""A Live service that does what the test tells it, and an agent that talks to it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from fwai.domain.events import AgentAway, AgentEvent, ToolCall, ToolResult
from fwai.gemini.agent import GeminiAgent
from fwai.gemini.connection import LiveEndpoint
from fwai.gemini.model_watch import LiveWatch
from fwai.gemini.setup import SessionConfig
from fwai.simulator.common.jumping_loop import settle

Json = dict[str, Any]

CONFIG = SessionConfig(model="gemini-3.8-live", instruction="Be brief.", voice="Puck")
BLOCKING = SessionConfig(model="gemini-3.1-flash-live-preview", instruction="x", voice="Puck")
PIECE = bytes(range(256)) * 5  # 40 ms at 16 kHz


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of one connection.

    Attributes:
        how: ``accept``, ``refuse`` the upgrade, be ``silent`` before or ``hang`` after it,
            ``drop`` the TCP connection before it, ``close`` or ``abort`` instead of accepting.
        status: HTTP status of ``refuse``.
        code: Close code of ``close``.
        reason: Close reason of ``close``.
        first: Frames sent before anything else, such as something other than setupComplete.
    """

    how: Literal["accept", "refuse", "silent", "hang", "drop", "close", "abort"] = "accept"
    status: int = 503
    code: int = 1011
    reason: str = ""
    first: tuple[Json, ...] = ()


def audio(pcm: bytes = b"\1\0\2\0") -> Json:
    """Return agent speech."""
    blob = {"mimeType": "audio/pcm;rate=24000", "data": base64.b64encode(pcm).decode()}
    return {"serverContent": {"modelTurn": {"role": "model", "parts": [{"inlineData": blob}]}}}


def content(**fields: object) -> Json:
    return {"serverContent": fields}


def caller_said(text: str) -> Json:
    return content(inputTranscription={"text": text})


def agent_said(text: str) -> Json:
    return content(outputTranscription={"text": text})


def handle(name: str) -> Json:
    return {"sessionResumptionUpdate": {"newHandle": name, "resumable": True}}


def tool_call(*ids: str) -> Json:
    calls = [{"id": call_id, "name": f"tool_{call_id}", "args": {}} for call_id in ids]
    return {"toolCall": {"functionCalls": calls}}


def go_away(left_s: float) -> Json:
    return {"goAway": {"timeLeft": f"{left_s:g}s"}}


TURN_DONE = content(turnComplete=True)
INTERRUPTED = content(interrupted=True)
GENERATED = content(generationComplete=True)


def done(call_id: str, *, silent: bool = False) -> ToolResult:
    """Return the outcome of a tool asked for by ``tool_call``."""
    return ToolResult(call_id, f"tool_{call_id}", True, f"{call_id} is done.", {}, silent)


class Line:
    """One connection, as the service sees it."""

    def __init__(self, socket: ServerConnection, key: str | None) -> None:
        self.socket = socket
        self.key = key
        self.setup: Json = {}
        self.frames: list[Json] = []

    @property
    def handle(self) -> str | None:
        found = self.setup["setup"]["sessionResumption"].get("handle")
        return None if found is None else str(found)

    def of_kind(self, kind: str) -> list[Json]:
        return [frame[kind] for frame in self.frames if kind in frame]

    @property
    def texts(self) -> list[str]:
        return [body["text"] for body in self.of_kind("realtimeInput") if "text" in body]

    @property
    def heard(self) -> bytes:
        blobs = (body.get("audio") for body in self.of_kind("realtimeInput"))
        return b"".join(base64.b64decode(blob["data"]) for blob in blobs if blob)

    @property
    def history(self) -> list[tuple[str, str]]:
        turns = [turn for body in self.of_kind("clientContent") for turn in body["turns"]]
        return [(turn["role"], turn["parts"][0]["text"]) for turn in turns]

    @property
    def answers(self) -> list[Json]:
        bodies = self.of_kind("toolResponse")
        return [answer for body in bodies for answer in body["functionResponses"]]

    async def send(self, *frames: Json | bytes) -> None:
        for frame in frames:
            raw = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
            await self.socket.send(raw)
        await settle()

    async def close(self, code: int = 1011, reason: str = "") -> None:
        await self.socket.close(code, reason)
        await settle()

    async def abort(self) -> None:
        self.socket.transport.abort()
        await settle()

    def stop_reading(self) -> None:
        self.socket.transport.pause_reading()

    def go_on_reading(self) -> None:
        self.socket.transport.resume_reading()


class FakeLive:
    """The service; ``plans`` are for the connections in their order, later ones are accepted.

    Attributes:
        attempts: Times of connection attempts, in the loop's seconds.
        lines: Accepted connections.
    """

    def __init__(self, *plans: Plan) -> None:
        self._plans = plans
        self._server: Server | None = None
        self._over = asyncio.Event()
        self._news = asyncio.Event()
        self.attempts: list[float] = []
        self.lines: list[Line] = []
        self.open = 0

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._admit,
            compression=None,
            max_size=None,
            ping_interval=None,
            open_timeout=None,
            close_timeout=1,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def line(self, number: int, within_s: float = 30.0) -> Line:
        """Wait for the connection of this number to be accepted."""
        async with asyncio.timeout(within_s):
            while len(self.lines) <= number:
                self._news.clear()
                await self._news.wait()
        await settle()
        return self.lines[number]

    def _plan(self) -> Plan:
        number = len(self.attempts) - 1
        return self._plans[number] if number < len(self._plans) else Plan()

    async def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        self.attempts.append(asyncio.get_running_loop().time())
        match self._plan().how:
            case "refuse":
                return socket.respond(self._plan().status, "no\n")
            case "silent":
                await self._over.wait()
            case "drop":
                socket.transport.abort()
            case _:
                pass
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        plan = self._plan()
        request = socket.request
        line = Line(socket, request.headers.get("x-goog-api-key") if request else None)
        self.open += 1
        try:
            line.setup = json.loads(await socket.recv())
            for frame in plan.first:
                await socket.send(json.dumps(frame).encode())
            match plan.how:
                case "accept":
                    await socket.send(b'{"setupComplete":{}}')
                case "close":
                    await socket.close(plan.code, plan.reason)
                    return
                case "abort":
                    socket.transport.abort()
                    return
                case _:
                    pass
            self.lines.append(line)
            self._news.set()
            async for raw in socket:
                line.frames.append(json.loads(raw))
        except ConnectionClosed:
            pass
        finally:
            self.open -= 1


@dataclass(slots=True)
class Talk:
    """An agent in conversation with the service.

    Attributes:
        service: The other end.
        agent: The agent's leg.
        events: What it told the call, without that it is away.
        run: The task of its ``run``.
        causes: Why it was away, each time.
    """

    service: FakeLive
    agent: GeminiAgent
    run: asyncio.Task[None]
    events: list[AgentEvent] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)

    def hear(self, event: AgentEvent) -> None:
        if isinstance(event, AgentAway):
            self.causes.append(event.cause)
        else:
            self.events.append(event)

    def of(self, kind: type[AgentEvent]) -> list[AgentEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def calls(self) -> list[str]:
        return [event.id for event in self.events if isinstance(event, ToolCall)]


@asynccontextmanager
async def talk(
    *plans: Plan,
    config: SessionConfig = CONFIG,
    open_s: float = 10.0,
    hear: Callable[[AgentEvent], None] | None = None,
    watch: LiveWatch | None = None,
) -> AsyncIterator[Talk]:
    """Run an agent against a service that does what ``plans`` say; both end with the block."""
    async with FakeLive(*plans) as service:
        agent = GeminiAgent(LiveEndpoint(service.url, "K", open_s), config, watch)
        async with asyncio.TaskGroup() as tasks:
            conversation = Talk(service, agent, tasks.create_task(agent.run(), name="agent"))
            agent.listen(hear or conversation.hear)
            try:
                yield conversation
            finally:
                agent.close()
        await settle()
        assert service.open == 0
