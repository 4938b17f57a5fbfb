"""The scripted caller: speaks when it is their turn, waits for answers, gives up in the end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from fwai.faults.line import RATE, PhoneLine
from fwai.faults.moments import Moments
from fwai.faults.row import Step
from fwai.faults.tap import AgentTap
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.hearing import audible_span_ms

DONE_S: Final = 0.9  # of quiet, and an answer is over
CUT_OFF_S: Final = 8.0  # for the rest of an answer that was not said to its end
PATIENCE_S: Final = 45.0  # without a word of the model, whoever else speaks
SILENCE_S: Final = 30.0  # without any sound
POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Said:
    """What the caller said, in seconds of the call: its first sound to its last.

    Attributes:
        answer: Whether they wait for an answer.
    """

    clip: str
    begin: float
    end: float
    answer: bool


@dataclass(slots=True)
class Caller:
    """A caller on a line.

    Attributes:
        line: Their telephone.
        tap: Knows whether the model has finished.
        moments: Where what happens is noted.
        clips: The phrases.
        said: What they said.
        gave_up: They left because nobody spoke to them.
    """

    line: PhoneLine
    tap: AgentTap
    moments: Moments
    clips: ClipLibrary
    said: list[Said] = field(default_factory=list)
    gave_up: bool = False
    _answer_from: float = 0.0  # what the model says from then on is news
    _speaking: bool = False

    async def run(self, steps: Sequence[Step]) -> None:
        """Go through a script, then wait for the end of the call."""
        for step in steps:
            nth = self._nth(step)
            await self.moments.wait(step.on, nth)
            await asyncio.sleep(step.ms / 1000)
            if step.hang_up:
                self.line.hang_up()
                return
            await self._act(step)

    async def lose_patience(self) -> None:
        """Hang up when nothing is heard for long."""
        while self.line.ended_at is None:
            await asyncio.sleep(POLL_S)
            now = self.line.now()
            words = max([said.end for said in self.said], default=0.0)
            silent = now - max(self.line.audible_until, words)
            modelless = now - max(self.tap.spoke_at or 0.0, self.line_said_until())
            if silent > SILENCE_S or modelless > PATIENCE_S:
                self.gave_up = True
                self.line.hang_up()

    def line_said_until(self) -> float:
        """Return when the caller last had words of their own."""
        return max([said.end for said in self.said], default=0.0)

    def watch(self, now: float) -> None:
        """Notice that the model begins or has ceased to be heard; called every 40 ms."""
        spoke_at = self.tap.spoke_at
        news = spoke_at is not None and spoke_at >= self._answer_from
        audible = now < self.line.audible_until
        if news and audible and not self._speaking:
            self._speaking = True
            self.moments.happened("agent_speaks", now)
        if self._speaking and not self.line.speaking:
            quiet = now - self.line.audible_until
            unfinished = self.tap.open or self._cut_for_nothing()
            if quiet >= (CUT_OFF_S if unfinished else DONE_S):
                self._speaking = False
                self._answer_from = now
                self.moments.happened("agent_done", now)

    def _cut_for_nothing(self) -> bool:
        """Say whether the agent stopped as if interrupted though the caller had said nothing."""
        cut_at, since = self.tap.cut_at, self.tap.spoke_at
        if cut_at is None or since is None or cut_at < since:
            return False
        return not any(said.begin - 0.4 < cut_at < said.end + 0.4 for said in self.said)

    def _nth(self, step: Step) -> int:
        """Return which moment a step waits for."""
        if step.on == "struck":
            return 1
        if step.on in ("caller_speaks", "caller_done"):
            return max(1, self.moments.count(step.on))  # their own words, which are over
        return self.moments.count(step.on) + 1

    async def _act(self, step: Step) -> None:
        if step.play is not None:
            end = self.line.speak(noise(step.play, step.for_ms))
            await asyncio.sleep(end - self.line.now())
            self.moments.happened("agent_done", self.line.now())
        if step.say is None:
            return
        pcm = self.clips[step.say].pcm(RATE)
        begin_ms, end_ms = audible_span_ms(pcm, RATE)
        end = self.line.speak(pcm)
        start = end - len(pcm) / 2 / RATE
        said = Said(step.say, start + begin_ms / 1000, start + end_ms / 1000, step.answer)
        self.said.append(said)
        await asyncio.sleep(max(0.0, said.begin - self.line.now()))
        self.moments.happened("caller_speaks", said.begin)
        await asyncio.sleep(max(0.0, said.end - self.line.now()))
        if step.answer:
            self._speaking = False
            self._answer_from = self.line.now()
        self.moments.happened("caller_done", self.line.now())


def noise(kind: str, length_ms: float) -> bytes:
    """Return sound that is no speech, s16le at 8 kHz."""
    at = np.arange(int(RATE * length_ms / 1000)) / RATE
    random = np.random.default_rng(7)
    if kind == "music":
        chord = sum(np.sin(2 * np.pi * hz * at) for hz in (262.0, 330.0, 392.0))
        wave = 900 * np.asarray(chord) * (0.6 + 0.4 * np.sin(2 * np.pi * 2.0 * at))
    elif kind == "laugh":
        bursts = (np.sin(2 * np.pi * 4.5 * at) > 0.0).astype(np.float64)
        wave = 3_000 * bursts * random.standard_normal(len(at)) * 0.5
    else:
        wave = 120 * random.standard_normal(len(at))
    samples: bytes = np.clip(wave, -32_000, 32_000).astype("<i2").tobytes()
    return samples
