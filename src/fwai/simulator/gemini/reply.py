"""Sends one reply of the simulated agent: audio, its transcript, then tool calls."""

import asyncio
import functools
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from fwai.simulator.common.clips import Clip, ClipLibrary
from fwai.simulator.gemini.fault_book import FaultBook
from fwai.simulator.gemini.link import Link
from fwai.simulator.gemini.scenario import Fault, Moment, Reply, Scenario, TurnFault
from fwai.simulator.gemini.setup import Setup
from fwai.simulator.gemini.tools import Batch, ToolCalls
from fwai.simulator.gemini.wire import OUTPUT_HZ, Json, audio_turn, content, tool_call

MAX_CHAIN = 8
"""Replies that may follow one another in one turn."""

TOOL_LIMIT_S = 60.0
"""A conversation that waits longer for a tool goes on without it; the service would hang."""

_TONE_HZ = 440
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
        faults: What goes wrong, in the scenario that says what to say and how fast.
        setup: What the client asked for.
        clips: The sounds.
        tool_calls: Where tools are asked for.
        strike_due: Lets faults happen.
    """

    link: Link
    faults: FaultBook
    setup: Setup
    clips: ClipLibrary
    tool_calls: ToolCalls
    strike_due: FaultHook
    _settled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def scenario(self) -> Scenario:
        """What to say and how fast."""
        return self.faults.scenario

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
        if self.faults.turn_fault(self.link.record.index, spoken.turn, "no_end") is None:
            await self.link.send(content(generationComplete=True))

    def settled(self) -> None:
        """A batch of tools was answered: look whether it is the awaited one."""
        self._settled.set()

    async def _speak(self, clip: Clip, spoken: Spoken) -> None:
        fault = functools.partial(self.faults.turn_fault, self.link.record.index, spoken.turn)
        pcm = _coloured(clip.pcm(OUTPUT_HZ), fault)
        slow = fault("slow")
        speed = slow.speed if slow else self.scenario.pace.speed
        clock = self.link.clock
        start, sent_ms = clock.ms(), 0.0
        words = _Words(clip, late=bool(fault("words_late")), mixed=bool(fault("words_mixed")))
        odd = fault("odd_length") is not None
        bare = fault("missing_fields") is not None
        for number, chunk in enumerate(self._chunks(pcm)):
            await clock.until(start + sent_ms / speed)
            sent_ms += len(chunk) / _BYTES_PER_MS
            text = words.until(sent_ms)
            sound = audio_turn(chunk[:-1] if odd and number % 2 else chunk)
            if bare:
                sound = {
                    "parts": [{"inlineData": {"data": sound["parts"][0]["inlineData"]["data"]}}]
                }
            self.link.record.sent_ms += len(chunk) / _BYTES_PER_MS
            await self._send_chunk(sound, text, together=number % 2 == 0)
            spoken.sent_ms += len(chunk) / _BYTES_PER_MS
            spoken.playback_end = max(spoken.playback_end, clock.ms()) + len(chunk) / _BYTES_PER_MS
            await self.strike_due("audio", spoken)
        if (rest := words.rest()) and self.setup.transcribe_output:
            await self.link.send(content(outputTranscription={"text": rest}))

    async def _send_chunk(self, sound: Json, text: str, *, together: bool) -> None:
        """Send audio and its words; in one message or two, as the service does both."""
        words = {"outputTranscription": {"text": text}}
        if not text or not self.setup.transcribe_output:
            await self.link.send(content(modelTurn=sound))
        elif together:
            await self.link.send(content(modelTurn=sound, **words))
        else:
            await self.link.send(content(modelTurn=sound))
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


class _Words:
    """The words of a clip, each said at its time, being equally long.

    ``late``: all come after the sound. ``mixed``: each comes before its sound by half the clip.
    """

    def __init__(self, clip: Clip, *, late: bool, mixed: bool) -> None:
        step = clip.duration_ms / (len(clip.words) + 1)
        early_ms = clip.duration_ms / 2 if mixed else 0.0
        self._timed = deque(
            (float("inf") if late else step * number - early_ms, word)
            for number, word in enumerate(clip.words, 1)
        )

    def until(self, ms: float) -> str:
        """Return what is said by then and was not returned before."""
        text = ""
        while self._timed and self._timed[0][0] <= ms:
            text += self._timed.popleft()[1]
        return text

    def rest(self) -> str:
        """Return what is left."""
        text = "".join(word for _, word in self._timed)
        self._timed.clear()
        return text


def _coloured(pcm: bytes, fault: Callable[[TurnFault], Fault | None]) -> bytes:
    """Return a reply's sound as a fault of its turn makes it."""
    if fault("near_silence"):
        return (np.frombuffer(pcm, "<i2") // 8192).astype("<i2").tobytes()
    if fault("tone"):
        at = np.arange(len(pcm) // 2) / OUTPUT_HZ
        return (6000 * np.sin(2 * np.pi * _TONE_HZ * at)).astype("<i2").tobytes()
    return pcm
