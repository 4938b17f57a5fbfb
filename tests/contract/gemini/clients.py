"""Two clients of the Live service behind one face: our connection and the unmodified SDK."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import pytest
from google.genai import errors, types
from google.genai.live import AsyncSession
from websockets.exceptions import InvalidStatus

from contract.gemini.oracle import connect_config
from contract.gemini.sdk import meaning, on_loopback
from fwai.domain.events import AgentAudio, AgentSaid, CallerSaid, TokensUsed, ToolCall, ToolResult
from fwai.errors import AgentError
from fwai.gemini import messages
from fwai.gemini.connection import LiveConnection, LiveEndpoint
from fwai.gemini.messages import ServerMessage
from fwai.gemini.setup import SessionConfig, setup_message

FRAME_BYTES = 16_000 * 2 // 10


class Refused(Exception):  # noqa: N818 - what the service does
    """The session was not opened; ``code`` is the HTTP status or the close code."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


class Client:
    """What both clients have in common.

    Attributes:
        events: What the service said.
        closed: Close code of the session, once it is over.
    """

    def __init__(self) -> None:
        self.events: list[ServerMessage] = []
        self.closed: int | None = None
        self._news = asyncio.Event()

    async def text(self, words: str) -> None:
        raise NotImplementedError

    async def history(self, *turns: tuple[str, str]) -> None:
        raise NotImplementedError

    async def audio(self, pcm: bytes) -> None:
        raise NotImplementedError

    async def answer(self, call: ToolCall, words: str, *, ok: bool = True) -> None:
        raise NotImplementedError

    async def say(self, pcm: bytes, silence_s: float = 1.0) -> None:
        """Speak, and then be silent."""
        pcm += bytes(int(32_000 * silence_s))
        for at in range(0, len(pcm), FRAME_BYTES):
            await self.audio(pcm[at : at + FRAME_BYTES])

    async def until(self, true: Callable[[], bool], within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def next(self, kind: type[ServerMessage], number: int = 1) -> list[ServerMessage]:
        """Take all events up to the next one, or the one of this number, of a kind."""
        await self.until(lambda: sum(isinstance(e, kind) for e in self.events) >= number)
        at = [i for i, event in enumerate(self.events) if isinstance(event, kind)][number - 1] + 1
        taken, self.events = self.events[:at], self.events[at:]
        return taken

    def _take(self, event: ServerMessage) -> None:
        self.events.append(event)
        self._news.set()

    def _end(self, code: int | None) -> None:
        self.closed = code
        self._news.set()


class OurClient(Client):
    """On ``LiveConnection``."""

    def __init__(self, connection: LiveConnection) -> None:
        super().__init__()
        self._connection = connection
        connection.listen(self._take)
        connection.lost.add_done_callback(lambda lost: self._end(lost.result().code))

    async def text(self, words: str) -> None:
        self._connection.send(messages.text(words))

    async def history(self, *turns: tuple[str, str]) -> None:
        self._connection.send(messages.history(list(turns)))

    async def audio(self, pcm: bytes) -> None:
        self._connection.send_audio(messages.audio(pcm))
        await asyncio.sleep(0)

    async def answer(self, call: ToolCall, words: str, *, ok: bool = True) -> None:
        result = ToolResult(call.id, call.name, ok, words, {})
        self._connection.send(messages.tool_response(result, scheduling=True))


class SdkClient(Client):
    """On ``google.genai.live.AsyncSession``."""

    def __init__(self, session: AsyncSession) -> None:
        super().__init__()
        self._session = session

    async def read(self) -> None:
        """Read until the session is over; what the SDK cannot read is passed over."""
        while True:
            try:
                async for message in self._session.receive():
                    for event in meaning(message):
                        self._take(event)
            except errors.APIError as exc:
                self._end(exc.code)
                return
            except TypeError:
                continue

    async def text(self, words: str) -> None:
        await self._session.send_realtime_input(text=words)

    async def history(self, *turns: tuple[str, str]) -> None:
        contents: list[types.Content | types.ContentDict] = [
            types.Content(role=role, parts=[types.Part(text=words)]) for role, words in turns
        ]
        await self._session.send_client_content(turns=contents, turn_complete=False)

    async def audio(self, pcm: bytes) -> None:
        blob = types.Blob(data=pcm, mime_type="audio/pcm;rate=16000")
        await self._session.send_realtime_input(audio=blob)

    async def answer(self, call: ToolCall, words: str, *, ok: bool = True) -> None:
        response = types.FunctionResponse(
            id=call.id,
            name=call.name,
            response={"output" if ok else "error": words},
            scheduling=types.FunctionResponseScheduling.WHEN_IDLE,
        )
        await self._session.send_tool_response(function_responses=response)


class Opener(Protocol):
    """Opens a session of one kind of client; it is closed with the block."""

    def __call__(
        self, url: str, config: SessionConfig, handle: str | None = None
    ) -> AbstractAsyncContextManager[Client]: ...


@asynccontextmanager
async def ours(url: str, config: SessionConfig, handle: str | None = None) -> AsyncIterator[Client]:
    """Open a session with our connection.

    Raises:
        Refused: It was not opened.
    """
    try:
        connection = await LiveConnection.open(
            LiveEndpoint(url, "K", open_s=5.0), setup_message(config, handle)
        )
    except AgentError as exc:
        raise Refused(exc.code) from exc
    try:
        yield OurClient(connection)
    finally:
        connection.close()


def sdks(monkeypatch: pytest.MonkeyPatch) -> Opener:
    """Return what opens a session with the SDK."""

    @asynccontextmanager
    async def opened(
        url: str, config: SessionConfig, handle: str | None = None
    ) -> AsyncIterator[Client]:
        session = on_loopback(monkeypatch, url, config.model, connect_config(config, handle))
        try:
            live = await session.__aenter__()
        except InvalidStatus as exc:
            raise Refused(exc.response.status_code) from exc
        except errors.APIError as exc:
            raise Refused(exc.code) from exc
        client = SdkClient(live)
        reading = asyncio.ensure_future(client.read())
        try:
            yield client
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            await session.__aexit__(None, None, None)

    return opened


def pcm_of(events: list[ServerMessage]) -> bytes:
    return b"".join(event.pcm for event in events if isinstance(event, AgentAudio))


def agent_words(events: list[ServerMessage]) -> str:
    return "".join(event.text for event in events if isinstance(event, AgentSaid))


def caller_words(events: list[ServerMessage]) -> str:
    return "".join(event.text for event in events if isinstance(event, CallerSaid))


def tokens_of(events: list[ServerMessage]) -> dict[str, int]:
    """Return the summed bill."""
    total: dict[str, int] = {}
    for event in events:
        if isinstance(event, TokensUsed):
            total = {
                name: total.get(name, 0) + event.tokens.get(name, 0)
                for name in total.keys() | event.tokens.keys()
            }
    return total
