import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest

from fwai.domain.events import (
    AgentAudio,
    AgentAway,
    AgentEvent,
    AgentReady,
    GenerationEnded,
    Interrupted,
    ToolResult,
    TurnEnded,
)
from fwai.faults.caller import Caller, noise
from fwai.faults.line import RATE, PhoneLine
from fwai.faults.moments import Moments
from fwai.faults.row import Step
from fwai.faults.tap import AgentTap
from fwai.simulator.common.clips import ClipLibrary

CLIPS = ClipLibrary.load()


class FakeAgent:
    def __init__(self) -> None:
        self.did: list[object] = []
        self.tell: Callable[[AgentEvent], None] = lambda _: None
        self.connections = 1

    def listen(self, hear: Callable[[AgentEvent], None]) -> None:
        self.tell = hear

    async def run(self) -> None:
        self.did.append("run")

    def hear(self, pcm: bytes, *, speech: bool) -> None:
        self.did.append(speech)

    def prompt(self, text: str) -> None:
        self.did.append(text)

    def answer_tool(self, result: ToolResult) -> None:
        self.did.append(result.id)

    def renew(self, *, fresh: bool) -> None:
        self.did.append(("renew", fresh))

    def close(self) -> None:
        self.did.append("close")


class Stage:
    """A caller on a line, and an agent who says a clip when told to."""

    def __init__(self) -> None:
        self.agent, self.line, self.moments = FakeAgent(), PhoneLine(), Moments()
        self.tap = AgentTap(self.agent, self.line.now)
        self.tap.listen(lambda _: None)
        self.caller = Caller(self.line, self.tap, self.moments, CLIPS)
        self.line.ticked = self.caller.watch

    def says(self, clip: str, *, ends: bool = True) -> None:
        self.agent.tell(AgentAudio(CLIPS[clip].pcm(24_000)))
        self.line.play(CLIPS[clip].pcm(RATE))
        if ends:
            self.agent.tell(GenerationEnded())
            self.agent.tell(TurnEnded())


@asynccontextmanager
async def stage(*steps: Step) -> AsyncIterator[Stage]:
    it = Stage()
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(it.line.run()),
            tasks.create_task(it.caller.run(steps)),
            tasks.create_task(it.caller.lose_patience()),
        ]
        yield it
        await it.line.close()
        for task in running:
            task.cancel()


async def test_the_caller_speaks_when_the_agent_has_finished() -> None:
    async with stage(Step(say="ask_ai")) as it:
        it.says("greeting")
        await asyncio.sleep(12)

    (said,) = it.caller.said
    assert said.clip == "ask_ai"
    assert said.begin == pytest.approx(3.985 + 0.9 + 0.5, abs=0.2)
    assert it.moments.count("agent_speaks") == it.moments.count("agent_done") == 1
    assert it.moments.times["caller_done"][0] == pytest.approx(said.end, abs=0.1)


@pytest.mark.parametrize("cut", [False, True])
async def test_the_caller_waits_for_the_rest_of_an_answer(cut: bool) -> None:
    async with stage(Step(say="ask_ai")) as it:
        it.says("ai_answer", ends=False)
        if cut:
            await asyncio.sleep(0.5)
            it.agent.tell(Interrupted())
        await asyncio.sleep(14)

    assert it.caller.said[0].begin > 9.0


async def test_a_local_sentence_is_no_answer() -> None:
    async with stage(Step(say="ask_ai")) as it:
        it.line.play(CLIPS["fallback"].pcm(RATE))
        await asyncio.sleep(5)

    assert it.caller.said == []


@pytest.mark.parametrize(("talks", "ends_at"), [(False, 30.2), (True, 45.2)])
async def test_the_caller_gives_up(talks: bool, ends_at: float) -> None:
    async with stage() as it:
        for _ in range(9):
            if talks:
                it.line.play(CLIPS["fallback"].pcm(RATE))
            await asyncio.sleep(6)

    assert it.caller.gave_up
    assert it.line.ended_at == pytest.approx(ends_at, abs=0.3)


async def test_the_caller_plays_music_and_leaves() -> None:
    music = Step(play="music", for_ms=1_000, on="start")
    async with stage(music, Step(hang_up=True, on="start")) as it:
        await asyncio.sleep(0)
        it.moments.happened("start", 0.0)
        await asyncio.sleep(3)
        it.moments.happened("start", it.line.now())
        await asyncio.sleep(3)
        assert it.line.ended_at == pytest.approx(3.5, abs=0.1)


@pytest.mark.parametrize("kind", ["music", "laugh", "noise"])
def test_noises_can_be_heard(kind: str) -> None:
    assert np.frombuffer(noise(kind, 500), "<i2").std() > 50


async def test_the_tap_hands_everything_on() -> None:
    it = Stage()
    tap, agent = it.tap, it.agent
    await tap.run()
    tap.hear(b"", speech=True)
    tap.prompt("Greet.")
    tap.answer_tool(ToolResult("1", "send_sms", True, "Done.", {}))
    tap.renew(fresh=True)
    tap.close()
    agent.tell(AgentReady())
    agent.tell(AgentAway("It is gone."))
    agent.tell(AgentAudio(bytes(480)))
    agent.tell(AgentAudio(b"\1"))

    assert agent.did == ["run", True, "Greet.", "1", ("renew", True), "close"]
    assert tap.connections == 1
    assert [what for _, what in tap.told] == ["renewed", "ready", "away"]
    assert tap.causes == ["It is gone."]
    assert tap.spoke_at is None
