"""One call, from the moment its media stream is open to the moment it is over.

Theory of operation. Both legs call in with events, and what an event means is done at once, inside
that call: caller audio goes up to the model, model audio goes into the playout buffer and, when the
carrier has nothing, straight on to it. Only what must wait becomes a task, and every task belongs
to the group in `run`. The call ends when `_ended` is resolved; the first reason wins. Then the
session lets go of both legs and waits for the tools that still run: one that acts must finish.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

import structlog

from fwai.audio.pcm import duration_ms
from fwai.calls.agent_replies import AgentReplies
from fwai.calls.answer_keeper import LOOK_S, AnswerKeeper
from fwai.calls.caller_input import CallerInput
from fwai.calls.dtmf import QUIET_S, KeyCollector
from fwai.calls.fallback import APOLOGY_ONLY, FallbackEnding
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
from fwai.calls.sentence_clips import shipped_only
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
    CallerRepeats,
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
from fwai.domain.sentence import Sentence, SpokenSentence
from fwai.domain.turns import SilencePolicy, SilenceStep
from fwai.interfaces.calls import CallFallback, Sentences, ToolRunner
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
        sentences: Sentences | None = None,
        fallback: CallFallback = APOLOGY_ONLY,
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
        repeated = self._answer_again
        self._tools = SessionTools(call, tools, self._tasks, self, told, repeated, transcript.now)
        self.caller_input = CallerInput(caller, agent, recorder, self._loop.time())
        self.replies = AgentReplies(self.voice, transcript, self.caller_input)
        self.allow = self._tools.allow
        self.confirm = self.replies.read_backs.confirm
        self._goodbye = Goodbye(
            self._tasks, self.voice, transcript, self.replies, self.hang_up, self._stay
        )
        self._sentence = partial((sentences or shipped_only()).of, call.agent)
        self._answers = AnswerKeeper(
            agent, self.replies, self.voice, transcript, self._tools, self._sentence,
            self._fall_back, self._loop.time(),
        )  # fmt: skip
        self._answers.active = not call.listen_only
        self._fallback_actions = fallback
        self._fallback: FallbackEnding | None = None
        self._falling: asyncio.Task[None] | None = None
        self._look = asyncio.Event()
        self._keys = KeyCollector()
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
        self._answers.to_machine = True
        self.replies.turn_ms = 0.0
        self._ask(LEAVE_MESSAGE)
        self.finish(EndReason.VOICEMAIL)

    def _let_go(self) -> None:
        """Stop both directions and write down what was heard to the end."""
        self._goodbye.cancel()
        if self._falling is not None and not self._falling_on():
            self._falling.cancel()
        self.voice.stop()
        self._agent.close()
        self.replies.end_turn()
        self._transcript.finish(self.voice.heard_ms)

    def _falling_on(self) -> bool:
        """Whether a voice message is still to be kept now that the caller is gone."""
        return self._fallback is not None and self._fallback.caller_left()

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
                self._leaving
                or (EndReason.STREAM_FAILED if event.failed else EndReason.CALLER_HUNG_UP)
            ),
        }

    @property
    def _leaving(self) -> EndReason | None:
        """Why the call is over, while what is being done takes the stream away."""
        of_fallback = self._fallback.leaving if self._fallback is not None else None
        return self._goodbye.leaving or of_fallback

    def _hear_caller(self, event: CallerAudio) -> None:
        now = self._loop.time()
        speech = self.caller_input.hear(event.pcm, now)
        if speech:
            self._silence.caller_sound(now)
        if speech or self._answers.unowned:
            ms = duration_ms(len(event.pcm), self._caller.sample_rate)
            if self._answers.hear_caller(now, ms, speech=speech):
                self.replies.interrupt()
        if self._fallback is not None and self._fallback.message is not None:
            self._fallback.message.hear(event.pcm, now, speech=speech)

    def _hear_key(self, event: DtmfPressed) -> None:
        now = self._loop.time()
        self._keys.press(event.digit, now)
        self._silence.caller_spoke(now)
        self._tools.caller_said(now)

    # ---- what the agent does --------------------------------------------------------------------

    def _agent_handlers(self) -> Mapping[type, Callable[[Any], None]]:
        return {
            AgentAudio: self._hear_agent,
            AgentSaid: lambda event: self.replies.text(event.text),
            CallerSaid: self._caller_said,
            CallerRepeats: lambda _: self._caller_repeats(),
            Interrupted: lambda _: self._interrupt(),
            GenerationEnded: lambda _: self._reply_over(heard=self.replies.end()),
            TurnEnded: lambda _: self._turn_over(),
            ToolCall: self._start_tool,
            ToolsCancelled: lambda event: self._tools.cancel(*event.ids),
            TokensUsed: self._add_tokens,
            AgentReady: self._agent_ready,
            AgentAway: self._agent_away,
            AgentLost: self._agent_lost,
        }

    def _hear_agent(self, event: AgentAudio) -> None:
        audible = self.replies.audio(event.pcm)
        if audible:
            self._tools.agent_spoke()
        self._answers.audio(self._loop.time(), audible=audible)

    def _reply_over(self, *, heard: bool) -> None:
        if heard:
            self._answers.watch.answered(self._loop.time())

    def _turn_over(self) -> None:
        self._answers.turn_over(self._loop.time(), heard=self.replies.end_turn())

    def _caller_said(self, event: CallerSaid) -> None:
        now = self._loop.time()
        self._silence.caller_spoke(now)
        self._answers.watch.caller_words(now, over_agent=self.voice.playing)
        self._tools.caller_said(self._answers.watch.spoke_at(now))
        self.replies.caller_text(event.text)

    def _caller_repeats(self) -> None:
        self._transcript.caller_repeats()
        self._tools.caller_repeats()

    def _start_tool(self, event: ToolCall) -> None:
        if self._tools.start(event):
            self._answers.watch.answered(self._loop.time())

    def _interrupt(self) -> None:
        cut = self.replies.interrupt()
        self._answers.interrupted(self._loop.time(), cut=cut)
        self._look.set()
        if self._goodbye.interrupted():
            self._tools.caller_said(self._loop.time())  # the same goodbye may be wanted later
            if self._answers.to_machine:
                self.finish(EndReason.VOICEMAIL)  # it has nothing to say: it begins again

    def _add_tokens(self, event: TokensUsed) -> None:
        for name, count in event.tokens.items():
            self.tokens[name] = self.tokens.get(name, 0) + count

    def _agent_away(self, event: AgentAway) -> None:
        self.replies.away(event.cause)
        self._answers.gone(self._loop.time())
        self._look.set()

    def _agent_lost(self, event: AgentLost) -> None:
        self.replies.away(event.cause)
        self._fall_back()

    def _agent_ready(self, event: AgentReady) -> None:
        self.replies.away_cause = ""
        self._answers.back(self._loop.time())
        if event.resumed:
            self._tools.reconnected()
            self._transcript.note("agent_reconnected")

    def _fall_back(self) -> None:
        """The agent cannot be brought back: give the caller what there is instead."""
        if self._fallback is not None or self._ended.done():
            return
        self._answers.active = False
        self._agent.close()
        if self._goodbye.pending:
            self._goodbye.alone()  # what came of the goodbye is all
            return
        if self.call.listen_only or self._answers.to_machine:
            self.hang_up(EndReason.AGENT_FAILED)
            return
        self._transcript.note("agent_down")
        self._fallback = FallbackEnding(
            self.call, self._fallback_actions, self._say_sentence, self.voice.until_heard,
            self.hang_up, self._caller.sample_rate,
        )  # fmt: skip
        self._falling = self._tasks.create_task(self._fallback.run(), name="fallback")

    def _stay(self) -> None:
        """What was to end the call failed: it goes on, or ends as one whose agent is lost."""
        self._tools.caller_said(self._loop.time())  # the same may be tried again
        if self._answers.active:
            self._ask(STAY)
        else:
            self._fall_back()

    def _say_sentence(self, sentence: Sentence, then: bytes) -> SpokenSentence:
        spoken = self._sentence(sentence)
        self.replies.say_locally(spoken, then)
        return spoken

    def _ask(self, text: str) -> None:
        """Prompt the model to speak."""
        now = self._loop.time()
        self.replies.asked(now)
        self._silence.agent_busy(now)
        self._answers.watch.asked(now)
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
        now = self._loop.time()
        self._silence.agent_busy(now)
        if not self._ended.done():
            if not result.silent:
                self._answers.watch.tool_done(now)
            self._agent.answer_tool(result)

    def _answer_again(self, result: ToolResult) -> None:
        if not self._ended.done():
            self._agent.answer_tool(result)

    async def _watch(self) -> None:
        """Write down what was heard, keep the time limit, mind silence and keys."""
        started = due = self._loop.time()
        max_s = min(self._limits.max_call_s, self._caller.max_call_s or self._limits.max_call_s)
        warned = max_s <= WARN_BEFORE_S
        while True:
            pause_s = LOOK_S if self._answers.pressing else WATCH_S
            await self._until_look(min(due + WATCH_S - self._loop.time(), pause_s))
            now = self._loop.time()
            self._answers.look(now)
            if now < due + WATCH_S - 0.001:
                continue
            due += WATCH_S
            self._transcript.heard(self.voice.heard_ms, self._transcript.now())
            self.caller_input.fill(now)
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

    async def _until_look(self, pause_s: float) -> None:
        self._look.clear()
        timer = self._loop.call_later(pause_s, self._look.set)
        try:
            await self._look.wait()
        finally:
            timer.cancel()

    def _somebody_talks(self, now: float) -> bool:
        spoke_at = self.caller_input.stopped_at
        talking = spoke_at is not None and now - spoke_at < QUIET_S
        return talking or self._transcript.agent_replying or self.voice.playing

    def _mind_silence(self, now: float) -> None:
        replying = self._transcript.agent_replying or self.voice.playing
        helping = self._fallback is not None or self._answers.owed
        if replying or self._tools.running or self._goodbye.pending or helping:
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
