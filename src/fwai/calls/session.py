"""One call, from the moment its media stream is open to the moment it is over.

Theory of operation. Both legs call in with events, and what an event means is done at once, inside
that call: caller audio goes up to the model, model audio goes into the playout buffer and, when the
carrier has nothing, straight on to it. Only what must wait becomes a task, and every task belongs
to the group in `run`. The call ends when `_ended` is resolved; the first reason wins. Then the
session lets go of both legs and waits for the tools that still run: one that acts must finish.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog

from fwai.calls.agent_replies import AgentReplies
from fwai.calls.caller_input import CallerInput
from fwai.calls.dtmf import QUIET_S, KeyCollector
from fwai.calls.goodbye import SPOKEN_MS, Goodbye
from fwai.calls.limits import (
    GREET,
    LEAVE_MESSAGE,
    NEARLY_OVER,
    SAY_GOODBYE,
    STAY,
    STILL_THERE,
    WARN_BEFORE_S,
    SessionLimits,
)
from fwai.calls.pacer import Pacer
from fwai.calls.session_tools import SessionTools
from fwai.calls.transcript_writer import TranscriptWriter
from fwai.calls.voice import Voice
from fwai.domain.call import Call, EndReason
from fwai.domain.events import (
    AgentAudio,
    AgentAway,
    AgentLost,
    AgentReady,
    AgentSaid,
    CallerAudio,
    CallerHungUp,
    CallerSaid,
    DtmfPressed,
    GenerationEnded,
    Interrupted,
    MarkReached,
    TokensUsed,
    ToolCall,
    ToolResult,
    ToolsCancelled,
    TurnEnded,
)
from fwai.domain.turns import SilencePolicy, SilenceStep
from fwai.interfaces.calls import ToolRunner
from fwai.interfaces.media import AgentLeg, CallerLeg, Recorder

WATCH_S: Final = 1.0

_log = structlog.get_logger()


class CallSession:
    """Bridges the caller's leg and the agent's leg. Implements ``CallActions``.

    It opens neither: both are given to it, and ending the carrier's call is the
    ``hang_up_carrier`` it was given. Nothing it starts outlives `run`.

    Attributes:
        tokens: Summed model tokens by name.
        caller_input: The caller's audio on its way to the model.
        replies: The agent's replies so far.
        voice: The agent's speech on its way to the caller.
        allow, confirm: Of ``CallActions``; those of the parts that know.
    """

    def __init__(
        self,
        call: Call,
        caller: CallerLeg,
        agent: AgentLeg,
        tools: ToolRunner,
        transcript: TranscriptWriter,
        pacer: Pacer,
        limits: SessionLimits,
        hang_up_carrier: Callable[[], Awaitable[None]],
        recorder: Recorder | None = None,
    ) -> None:
        self.call = call
        self.tokens: dict[str, int] = {}
        self.voice = Voice(caller, pacer, recorder, lambda: self.hang_up(EndReason.INTERNAL_ERROR))
        self._caller = caller
        self._agent = agent
        self._transcript = transcript
        self._limits = limits
        self._hang_up_carrier = hang_up_carrier
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[EndReason] = self._loop.create_future()
        self._tasks = asyncio.TaskGroup()
        told = self._tool_finished
        self._tools = SessionTools(call, tools, self._tasks, self, told, transcript.now)
        self.caller_input = CallerInput(caller, agent, recorder, self._loop.time())
        self.replies = AgentReplies(self.voice, transcript, self.caller_input)
        self.allow = self._tools.allow
        self.confirm = self.replies.read_backs.confirm
        self._goodbye = Goodbye(
            self._tasks, self.voice, transcript, self.replies, self.hang_up, lambda: self._ask(STAY)
        )
        self._keys = KeyCollector()
        self._to_machine = False
        self._silence = SilencePolicy(limits.quiet_s, limits.nudges)

    async def run(self) -> EndReason:
        """Carry the call to its end; a tool that is still running is waited for.

        Raises:
            ExceptionGroup: Something broke that no rule covers; the call is over nevertheless.
        """
        now = self.caller_input.audio_at = self._loop.time()
        self._silence.caller_spoke(now)
        reason = EndReason.INTERNAL_ERROR
        async with self._tasks:
            watch = self._tasks.create_task(self._watch(), name="watch")
            try:
                self._agent.listen(self._guarded(self._agent_handlers()))
                self._ask(GREET)
                self._caller.listen(self._guarded(self._caller_handlers()))
                reason = await self._ended
            finally:
                watch.cancel()
                self._let_go()
                if reason not in (EndReason.CALLER_HUNG_UP, EndReason.TRANSFERRED):
                    await self._hang_up_carrier()
                await _close(self._caller)
        return reason

    @property
    def over(self) -> EndReason | None:
        """Why the call ended; None while it goes on."""
        ended = self._ended  # it is cancelled with the task that waits for it
        return ended.result() if ended.done() and not ended.cancelled() else None

    def hang_up(self, reason: EndReason) -> None:
        """End the call now; the first reason wins."""
        if not self._ended.done():
            self._ended.set_result(reason)

    def say(self, text: str) -> None:
        """Let the agent say something now, in its own voice."""
        self._ask(f"Say this to the caller now: {text}")

    def leave_message(self) -> None:
        """A machine answered: the agent leaves a message after its tone, then hangs up."""
        self._transcript.note("machine_answered")
        self._to_machine = True
        self.replies.turn_ms = 0.0
        self._ask(LEAVE_MESSAGE)
        self.finish(EndReason.VOICEMAIL)

    def _let_go(self) -> None:
        """Stop both directions and write down what was heard to the end."""
        self._goodbye.cancel()
        self.voice.stop()
        self._agent.close()
        self.replies.close_turn()
        self._transcript.finish(self.voice.heard_ms)

    def _guarded(self, handlers: Mapping[type, Callable[[Any], None]]) -> Callable[[object], None]:
        """Return what a leg calls with its events.

        A fault in handling one ends this call, not the socket it came from.
        """

        def handle(event: object) -> None:
            if self._ended.done():
                return
            try:
                handlers[type(event)](event)
            except Exception:  # noqa: BLE001 - one broken call must not touch the others
                _log.exception("call_event_failed", event_kind=type(event).__name__)
                self.hang_up(EndReason.INTERNAL_ERROR)

        return handle

    # ---- what the caller does -------------------------------------------------------------------

    def _caller_handlers(self) -> Mapping[type, Callable[[Any], None]]:
        return {
            CallerAudio: self._hear_caller,
            DtmfPressed: self._hear_key,
            MarkReached: lambda event: self.voice.reached(event.name),
            CallerHungUp: lambda event: self.hang_up(
                self._goodbye.leaving  # what is being done takes the stream away
                or (EndReason.STREAM_FAILED if event.failed else EndReason.CALLER_HUNG_UP)
            ),
        }

    def _hear_caller(self, event: CallerAudio) -> None:
        now = self._loop.time()
        if self.caller_input.hear(event.pcm, now):
            self._silence.caller_spoke(now)

    def _hear_key(self, event: DtmfPressed) -> None:
        now = self._loop.time()
        self._keys.press(event.digit, now)
        self._silence.caller_spoke(now)

    # ---- what the agent does --------------------------------------------------------------------

    def _agent_handlers(self) -> Mapping[type, Callable[[Any], None]]:
        return {
            AgentAudio: lambda event: self.replies.audio(event.pcm),
            AgentSaid: lambda event: self.replies.text(event.text),
            CallerSaid: lambda event: self.replies.caller_text(event.text),
            Interrupted: lambda _: self._interrupt(),
            GenerationEnded: lambda _: self.replies.end(),
            TurnEnded: lambda _: self.replies.end_turn(),
            ToolCall: self._tools.start,
            ToolsCancelled: lambda event: self._tools.cancel(*event.ids),
            TokensUsed: self._add_tokens,
            AgentReady: self._agent_ready,
            AgentAway: lambda event: self.replies.away(event.cause),
            AgentLost: self._agent_lost,
        }

    def _interrupt(self) -> None:
        self.replies.interrupt()
        if self._goodbye.interrupted() and self._to_machine:
            self.finish(EndReason.VOICEMAIL)  # a machine has nothing to say: it begins again

    def _add_tokens(self, event: TokensUsed) -> None:
        for name, count in event.tokens.items():
            self.tokens[name] = self.tokens.get(name, 0) + count

    def _agent_lost(self, event: AgentLost) -> None:
        self.replies.away(event.cause)
        self.hang_up(EndReason.AGENT_FAILED)

    def _agent_ready(self, event: AgentReady) -> None:
        self.replies.away_cause = ""
        if event.resumed:
            self._transcript.note("agent_reconnected")

    def _ask(self, text: str) -> None:
        """Prompt the model to speak."""
        now = self._loop.time()
        self.replies.asked(now)
        self._silence.agent_busy(now)
        self._agent.prompt(text)

    # ---- CallActions ----------------------------------------------------------------------------

    def finish(
        self, reason: EndReason, before: Callable[[], Awaitable[bool]] | None = None
    ) -> bool:
        """End the call once the caller heard the agent's last words."""
        said = self.replies.turn_ms >= SPOKEN_MS
        if not self._ended.done():
            self._goodbye.begin(reason, before, said=said)
        return said

    def _tool_finished(
        self, request: ToolCall, result: ToolResult, at: float, elapsed_ms: float
    ) -> None:
        self._transcript.heard(self.voice.heard_ms, self._transcript.now())
        self._transcript.tool(request, result, at, elapsed_ms)
        self._silence.agent_busy(self._loop.time())
        if not self._ended.done():
            self._agent.answer_tool(result)

    async def _watch(self) -> None:
        """Write down what was heard, keep the time limit, mind silence and keys."""
        started = due = self._loop.time()
        max_s = min(self._limits.max_call_s, self._caller.max_call_s or self._limits.max_call_s)
        warned = max_s <= WARN_BEFORE_S
        while True:
            due += WATCH_S
            await asyncio.sleep(due - self._loop.time())
            now = self._loop.time()
            self._transcript.heard(self.voice.heard_ms, self._transcript.now())
            if digits := self._keys.take(now, talking=self._somebody_talks(now)):
                self._transcript.note("keys_pressed", count=len(digits))
                self._ask(f"The caller pressed these keys: {' '.join(digits)}.")
            if now - started >= max_s:
                self.hang_up(EndReason.TIME_LIMIT)
            elif now - self.caller_input.audio_at >= self._limits.dead_s:
                self.hang_up(EndReason.STREAM_FAILED)
            elif not warned and now - started >= max_s - WARN_BEFORE_S:
                warned = True
                self._ask(NEARLY_OVER)
            else:
                self._mind_silence(now)

    def _somebody_talks(self, now: float) -> bool:
        spoke_at = self.caller_input.stopped_at
        talking = spoke_at is not None and now - spoke_at < QUIET_S
        return talking or self._transcript.agent_replying or self.voice.playing

    def _mind_silence(self, now: float) -> None:
        replying = self._transcript.agent_replying or self.voice.playing
        if replying or self._tools.running or self._goodbye.pending:
            self._silence.agent_busy(now)
        match self._silence.step(now):
            case SilenceStep.NUDGE:
                self._ask(STILL_THERE)
            case SilenceStep.GOODBYE:
                self.replies.turn_ms = 0.0
                self._ask(SAY_GOODBYE)
                self.finish(EndReason.SILENCE)
            case SilenceStep.NOTHING:
                pass


async def _close(caller: CallerLeg) -> None:
    """Close a stream; what goes wrong does not change why the call ended."""
    try:
        await caller.close()
    except Exception as exc:  # noqa: BLE001 - whatever the carrier's side of it does
        _log.warning("stream_not_closed", error=type(exc).__name__)
