"""The agent's leg on one healthy connection: what goes up, what comes down, tools, closing."""

import asyncio

import pytest
from structlog.testing import capture_logs

from fwai.domain.events import (
    AgentAudio,
    AgentEvent,
    AgentLost,
    AgentReady,
    AgentSaid,
    CallerSaid,
    GenerationEnded,
    Interrupted,
    TokensUsed,
    ToolsCancelled,
    TurnEnded,
)
from fwai.gemini.agent import EARLY_EVENTS, GeminiAgent
from fwai.gemini.connection import LiveEndpoint
from fwai.gemini.odd_messages import MAX_TOLD
from fwai.simulator.common.jumping_loop import settle
from unit.gemini.fake_live import (
    BLOCKING,
    CONFIG,
    GENERATED,
    INTERRUPTED,
    PIECE,
    TURN_DONE,
    FakeLive,
    agent_said,
    audio,
    caller_said,
    content,
    done,
    talk,
    tool_call,
)


async def test_a_prompt_given_before_the_connection_is_sent_once_it_is_there() -> None:
    async with talk() as call:
        call.agent.prompt("Greet the caller.")
        line = await call.service.line(0)

        assert line.texts == ["Greet the caller."]
        assert call.events == [AgentReady()]


async def test_a_prompt_goes_at_once_when_connected() -> None:
    async with talk() as call:
        line = await call.service.line(0)
        call.agent.prompt("Say goodbye.")
        await settle()

        assert line.texts == ["Say goodbye."]


async def test_events_arrive_in_the_order_of_the_service() -> None:
    async with talk() as call:
        line = await call.service.line(0)
        await line.send(
            caller_said("Hello"),
            audio(b"\1\0"),
            agent_said("Hi"),
            GENERATED,
            INTERRUPTED,
            {**TURN_DONE, "usageMetadata": {"totalTokenCount": 7}},
        )

        assert call.events == [
            AgentReady(),
            CallerSaid("Hello"),
            AgentAudio(b"\1\0"),
            AgentSaid("Hi"),
            GenerationEnded(),
            Interrupted(),
            TurnEnded(),
            TokensUsed({"total": 7}),
        ]


async def test_events_before_listen_are_kept_in_order_and_the_newest_when_too_many() -> None:
    heard: list[AgentEvent] = []
    async with FakeLive() as service, asyncio.TaskGroup() as tasks:
        agent = GeminiAgent(LiveEndpoint(service.url, "K"), CONFIG)
        tasks.create_task(agent.run())
        line = await service.line(0)
        await line.send(*[agent_said(str(number)) for number in range(EARLY_EVENTS + 5)])
        agent.listen(heard.append)
        await line.send(TURN_DONE)
        agent.close()

    assert heard[:-1] == [AgentSaid(str(number)) for number in range(5, EARLY_EVENTS + 5)]
    assert heard[-1] == TurnEnded()


async def test_caller_audio_goes_up_in_pieces_of_forty_milliseconds() -> None:
    async with talk() as call:
        line = await call.service.line(0)
        half = len(PIECE) // 2
        for piece in (PIECE[:half], PIECE[half:], PIECE, PIECE[:half]):
            call.agent.hear(piece, speech=True)
        await settle()

        assert line.heard == PIECE + PIECE
        assert len(line.frames) == 2


async def test_a_slow_link_costs_audio_and_is_counted_and_never_blocks() -> None:
    async with talk() as call:
        line = await call.service.line(0)
        await line.send(tool_call("a"))
        line.stop_reading()
        seconds = 400
        for _ in range(seconds * 25):
            call.agent.hear(PIECE, speech=False)
        call.agent.answer_tool(done("a"))
        call.agent.prompt("Still there?")
        line.go_on_reading()
        await settle(0.5)

        assert call.agent.dropped_audio > 0
        assert len(line.heard) + call.agent.dropped_audio == seconds * 25 * len(PIECE)
        assert [answer["id"] for answer in line.answers] == ["a"]
        assert line.texts == ["Still there?"]


# ---- tools --------------------------------------------------------------------------------------


async def test_every_one_of_several_parallel_calls_is_answered_once() -> None:
    async with talk() as call:
        line = await call.service.line(0)
        await line.send(tool_call("a", "b", "c"))
        for call_id in ("c", "a", "b", "a"):
            call.agent.answer_tool(done(call_id))
        await settle()

        assert call.calls == ["a", "b", "c"]
        assert [answer["id"] for answer in line.answers] == ["c", "a", "b"]
        assert line.texts == []


async def test_a_tool_answer_says_when_to_speak_if_the_model_takes_that() -> None:
    async with talk() as call:
        line = await call.service.line(0)
        await line.send(tool_call("a", "b"))
        call.agent.answer_tool(done("a"))
        call.agent.answer_tool(done("b", silent=True))
        await settle()

        assert [answer["scheduling"] for answer in line.answers] == ["WHEN_IDLE", "SILENT"]


async def test_a_tool_answer_has_no_scheduling_for_a_model_that_does_not_take_it() -> None:
    async with talk(config=BLOCKING) as call:
        line = await call.service.line(0)
        await line.send(tool_call("a"))
        call.agent.answer_tool(done("a"))
        await settle()

        assert line.answers == [{"id": "a", "name": "tool_a", "response": {"output": "a is done."}}]


async def test_cancelled_and_unknown_calls_are_never_answered() -> None:
    async with talk() as call:
        line = await call.service.line(0)
        await line.send(tool_call("a", "b"), {"toolCallCancellation": {"ids": ["a"]}})
        for call_id in ("a", "b", "strange"):
            call.agent.answer_tool(done(call_id))
        await settle()

        assert ToolsCancelled(("a",)) in call.events
        assert [answer["id"] for answer in line.answers] == ["b"]
        assert line.texts == []


async def test_half_a_surrogate_pair_in_a_result_does_not_break_the_call() -> None:
    async with talk() as call:
        line = await call.service.line(0)
        await line.send(tool_call("a"))
        call.agent.answer_tool(done("a").__class__("a", "tool_a", True, "x\ud800y", {}))
        await settle()

        assert line.answers[0]["response"] == {"output": "x?y"}


# ---- closing ------------------------------------------------------------------------------------


async def test_close_ends_the_session_properly_and_tells_nobody() -> None:
    async with talk() as call:
        line = await call.service.line(0)
        call.agent.close()
        await settle()

        assert call.run.done()
        assert line.socket.close_code == 1000
        assert call.of(AgentLost) == []


async def test_close_before_run_connects_nowhere() -> None:
    async with FakeLive() as service:
        agent = GeminiAgent(LiveEndpoint(service.url, "K"), CONFIG)
        agent.close()
        await agent.run()

        assert service.attempts == []


async def test_a_cancelled_run_leaves_no_socket() -> None:
    async with FakeLive() as service:
        agent = GeminiAgent(LiveEndpoint(service.url, "K"), CONFIG)
        task = asyncio.ensure_future(agent.run())
        await service.line(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await settle()

        assert service.open == 0


async def test_a_refused_turn_is_no_event_of_the_call() -> None:
    async with talk() as call:
        line = await call.service.line(0)
        await line.send(content(turnComplete=True, turnCompleteReason="RESPONSE_REJECTED"))

        assert call.events == [AgentReady(), TurnEnded()]


async def test_odd_messages_and_errors_are_said_once_and_the_call_goes_on() -> None:
    with capture_logs() as logs:
        async with talk() as call:
            line = await call.service.line(0)
            for _ in range(5):
                await line.send(
                    {"futureSignal": {"words": "hidden"}},
                    {"error": {"code": 503, "status": "UNAVAILABLE", "message": "hidden"}},
                    {"server_content": {"output_transcription": {"text": "a"}}},
                )
            for kind in range(30):
                await line.send({f"future{kind}": 1})
            await settle()

            assert call.events == [AgentReady(), *[AgentSaid("a")] * 5]

    told = [line for line in logs if line["event"] in ("agent_message_odd", "agent_error_reported")]
    assert told[:3] == [
        {"event": "agent_message_odd", "kinds": ("futureSignal",), "log_level": "info"},
        {
            "event": "agent_error_reported",
            "code": 503,
            "status": "UNAVAILABLE",
            "log_level": "warning",
        },
        {"event": "agent_message_odd", "kinds": ("server_content",), "log_level": "info"},
    ]
    assert len(told) == MAX_TOLD
    assert "hidden" not in str(logs)
