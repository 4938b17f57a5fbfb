"""A simulated Live service with TLS and the unmodified google-genai SDK pointed at it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache

from google import genai
from google.genai import types
from google.genai.live import AsyncSession

from fwai.simulator.common.certificate import self_signed
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.recognizer import Recognizer
from fwai.simulator.gemini.scenario import Scenario
from fwai.simulator.gemini.server import GeminiLiveSimulator

MODEL = "gemini-3.8-live"
CLIPS = ClipLibrary.load()
CLOCK_SCALE = 16.0
FRAME_BYTES = 16_000 * 2 // 10


@cache
def known() -> Recognizer:
    return Recognizer(CLIPS)


tls_contexts = cache(self_signed)


@dataclass(slots=True)
class Heard:
    """What a client got in one turn."""

    pcm: bytearray = field(default_factory=bytearray)
    agent: str = ""
    caller: str = ""
    interrupted: bool = False
    generated: bool = False
    complete: bool = False
    calls: list[types.FunctionCall] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    handles: list[str] = field(default_factory=list)
    resumable: list[bool] = field(default_factory=list)
    tokens: int = 0
    time_left: str | None = None

    def add(self, message: types.LiveServerMessage) -> None:
        if message.server_content:
            self._add_content(message.server_content)
        if message.tool_call:
            self.calls += message.tool_call.function_calls or []
        if message.tool_call_cancellation:
            self.cancelled += message.tool_call_cancellation.ids or []
        if message.session_resumption_update:
            update = message.session_resumption_update
            self.resumable.append(bool(update.resumable))
            self.handles += [update.new_handle] if update.new_handle else []
        if message.usage_metadata:
            self.tokens += message.usage_metadata.total_token_count or 0
        if message.go_away:
            self.time_left = message.go_away.time_left

    def _add_content(self, content: types.LiveServerContent) -> None:
        parts = content.model_turn.parts if content.model_turn else None
        for part in parts or []:
            if part.inline_data and not part.thought:
                self.pcm += part.inline_data.data or b""
        if content.output_transcription:
            self.agent += content.output_transcription.text or ""
        if content.input_transcription:
            self.caller += content.input_transcription.text or ""
        self.interrupted |= bool(content.interrupted)
        self.generated |= bool(content.generation_complete)
        self.complete |= bool(content.turn_complete)

    @property
    def clip(self) -> str | None:
        """Name of the phrase that was spoken, judged by its sound."""
        match = known().identify(bytes(self.pcm), 24_000)
        return match.clip.name if match else None


class Lab:
    """A simulator and an SDK client that talks to it."""

    def __init__(self, simulator: GeminiLiveSimulator, client: genai.Client) -> None:
        self.simulator = simulator
        self.client = client

    def connect(self, **config: object) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session with transcripts and resumption, and whatever is given."""
        fields: dict[str, object] = {
            "response_modalities": ["AUDIO"],
            "input_audio_transcription": {},
            "output_audio_transcription": {},
            "session_resumption": {},
        }
        chosen = types.LiveConnectConfig.model_validate(fields | config)
        return self.client.aio.live.connect(model=MODEL, config=chosen)


@asynccontextmanager
async def laboratory(
    scenario: Scenario | None = None, clock_scale: float = CLOCK_SCALE
) -> AsyncIterator[Lab]:
    """Run a simulator and a client of it."""
    server_tls, client_tls = tls_contexts()
    simulator = GeminiLiveSimulator(
        scenario, host="localhost", ssl=server_tls, clock_scale=clock_scale
    )
    async with simulator:
        options = types.HttpOptions(
            base_url=simulator.url.replace("wss:", "https:"),
            api_version="v1beta",
            async_client_args={"ssl": client_tls, "proxy": None, "compression": None},
        )
        client = genai.Client(api_key="K", http_options=options)
        try:
            yield Lab(simulator, client)
        finally:
            await client.aio.aclose()
            client.close()


async def say(
    session: AsyncSession, clip: str, *, sample_rate: int = 16_000, silence_ms: int = 800
) -> None:
    """Speak a caller's phrase, and then be silent."""
    pcm = CLIPS[clip].pcm(sample_rate) + bytes(sample_rate * 2 * silence_ms // 1000)
    for at in range(0, len(pcm), FRAME_BYTES):
        blob = types.Blob(
            data=pcm[at : at + FRAME_BYTES], mime_type=f"audio/pcm;rate={sample_rate}"
        )
        await session.send_realtime_input(audio=blob)


async def read_into(heard: Heard, session: AsyncSession) -> None:
    """Read what the SDK considers one turn; what came is kept even when it ends in an error."""
    async for message in session.receive():
        heard.add(message)


async def next_turn(session: AsyncSession) -> Heard:
    """Read what the SDK considers one turn."""
    heard = Heard()
    await read_into(heard, session)
    return heard


async def until(session: AsyncSession, done: Callable[[Heard], object]) -> Heard:
    """Read until what was heard is enough."""
    heard = Heard()
    async for message in session.receive():
        heard.add(message)
        if done(heard):
            break
    return heard


async def until_calls(session: AsyncSession) -> Heard:
    """Read until the agent asks for tools."""
    return await until(session, lambda heard: heard.calls)


async def until_audio(session: AsyncSession) -> Heard:
    """Read until the agent begins to speak."""
    return await until(session, lambda heard: heard.pcm)


def answer(call: types.FunctionCall, **response: object) -> types.FunctionResponse:
    """Answer a tool call."""
    return types.FunctionResponse(id=call.id, name=call.name, response=dict(response))


def declare(*names: str, blocking: bool = True) -> list[types.Tool]:
    """Declare tools without parameters."""
    behavior = types.Behavior.BLOCKING if blocking else types.Behavior.NON_BLOCKING
    functions = [types.FunctionDeclaration(name=name, behavior=behavior) for name in names]
    return [types.Tool(function_declarations=functions)]
