"""Ends a call once the agent's last words were heard."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from fwai.calls.agent_replies import AgentReplies
from fwai.calls.transcript_writer import TranscriptWriter
from fwai.calls.voice import Voice
from fwai.domain.call import EndReason

SPOKEN_MS: Final = 300.0  # of this turn's audio, for end_call to count it as a goodbye
STARTS_S: Final = 6.0
LASTS_S: Final = 20.0
DRY_S: Final = 0.8  # without audio, and with nothing left to play: it is over
POLL_S: Final = 0.05  # only in the last seconds of a call

_log = structlog.get_logger()


class Goodbye:
    """Waits for the goodbye to be said, sent and heard, then hangs up.

    Args:
        tasks: Owns the waiting.
        hang_up: Ends the call.
        stayed: Called when what was to happen before the hang-up did not, so the call goes on.

    Attributes:
        leaving: Why the call is over, while what takes its stream away is being done.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        voice: Voice,
        transcript: TranscriptWriter,
        replies: AgentReplies,
        hang_up: Callable[[EndReason], None],
        stayed: Callable[[], None],
    ) -> None:
        self._tasks = tasks
        self._voice = voice
        self._transcript = transcript
        self._replies = replies
        self._hang_up = hang_up
        self._stayed = stayed
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._alone = False
        self.leaving: EndReason | None = None

    @property
    def pending(self) -> bool:
        """Whether the call is about to end."""
        return self._task is not None

    def begin(
        self, reason: EndReason, before: Callable[[], Awaitable[bool]] | None, *, said: bool
    ) -> None:
        """End the call for ``reason`` once it was heard; nothing happens when that is under way.

        Args:
            reason: Why.
            before: Awaited right before the hang-up; when it says False the call goes on.
            said: The goodbye is being said already; else it is waited for.
        """
        if self._task is None:
            self._task = self._tasks.create_task(
                self._run(reason, before, said=said), name="finish"
            )

    def interrupted(self) -> bool:
        """The caller has more to say than goodbye: stay; False when it is too late for that."""
        if self._task is None or self.leaving is not None:
            return False
        self.cancel()
        self._task = None
        return True

    def alone(self) -> None:
        """The agent is lost: no more of the goodbye will come."""
        self._alone = True

    def cancel(self) -> None:
        """Wait no longer."""
        if self._task is not None:
            self._task.cancel()

    async def _run(
        self, reason: EndReason, before: Callable[[], Awaitable[bool]] | None, *, said: bool
    ) -> None:
        begun = self._replies.begun
        if not said:
            await self._until(lambda: self._replies.begun > begun or self._alone, STARTS_S)
        await self._until(self._said, LASTS_S)
        if self._transcript.agent_replying:
            _log.warning("goodbye_without_end")
            self._replies.end_turn()
        await self._voice.until_heard()
        if before is not None:
            self.leaving = reason
            if not await self._done_before(before):
                self.leaving = self._task = None
                self._stayed()
                return
        self._hang_up(reason)

    def _said(self) -> bool:
        """Whether all of it came, as the model says; or nothing does, and all was heard."""
        if not self._transcript.agent_replying:
            return True
        dry = self._loop.time() - self._replies.audio_at >= DRY_S
        return (dry or self._alone) and not self._voice.playing

    async def _done_before(self, before: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await before()
        except Exception as exc:  # noqa: BLE001 - a fault in it must not end the call
            _log.exception("goodbye_step_broken", error=type(exc).__name__)
            return False

    async def _until(self, true: Callable[[], bool], max_s: float) -> None:
        deadline = self._loop.time() + max_s
        while not true() and self._loop.time() < deadline:  # noqa: ASYNC110 - only in hanging up
            await asyncio.sleep(POLL_S)
