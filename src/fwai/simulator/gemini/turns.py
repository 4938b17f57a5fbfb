"""Takes the simulated agent's turns, one after another; each can be interrupted.

Whatever wants an answer (an utterance, a typed instruction, the outcome of tools) waits in a short
queue. The conductor takes from it and runs each turn as a task of its own, so that an interruption
is the cancelling of that task and nothing else.
"""

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass

from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.recognizer import Recognizer
from fwai.simulator.gemini.endpointing import SpeechEnded
from fwai.simulator.gemini.fault_book import FaultBook
from fwai.simulator.gemini.link import Link, SimClock
from fwai.simulator.gemini.memory import Conversation, Memory
from fwai.simulator.gemini.reply import FaultHook, Replier, Spoken
from fwai.simulator.gemini.scenario import Scenario
from fwai.simulator.gemini.setup import Setup
from fwai.simulator.gemini.tools import Batch, ToolCalls
from fwai.simulator.gemini.wire import content, usage

QUIET_LIMIT_S = 10.0
"""How long the outcome of a tool waits for the caller to finish speaking."""

LATE_MS = 200.0
"""How far into the reply the caller's words come when they come late."""

MAX_WAITING = 8
"""Things waiting for an answer; the oldest is dropped."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """A typed text that wants an answer."""

    text: str


@dataclass(frozen=True, slots=True)
class FollowUp:
    """The reply that the outcome of non-blocking tools leads to."""

    reply: str


Work = SpeechEnded | Instruction | FollowUp


@dataclass(frozen=True, slots=True)
class SharedState:
    """State that all sessions of one simulator share.

    Attributes:
        scenario: What to answer and what goes wrong.
        clips: The sounds.
        recognizer: Knows the caller's phrases.
        clock: The simulator's time.
        memory: Conversations that can be resumed.
        changed: Called when a record has changed.
        faults: Which of the scenario's faults are due.
    """

    scenario: Scenario
    clips: ClipLibrary
    recognizer: Recognizer
    clock: SimClock
    memory: Memory
    changed: Callable[[], None]
    faults: FaultBook


class TurnConductor:
    """Takes the agent's turns in one session.

    Args:
        link: The client's socket.
        shared: What its session shares with others.
        setup: What it asked for.
        conversation: What is known of its conversation, changed with every turn.
        tasks: Where the turns run; owned by the session.
        strike_due: Lets faults happen.

    Attributes:
        tool_calls: The tools that were asked for.
    """

    def __init__(
        self,
        link: Link,
        shared: SharedState,
        setup: Setup,
        conversation: Conversation,
        tasks: asyncio.TaskGroup,
        strike_due: FaultHook,
    ) -> None:
        self.tool_calls = ToolCalls(link.record, self._tools_finished, shared.memory)
        self._link = link
        self._record = link.record
        self._shared = shared
        self._scenario = shared.scenario
        self._setup = setup
        self._conversation = conversation
        self._tasks = tasks
        self._strike_due = strike_due
        self._replier = Replier(
            link, shared.faults, setup, shared.clips, self.tool_calls, strike_due
        )
        self._work: asyncio.Queue[Work] = asyncio.Queue(MAX_WAITING)
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._turn: asyncio.Task[None] | None = None
        self._spoken = Spoken(0)
        self._ending_turn = False

    def offer(self, work: Work) -> None:
        """Queue something that wants an answer."""
        if self._work.full():
            self._work.get_nowait()
            self._record.keep(self._record.violations, "more waits for an answer than is sensible")
        self._work.put_nowait(work)

    def caller_began(self) -> None:
        """The caller speaks: stop the agent, if that is what was asked for."""
        self._quiet.clear()
        if self._setup.interrupts:
            self.interrupt()

    def caller_ended(self, utterance: SpeechEnded) -> None:
        """The caller has spoken."""
        self._quiet.set()
        self.offer(utterance)

    def interrupt(self) -> bool:
        """Stop the turn that runs; False when there is none."""
        if self._turn is None or self._turn.done() or self._ending_turn:
            return False
        self._turn.cancel()
        return True

    async def run(self) -> None:
        """Take turns until cancelled."""
        while True:
            work = await self._work.get()
            if isinstance(work, FollowUp):
                await self._wait_for_quiet()
            self._ending_turn = False
            self._spoken = Spoken(self._conversation.turns)
            self._conversation.turns += 1
            self._turn = self._tasks.create_task(self._take_turn(work), name="turn")
            await asyncio.wait([self._turn])
            if self._turn.cancelled():
                await self._cut_turn()
            self._record.turns += 1
            self._shared.changed()
            await self._strike_due("turn_end", self._spoken)

    def _tools_finished(self, batch: Batch) -> None:
        if batch.blocking:
            self._replier.settled()
            return
        following = batch.next_reply
        if following is None or batch.scheduling == "SILENT":
            return
        if batch.scheduling == "INTERRUPT" and self._quiet.is_set():
            self.interrupt()
        self.offer(FollowUp(following))

    async def _wait_for_quiet(self) -> None:
        try:
            async with asyncio.timeout(QUIET_LIMIT_S):
                await self._quiet.wait()
        except TimeoutError:
            return

    async def _take_turn(self, work: Work) -> None:
        spoken, scenario = self._spoken, self._scenario
        session = self._record.index
        thought_over = self._link.clock.ms() + scenario.pace.thinking_ms
        fault = functools.partial(self._shared.faults.turn_fault, session, spoken.turn)
        self._link.odd = fault("unknown_fields") is not None
        self._link.twice = fault("twice") is not None
        if self._setup.resumption:
            await self._link.send({"sessionResumptionUpdate": {"resumable": False}})
        reply, words = self._understand(work)
        if not scenario.late_transcript:
            await self._transcribe(words)
        await self._link.clock.until(thought_over)
        await self._strike_due("turn_start", spoken)
        if scenario.late_transcript and words:
            self._tasks.create_task(self._transcribe_late(words), name="late_transcript")
        refused = fault("refused") is not None
        if not refused and fault("mute") is None:
            await self._replier.reply(reply, spoken)
            await self._link.clock.until(spoken.playback_end)
        if fault("no_end") is None:
            await self._end_turn(refused=refused)

    def _understand(self, work: Work) -> tuple[str, tuple[str, ...]]:
        """Choose the reply; return its name and the caller's words."""
        conversation = self._conversation
        match work:
            case FollowUp(reply):
                return reply, ()
            case Instruction(text):
                reply = self._scenario.reply_to_text(text, greeted=conversation.greeted)
                conversation.read(text, by_agent=False)
                conversation.greeted = True
                return reply, ()
            case SpeechEnded(pcm=pcm, sample_rate=sample_rate):
                match_ = self._shared.recognizer.identify(pcm, sample_rate)
                if not self._setup.all_input_billed:
                    conversation.hear(len(pcm) / 2 * 1000 / sample_rate)
                conversation.greeted = True
                name = match_.clip.name if match_ else None
                self._record.keep(self._record.heard, name)
                self._record.keep(self._record.scores, match_.score if match_ else 0.0)
                words = match_.clip.words if match_ else ("[unclear]",)
                return self._scenario.reply_to_clip(name), words

    async def _transcribe(self, words: tuple[str, ...]) -> None:
        """Send the caller's words, two at a time."""
        if not self._setup.transcribe_input:
            return
        for at in range(0, len(words), 2):
            text = "".join(words[at : at + 2])
            await self._link.send(content(inputTranscription={"text": text}))

    async def _transcribe_late(self, words: tuple[str, ...]) -> None:
        await self._link.clock.sleep(LATE_MS)
        await self._transcribe(words)

    async def _cut_turn(self) -> None:
        self._record.interruptions += 1
        cancelled = self.tool_calls.cancel_blocking()
        await self._link.send(content(interrupted=True))
        if cancelled:
            await self._link.send({"toolCallCancellation": {"ids": cancelled}})
        await self._end_turn()

    async def _end_turn(self, *, refused: bool = False) -> None:
        """Send turnComplete with the bill, then a handle to what the conversation is now."""
        self._ending_turn = True
        prompt, response = self._conversation.bill(self._spoken.sent_ms, self._setup.compression)
        bill = {"usageMetadata": usage(prompt, response)}
        why = {"turnCompleteReason": "RESPONSE_REJECTED"} if refused else {}
        await self._link.send({**content(turnComplete=True, **why), **bill})
        if self._setup.resumption:
            handle = self._shared.memory.keep(self._setup.model, self._conversation)
            self._record.keep(self._record.handles, handle)
            update = {"newHandle": handle, "resumable": True}
            await self._link.send({"sessionResumptionUpdate": update})
        self._link.odd = self._link.twice = False
