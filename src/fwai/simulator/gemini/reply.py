"""Sends one reply of the simulated agent: audio, its transcript, then tool calls."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from fwai.simulator.common.clips import Clip, ClipLibrary
from fwai.simulator.gemini.link import Link
from fwai.simulator.gemini.scenario import Moment, Reply, Scenario
from fwai.simulator.gemini.setup import Setup
from fwai.simulator.gemini.tools import Batch, ToolCalls
from fwai.simulator.gemini.wire import OUTPUT_HZ, audio_turn, content, tool_call

MAX_CHAIN = 8
"""Replies that may follow one another in one turn."""

TOOL_LIMIT_S = 60.0
"""A conversation that waits longer for a tool goes on without it; the service would hang."""

_BYTES_PER_MS = OUTPUT_HZ * 2 // 1000


@dataclass(slots=True)
class Spoken:
    """Progress of one turn.

    Attributes:
        turn: Its number in the conversation.
        sent_ms: Agent audio sent.
        playback_end: When the client will have played it, in the simulator's milliseconds.
        judged_ms: Up to where faults within the audio have had their moment.
    """

    turn: int
    sent_ms: float = 0.0
    playback_end: float = 0.0
    judged_ms: float = -1.0


FaultHook = Callable[[Moment, Spoken | None], Awaitable[None]]
"""Lets the faults of a moment happen, in the turn that is given, if it is one."""


@dataclass(slots=True)
class Replier:
    """Sends replies in one session.

    Attributes:
        link: The session's socket.
        scenario: What to say and how fast.
        setup: What the client asked for.
        clips: The sounds.
        tool_calls: Where tools are asked for.
        strike_due: Lets faults happen.
    """

    link: Link
    scenario: Scenario
    setup: Setup
    clips: ClipLibrary
    tool_calls: ToolCalls
    strike_due: FaultHook
    _settled: asyncio.Event = field(default_factory=asyncio.Event)

    async def reply(self, name: str, spoken: Spoken) -> None:
        """Say a reply and what follows from its tools, up to generationComplete."""
        following: str | None = name
        for _ in range(MAX_CHAIN):
            if following is None:
                break
            reply = self.scenario.replies[following]
            self.link.record.keep(self.link.record.replies, following)
            if reply.clip is not None:
                await self._speak(self.clips[reply.clip], spoken)
            following = await self._use_tools(reply, spoken)
        await self.link.send(content(generationComplete=True))

    def settled(self) -> None:
        """A batch of tools was answered: look whether it is the awaited one."""
        self._settled.set()

    async def _speak(self, clip: Clip, spoken: Spoken) -> None:
        fault = self.scenario.turn_fault
        session, turn = self.link.record.index, spoken.turn
        pcm = clip.pcm(OUTPUT_HZ)
        if fault(session, turn, "near_silence"):
            samples = np.frombuffer(pcm, "<i2") // 8192
            pcm = samples.astype("<i2").tobytes()
        slow = fault(session, turn, "slow")
        speed = slow.speed if slow else self.scenario.pace.speed
        clock = self.link.clock
        start, sent_ms = clock.ms(), 0.0
        words = iter(_word_times(clip))
        word = next(words, None)
        for number, chunk in enumerate(self._chunks(pcm)):
            await clock.until(start + sent_ms / speed)
            sent_ms += len(chunk) / _BYTES_PER_MS
            text = ""
            while word is not None and word[0] <= sent_ms:
                text += word[1]
                word = next(words, None)
            await self._send_chunk(chunk, text, together=number % 2 == 0)
            spoken.sent_ms += len(chunk) / _BYTES_PER_MS
            spoken.playback_end = max(spoken.playback_end, clock.ms()) + len(chunk) / _BYTES_PER_MS
            await self.strike_due("audio", spoken)

    async def _send_chunk(self, chunk: bytes, text: str, *, together: bool) -> None:
        """Send audio and its words; in one message or two, as the service does both."""
        self.link.record.sent_ms += len(chunk) / _BYTES_PER_MS
        words = {"outputTranscription": {"text": text}}
        if not text or not self.setup.transcribe_output:
            await self.link.send(content(modelTurn=audio_turn(chunk)))
        elif together:
            await self.link.send(content(modelTurn=audio_turn(chunk), **words))
        else:
            await self.link.send(content(modelTurn=audio_turn(chunk)))
            await self.link.send(content(**words))

    def _chunks(self, pcm: bytes) -> Iterator[bytes]:
        pace = self.scenario.pace
        at = number = 0
        while at < len(pcm):
            length_ms = pace.first_chunk_ms if number < pace.first_chunks else pace.chunk_ms
            yield pcm[at : at + length_ms * _BYTES_PER_MS]
            at += length_ms * _BYTES_PER_MS
            number += 1

    async def _use_tools(self, reply: Reply, spoken: Spoken) -> str | None:
        """Ask for the reply's tools; return the reply that follows now, or None."""
        if not reply.tools:
            return reply.then
        declared = self.setup.tools
        missing = [request.name for request in reply.tools if request.name not in declared]
        if missing and not self.scenario.undeclared_tools:
            for name in missing:
                self.link.record.keep(self.link.record.skipped_tools, name)
            return reply.otherwise
        blocking = reply.blocking
        if blocking is None:
            blocking = any(declared.get(request.name, True) for request in reply.tools)
        requests = [(request, request.name in self.setup.argless) for request in reply.tools]
        batch, calls = self.tool_calls.ask(reply, requests, blocking=blocking)
        await self.link.send(tool_call(calls))
        await self.strike_due("tool", spoken)
        if not blocking:
            return None
        await self._wait_for(batch)
        return batch.next_reply

    async def _wait_for(self, batch: Batch) -> None:
        try:
            async with asyncio.timeout(TOOL_LIMIT_S):
                while batch.pending:
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            batch.failed = True
            record = self.link.record
            record.keep(record.violations, f"no answer to {sorted(batch.pending)} for 60 s")
            batch.pending.clear()


def _word_times(clip: Clip) -> Iterator[tuple[float, str]]:
    """Yield when each word is said, in ms from the clip's start, words being equally long."""
    step = clip.duration_ms / (len(clip.words) + 1)
    return ((step * number, word) for number, word in enumerate(clip.words, 1))
