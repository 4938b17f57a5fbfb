"""The Live service's messages: a whole agent on connections over a socket that is none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fakes import FakeCaller
from fuzz.corpus import found, messages
from fuzz.judge import Prepared, Wire
from fuzz.mutator import Mutator
from fuzz.talk import FakeSocket, Talk
from fwai.errors import AgentError
from fwai.gemini.agent import GeminiAgent, Opened
from fwai.gemini.connection import LiveConnection, LiveEndpoint
from fwai.gemini.setup import SessionConfig

MAX_BYTES: Final = 256 * 1024  # four seconds of speech in one message; the service is one we chose
MESSAGES_OF_ONE: Final = 5_000  # what grows in one call must be seen
SETUP_DONE: Final = b'{"setupComplete":{}}'
CONFIG: Final = SessionConfig(model="gemini-3.8-live", instruction="Be brief.", voice="Puck")
OPENS_S: Final = 5.0
UNKNOWN: Final = 0.1  # share of connections whose first message is not the end of the set-up


class _Agent(GeminiAgent):
    """The real agent, whose connections are opened without a network."""

    def __init__(self, mutator: Mutator) -> None:
        super().__init__(LiveEndpoint("ws://127.0.0.1", "key"), CONFIG)
        self._chance = mutator.chance
        self.current: LiveConnection | None = None

    async def _open(self, delay_s: float) -> Opened | None:
        await asyncio.sleep(delay_s)
        connection = self.current = LiveConnection()
        connection._socket = FakeSocket(connection._closed)  # type: ignore[assignment]
        if self._chance.random() >= UNKNOWN:
            connection._receive(memoryview(SETUP_DONE))
        try:
            async with asyncio.timeout(OPENS_S):
                await connection._ready
        except TimeoutError:
            connection._give_up()
            raise AgentError("no answer in time", resumable=True, fresh=True) from None
        return Opened(connection, None, earlier=[], at=asyncio.get_running_loop().time())


class _Service:
    """One call after another."""

    def __init__(self, mutator: Mutator) -> None:
        self._mutator = mutator
        self._agent: _Agent | None = None
        self._running: asyncio.Task[None] | None = None
        self._talk: Talk | None = None
        self._count = 0

    def prepare(self, message: bytes) -> memoryview:
        return memoryview(message)

    async def deliver(self, prepared: Prepared) -> bool:
        connection = await self._connection()
        unreadable = connection.unreadable
        connection._receive(prepared)
        self._count += 1
        await asyncio.sleep(0.05 if self._count % 3 else 0)
        return connection.unreadable == unreadable

    async def _connection(self) -> LiveConnection:
        """Return an open connection, of a new call when the last one is over."""
        while True:
            agent, talk, running = self._agent, self._talk, self._running
            if agent is None or talk is None or running is None:
                await self._begin()
                continue
            if self._count > MESSAGES_OF_ONE or talk.over or running.done():
                await self.end()
                continue
            current = agent.current
            if current is not None and current.is_open and not current.lost.done():
                return current
            await asyncio.sleep(0.1)

    async def _begin(self) -> None:
        self._agent = _Agent(self._mutator)
        self._running = asyncio.create_task(self._agent.run())
        self._talk = Talk(FakeCaller(), self._agent)
        self._count = 0
        await asyncio.sleep(0)

    async def end(self) -> None:
        from fwai.domain.call import EndReason

        if self._agent is None or self._talk is None or self._running is None:
            return
        self._talk.session.hang_up(EndReason.CALLER_HUNG_UP)
        await self._talk.finish()
        self._agent.close()
        async with asyncio.timeout(120):
            await self._running
        self._agent = self._talk = self._running = None


@asynccontextmanager
async def _opened(mutator: Mutator) -> AsyncIterator[_Service]:
    service = _Service(mutator)
    yield service
    await service.end()


KINDS: Final = ("audio", "connection", "odd", "tools", "transcripts", "turns")


def live_wire() -> Wire:
    seeds = messages(*(f"gemini/server_{kind}" for kind in KINDS), "gemini/variants")
    return Wire("live", Mutator.json, [*seeds, *found("live")], MAX_BYTES, _opened)
