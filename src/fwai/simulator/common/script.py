"""Runs the script of a simulated caller on a call."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

from fwai.simulator.common.caller import (
    AwaitHangUp,
    BargeIn,
    Drop,
    HangUp,
    Hear,
    Heard,
    Press,
    Said,
    Say,
    SendMalformed,
    Step,
    StepOutcome,
    Wait,
)
from fwai.simulator.common.cause import FAILED, NORMAL, Ending
from fwai.simulator.common.line import Clear, Line, LineOverError
from fwai.simulator.common.voice import Speech

SPEECH_LIMIT_S = 60.0
CONNECT_LIMIT_S = 60.0
SETTLE_LIMIT_S = 5.0
REMOTE = frozenset({"agent", "api", "instructions", "handed_over", "canceled", "machine"})

Result = tuple[bool, str]


class TalkStream(Protocol):
    """What a caller does on a provider's media stream."""

    finished: asyncio.Event

    def say(self, name: str) -> Speech:
        """Say a phrase."""
        ...

    async def press(self, digit: str) -> None:
        """Press a key."""
        ...

    async def garble(self, kind: str) -> None:
        """Send a malformed message."""
        ...

    def abort(self) -> None:
        """Break the connection without a word."""
        ...


class StreamHolder(Protocol):
    """Has the stream that is open now."""

    @property
    def stream(self) -> TalkStream | None:
        """The open stream, or None between two."""
        ...


class ScriptRunner:
    """Carries out the steps one after the other.

    Attributes:
        outcomes: One for each step, filled while the script runs.
        said: What was said so far.
    """

    def __init__(self, holder: StreamHolder, line: Line, hang_up_source: str) -> None:
        self.outcomes: list[StepOutcome] = []
        self.said: list[Said] = []
        self._holder = holder
        self._line = line
        self._source = hang_up_source
        self._heard_until_ms = 0.0

    async def run(self, script: Sequence[Step]) -> None:
        """Carry out all steps, then hang up; steps after the end of the call are not reached."""
        for step in script:
            began_ms = self._line.now_s() * 1000
            self._line.emit("step_started", step=step)
            try:
                ok, detail = await self._do(step)
            except LineOverError:
                ok, detail = False, "not reached or not finished: the call was over"
            outcome = StepOutcome(step, ok, detail, began_ms, self._line.now_s() * 1000)
            self.outcomes.append(outcome)
            self._line.emit("step_done", step=step, ok=ok, detail=detail)
        self._line.end(Ending("caller", NORMAL, self._source))

    async def _do(self, step: Step) -> Result:
        match step:
            case Hear():
                return await self._hear(step)
            case Say():
                return await self._say(step)
            case BargeIn():
                return await self._barge_in(step)
            case Press():
                return await self._press(step)
            case Wait():
                await self._line.until(lambda: False, step.ms / 1000)
                return True, "waited"
            case SendMalformed():
                await (await self._stream()).garble(step.kind)
                return True, "sent"
            case _:
                return await self._finish(step)

    async def _finish(self, step: HangUp | AwaitHangUp | Drop) -> Result:
        line = self._line
        match step:
            case AwaitHangUp():
                await line.until(lambda: line.ending is not None, step.timeout_s)
                if line.ending is None:
                    return False, f"nobody hung up within {step.timeout_s:g} s"
                return line.ending.by in REMOTE, f"ended by {line.ending.by}"
            case Drop():
                (await self._stream()).abort()
                line.end(Ending("dropped", FAILED, "Error", told=False))
                return True, "dropped"
            case HangUp():
                first = line.end(Ending("caller", NORMAL, self._source))
                return True, "hung up" if first else "the call was over before"

    async def _stream(self) -> TalkStream:
        await self._line.until(lambda: self._holder.stream is not None, CONNECT_LIMIT_S)
        stream = self._holder.stream
        if stream is None:
            raise LineOverError("no stream was opened")
        return stream

    # ---- listening -------------------------------------------------------------------------

    async def _hear(self, step: Hear) -> Result:
        from_ms = self._heard_until_ms

        def fitting() -> Heard | None:
            new = self._new(from_ms)
            return next((one for one in new if step.clip_name in {None, one.clip}), None)

        await self._stream()
        try:
            await self._line.until(lambda: fitting() is not None, step.timeout_s)
        except LineOverError:
            await self._settle()
        heard = fitting()
        if heard is None:
            others = [one.clip or "something else" for one in self._new(from_ms)]
            return False, f"heard {', '.join(others) or 'nothing'} in up to {step.timeout_s:g} s"
        self._heard_until_ms = heard.end_ms
        return True, f"heard {heard.clip or 'speech'} (score {heard.score:.2f})"

    async def _settle(self) -> None:
        """Let the last words be recognised: they may have come right before the end of the call."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_LIMIT_S):
                if self._holder.stream is not None:
                    await self._holder.stream.finished.wait()
                await self._line.ear.settle()

    def _new(self, from_ms: float) -> list[Heard]:
        return [one for one in self._line.ear.heard if one.start_ms >= from_ms]

    # ---- speaking --------------------------------------------------------------------------

    async def _say(self, step: Say) -> Result:
        stream = await self._stream()
        try:
            speech = stream.say(step.clip_name)
        except KeyError:
            return False, "there is no such phrase"
        self._announce(step.clip_name)
        try:
            done = await self._line.until(lambda: speech.done, SPEECH_LIMIT_S)
        finally:
            self._note(speech)
        return done, "said"

    async def _barge_in(self, step: BargeIn) -> Result:
        line = self._line
        stream = await self._stream()
        if not await line.until(self._spoken_for(step.after_ms), step.timeout_s):
            return False, f"the agent did not speak for {step.after_ms:g} ms"
        try:
            speech = stream.say(step.clip_name)
        except KeyError:
            return False, "there is no such phrase"
        self._announce(step.clip_name)

        stop_ms: float | None = None
        unheard_ms = 0.0
        try:
            await line.until(lambda: self._cleared_during(speech) is not None, step.timeout_s)
            clear = self._cleared_during(speech)
            if clear is not None and speech.started_s is not None:
                stop_ms = (clear.at_s - speech.started_s) * 1000
                unheard_ms = clear.unheard_ms
            await line.until(lambda: speech.done, SPEECH_LIMIT_S)
        finally:
            self._note(speech, barge_in=True, stop_ms=stop_ms, unheard_ms=unheard_ms)
        if stop_ms is None:
            return False, "the agent was not stopped"
        return True, f"the agent stopped after {stop_ms:.0f} ms"

    def _cleared_during(self, speech: Speech) -> Clear | None:
        """Return the first clear after the first sound of ``speech``."""
        if speech.started_s is None:
            return None
        started_s = speech.started_s
        return next((one for one in self._line.clears if one.at_s >= started_s), None)

    def _spoken_for(self, ms: float) -> Callable[[], bool]:
        def reached() -> bool:
            since_ms = self._line.ear.speaking_since_ms
            return since_ms is not None and self._line.now_s() * 1000 - since_ms >= ms

        return reached

    def _announce(self, name: str) -> None:
        self._line.emit("caller_says", clip=name, text=self._line.repertoire.clip(name).text)

    def _note(
        self,
        speech: Speech,
        *,
        barge_in: bool = False,
        stop_ms: float | None = None,
        unheard_ms: float = 0.0,
    ) -> None:
        """Keep what was said, even if the call ended within it."""
        if speech.started_s is None:
            return
        start_ms = speech.started_s * 1000
        end_ms = (self._line.now_s() if speech.ended_s is None else speech.ended_s) * 1000
        said = Said(speech.clip_name, start_ms, end_ms, barge_in, None, stop_ms, unheard_ms)
        self.said.append(said)
        self._heard_until_ms = start_ms + (stop_ms or 0.0)

    async def _press(self, step: Press) -> Result:
        stream = await self._stream()
        for digit in step.digits:
            await stream.press(digit)
            self._line.emit("caller_pressed", digit=digit)
            await self._line.until(lambda: False, step.gap_ms / 1000)
        return True, "pressed"
