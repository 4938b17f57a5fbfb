"""The agent's leg in whole conversations with the simulated service, and what goes wrong there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from contract.gemini.clients import agent_words, caller_words, pcm_of, tokens_of
from fwai.domain.events import (
    AgentEvent,
    AgentLost,
    AgentReady,
    Interrupted,
    ToolCall,
    ToolResult,
    ToolsCancelled,
    TurnEnded,
)
from fwai.domain.tool import ToolSpec
from fwai.gemini.agent import GeminiAgent
from fwai.gemini.connection import LiveEndpoint
from fwai.gemini.setup import SessionConfig
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.jumping_loop import settle
from fwai.simulator.gemini.scenario import Fault, Reply, ToolRequest, demo
from fwai.simulator.gemini.server import GeminiLiveSimulator

CLIPS = ClipLibrary.load()
TOOLS = (ToolSpec("send_sms", "d", {}), ToolSpec("book_demo", "d", {}))
CONFIG = SessionConfig("gemini-3.8-live", "Be brief.", "Puck", tools=TOOLS)
BLOCKING = SessionConfig("gemini-3.1-flash-live-preview", "Be brief.", "Puck", tools=TOOLS)
GREET = "Greet the caller."
FRAME_S = 0.1
FRAME_BYTES = 3_200


@dataclass(slots=True)
class Phone:
    """A caller's side of the agent: a line that carries sound all the time."""

    simulator: GeminiLiveSimulator
    agent: GeminiAgent
    events: list[AgentEvent] = field(default_factory=list)
    _to_say: bytearray = field(default_factory=bytearray)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, event: AgentEvent) -> None:
        self.events.append(event)
        self._news.set()

    async def carry(self) -> None:
        """Send a frame now and again: what is to be said, or silence."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            speech = bytes(self._to_say[:FRAME_BYTES])
            del self._to_say[:FRAME_BYTES]
            self.agent.hear(speech.ljust(FRAME_BYTES, b"\0"), speech=bool(speech))
            due += FRAME_S
            await asyncio.sleep(due - loop.time())

    def say(self, clip: str) -> None:
        self._to_say += CLIPS[clip].pcm(16_000)

    async def until(self, true: Callable[[], bool], within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def next(self, kind: type[AgentEvent]) -> list[AgentEvent]:
        """Take all events up to the next one of a kind."""
        await self.until(lambda: any(isinstance(event, kind) for event in self.events))
        at = [isinstance(event, kind) for event in self.events].index(True) + 1
        taken, self.events = self.events[:at], self.events[at:]
        return taken

    @property
    def replies(self) -> list[str]:
        """Everything the service said, over all connections."""
        return [reply for record in self.simulator.sessions for reply in record.replies]

    @property
    def violations(self) -> list[str]:
        return [fault for record in self.simulator.sessions for fault in record.violations]


@asynccontextmanager
async def phone(*faults: Fault, config: SessionConfig = CONFIG) -> AsyncIterator[Phone]:
    """Call an agent that has been asked to greet; nothing may be left of the call afterwards."""
    async with GeminiLiveSimulator(demo().with_faults(*faults)) as simulator:
        agent = GeminiAgent(LiveEndpoint(simulator.url, "K"), config)
        line = Phone(simulator, agent)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(agent.run(), name="agent")
            carrying = tasks.create_task(line.carry(), name="carry")
            agent.listen(line.take)
            agent.prompt(GREET)
            try:
                yield line
            finally:
                carrying.cancel()
                agent.close()
        await settle(0.1)
        assert simulator.open_sessions == 0
        assert line.violations == []


def result(call: ToolCall, *, ok: bool = True) -> ToolResult:
    return ToolResult(call.id, call.name, ok, "Done.", {})


async def asked(line: Phone) -> ToolCall:
    event = (await line.next(ToolCall))[-1]
    assert isinstance(event, ToolCall)
    return event


async def test_a_whole_conversation() -> None:
    async with phone() as line:
        greeting = await line.next(TurnEnded)
        line.say("ask_courses")
        await line.until(lambda: len(pcm_of([*line.events])) > 48_000)
        line.say("barge_in")
        cut = await line.next(TurnEnded)
        price = await line.next(TurnEnded)
        line.say("ask_sms")
        line.agent.answer_tool(result(await asked(line)))
        await line.until(lambda: agent_words([*line.events]) == CLIPS["sms_sent"].text)
        await line.next(TurnEnded)

        assert greeting[0] == AgentReady()
        assert pcm_of([*greeting]) == CLIPS["greeting"].pcm(24_000)
        assert Interrupted() in cut
        assert caller_words([*price]) == CLIPS["barge_in"].text
        assert agent_words([*price]) == CLIPS["price_answer"].text
        assert line.replies == ["greeting", "courses", "price", "send_sms", "sms_sent"]
        assert line.agent.dropped_audio == 0


@pytest.mark.parametrize("kind", ["close", "abort"])
async def test_a_loss_in_silence_is_not_noticed_by_the_caller(kind: str) -> None:
    fault = Fault(kind="close" if kind == "close" else "abort", at="turn_end", after_ms=500, turn=0)
    async with phone(fault) as line:
        await line.next(TurnEnded)
        await line.next(AgentReady)
        line.say("ask_courses")
        answer = await line.next(TurnEnded)

        assert agent_words([*answer]) == CLIPS["courses_answer"].text
        assert line.replies == ["greeting", "courses"]
        assert [record.resumed for record in line.simulator.sessions] == [False, True]


async def test_what_the_caller_says_during_a_reconnect_is_answered() -> None:
    """The new connection takes a second to come up."""
    faults = [Fault(kind="abort", at="turn_end", after_ms=500, turn=0)]
    faults += [Fault(kind="refuse", session=number) for number in (1, 2, 3)]
    async with phone(*faults) as line:
        await line.next(TurnEnded)
        await line.simulator.wait(lambda: len(line.simulator.sessions) > 1)
        line.say("ask_courses")
        await line.next(AgentReady)
        answer = await line.next(TurnEnded)

        assert caller_words([*answer]) == CLIPS["ask_courses"].text
        assert agent_words([*answer]) == CLIPS["courses_answer"].text
        assert line.agent.dropped_audio == 0


async def test_a_question_whose_answer_never_began_is_heard_by_the_next_session() -> None:
    fault = Fault(kind="close", at="turn_start", turn=1, session=0, code=1011)
    async with phone(fault) as line:
        await line.next(TurnEnded)
        line.say("ask_courses")
        await line.next(AgentReady)
        await line.next(TurnEnded)

        assert line.simulator.sessions[1].heard == ["ask_courses"]
        assert line.simulator.sessions[1].texts == []


async def test_a_greeting_cut_by_a_loss_goes_on_and_is_not_repeated() -> None:
    fault = Fault(kind="abort", at="audio", after_ms=1_000, session=0, turn=0)
    async with phone(fault) as line:
        await line.next(AgentReady)
        await line.next(AgentReady)
        await line.next(TurnEnded)

        assert line.replies.count("greeting") == 1
        assert [len(record.texts) for record in line.simulator.sessions] == [1, 1]
        assert line.simulator.sessions[1].texts[0].startswith("The connection was briefly")
        assert len(line.simulator.sessions[1].contents) == 1


async def test_rotation_in_silence_loses_nothing() -> None:
    fault = Fault(kind="go_away", at="turn_end", turn=0, session=0, time_left_ms=30_000)
    async with phone(fault) as line:
        await line.next(TurnEnded)
        await line.next(AgentReady)
        line.say("ask_ai")
        answer = await line.next(TurnEnded)

        assert agent_words([*answer]) == CLIPS["ai_answer"].text
        assert line.simulator.sessions[0].closed_by == "client"
        assert line.replies == ["greeting", "ai"]
        assert line.agent.connections == 2


async def test_rotation_waits_for_the_end_of_the_reply() -> None:
    fault = Fault(kind="go_away", at="audio", after_ms=200, turn=0, session=0, time_left_ms=60_000)
    async with phone(fault) as line:
        greeting = await line.next(TurnEnded)
        await line.next(AgentReady)

        assert pcm_of([*greeting]) == CLIPS["greeting"].pcm(24_000)
        await line.simulator.wait(lambda: line.simulator.sessions[0].closed_by is not None)
        assert line.simulator.sessions[0].closed_by == "client"
        assert line.simulator.sessions[1].texts == []


async def test_a_refused_handle_goes_on_with_the_transcript() -> None:
    faults = (
        Fault(kind="close", at="turn_end", after_ms=500, turn=0, session=0),
        Fault(kind="refuse_handle", session=1),
    )
    async with phone(*faults) as line:
        await line.next(TurnEnded)
        await line.next(AgentReady)
        line.agent.prompt("Little time is left.")
        warning = await line.next(TurnEnded)
        fresh = line.simulator.sessions[2]

        assert fresh.handle is None
        assert fresh.contents[0]["turns"] == [
            {"role": "model", "parts": [{"text": CLIPS["greeting"].text}]}
        ]
        assert agent_words([*warning]) == CLIPS["time_warning"].text
        assert line.replies == ["greeting", "time_warning"]


async def test_a_service_that_forgot_everything_is_told() -> None:
    async with phone() as line:
        await line.next(TurnEnded)
        await settle(1)
        line.simulator.forget()
        line.simulator.strike(Fault(kind="close", code=1011))
        await line.next(AgentReady)
        line.say("ask_ai")
        answer = await line.next(TurnEnded)

        assert agent_words([*answer]) == CLIPS["ai_answer"].text
        assert line.replies == ["greeting", "ai"]


@pytest.mark.parametrize("config", [CONFIG, BLOCKING], ids=["non-blocking", "blocking"])
async def test_a_tool_that_ends_after_a_loss_is_reported_in_words(config: SessionConfig) -> None:
    fault = Fault(kind="close", at="tool", session=0, code=1008, reason="not implemented")
    async with phone(fault, config=config) as line:
        await line.next(TurnEnded)
        line.say("ask_sms")
        call = await asked(line)
        await line.next(AgentReady)
        line.agent.answer_tool(result(call))
        line.agent.answer_tool(result(call))
        await line.next(TurnEnded)

        assert line.simulator.sessions[1].texts == ["Result of send_sms: Done."]
        assert [record.tool_responses for record in line.simulator.sessions] == [[], []]


async def test_a_tool_taken_back_is_not_answered() -> None:
    async with phone(config=BLOCKING) as line:
        await line.next(TurnEnded)
        line.say("ask_sms")
        call = await asked(line)
        line.say("ask_ai")
        cancelled = (await line.next(ToolsCancelled))[-1]
        line.agent.answer_tool(result(call))
        await line.until(lambda: agent_words([*line.events]) == CLIPS["ai_answer"].text)

        assert cancelled == ToolsCancelled((call.id,))
        assert line.simulator.sessions[0].tool_responses == []


async def test_parallel_tools_are_all_answered() -> None:
    async with phone() as line:
        tools = (ToolRequest("send_sms"), ToolRequest("book_demo"))
        line.simulator.scenario.replies["send_sms"] = Reply(tools=tools, then="booked")
        await line.next(TurnEnded)
        line.say("ask_sms")
        first, second = await asked(line), await asked(line)
        line.agent.answer_tool(result(second))
        line.agent.answer_tool(result(first))
        await line.until(lambda: agent_words([*line.events]) == CLIPS["booking_confirmed"].text)

        assert len(line.simulator.sessions[0].tool_responses) == 2


async def test_messages_of_tomorrow_change_nothing() -> None:
    faults = (Fault(kind="unknown_fields"), Fault(kind="unknown_message", at="turn_start"))
    async with phone(*faults) as line:
        greeting = await line.next(TurnEnded)

        assert agent_words([*greeting]) == CLIPS["greeting"].text
        assert len(line.simulator.sessions) == 1


async def test_the_bill_is_one_for_each_turn() -> None:
    async with phone() as line:
        events = await line.next(TurnEnded)
        for clip in ("ask_ai", "ask_courses"):
            line.say(clip)
            events += await line.next(TurnEnded)
        await settle(1)
        bill = tokens_of([*events, *line.events])

        assert bill["total"] == bill["prompt"] + bill["response"]
        assert bill["response"] == pytest.approx(
            sum(record.sent_ms for record in line.simulator.sessions) * 25 / 1000, abs=3
        )


@pytest.mark.parametrize("status", [401, 404])
async def test_a_refusal_for_good_is_an_agent_lost_at_once(status: int) -> None:
    async with phone(Fault(kind="refuse", status=status)) as line:
        await line.next(AgentLost)

        assert len(line.simulator.sessions) == 1


async def test_closing_in_the_middle_of_a_reply_leaves_nothing() -> None:
    async with phone() as line:
        await line.until(lambda: len(pcm_of([*line.events])) > 24_000)
        line.agent.close()
        await line.simulator.wait(lambda: line.simulator.open_sessions == 0)

        assert line.simulator.sessions[0].closed_by == "client"
        assert not any(isinstance(event, AgentLost) for event in line.events)
