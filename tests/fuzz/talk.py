"""Calls for messages to reach: real sessions, one after another, with a stand-in at the far end."""

import asyncio
from collections.abc import Callable

from fakes import CALL, FakeLog, FakeTools
from fwai.calls.limits import SessionLimits
from fwai.calls.pacer import Pacer
from fwai.calls.session import CallSession
from fwai.calls.transcript_writer import TranscriptWriter
from fwai.domain.events import AgentAudio, AgentEvent, AgentSaid, GenerationEnded, TurnEnded
from fwai.interfaces.media import AgentLeg, CallerLeg

REPLY: tuple[AgentEvent, ...] = (
    AgentSaid("Hello."),
    AgentAudio(bytes(24_000)),
    GenerationEnded(),
    TurnEnded(),
)


class FakeSocket:
    """Takes everything that is sent; closing it is told as the real one tells it."""

    def __init__(self, closed: Callable[[int, str], None]) -> None:
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self.open = True
        self.stalled = False

    @property
    def leaving(self) -> bool:
        return not self.open

    def send(self, message: bytes, *, droppable: bool = False) -> bool:
        assert isinstance(message, bytes)
        message.decode()  # it is sent as text
        return self.open

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self.open:
            self.open = False
            self._loop.call_soon(self._closed, code, reason)

    def abort(self) -> None:
        self.close(1006)


class Talk:
    """One call between two legs, under a real session, in a task."""

    def __init__(self, caller: CallerLeg, agent: AgentLeg) -> None:
        self.session = CallSession(
            CALL,
            caller,
            agent,
            FakeTools(0.05),
            TranscriptWriter(FakeLog()),
            Pacer(),
            SessionLimits(),
            self._hang_up,
        )
        self.task = asyncio.create_task(self.session.run())

    @property
    def over(self) -> bool:
        return self.session.over is not None or self.task.done()

    async def finish(self) -> None:
        """Wait for the end; what broke the call is raised."""
        async with asyncio.timeout(120):
            await self.task

    async def _hang_up(self) -> None:
        await asyncio.sleep(0)
