"""The agent's leg when its connection ends: resumption, fresh sessions, rotation, giving up."""

import asyncio
from typing import Literal

import pytest

from fwai.domain.events import AgentAudio, AgentLost, AgentReady, AgentSaid
from fwai.gemini.agent import HELD_BYTES
from fwai.gemini.memory import GO_ON
from fwai.gemini.setup import SessionConfig
from fwai.simulator.common.jumping_loop import settle
from unit.gemini.fake_live import (
    BLOCKING,
    CONFIG,
    GENERATED,
    INTERRUPTED,
    PIECE,
    TURN_DONE,
    Json,
    Line,
    Plan,
    Talk,
    agent_said,
    audio,
    caller_said,
    done,
    go_away,
    handle,
    talk,
    tool_call,
)

GREET = "Greet the caller."
REFUSED = Plan("close", code=1008, reason="session not found")
DOWN = Plan("refuse", status=503)


async def greeted(call: Talk, *more: dict[str, object]) -> Line:
    """Let the agent greet on a new connection; the service can resume from there."""
    call.agent.prompt(GREET)
    line = await call.service.line(len(call.service.lines))
    await line.send(agent_said("Welcome."), audio(), GENERATED, TURN_DONE, handle("h1"), *more)
    return line


def now() -> float:
    return asyncio.get_running_loop().time()


# ---- resuming -----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1006, 1008, 1011])
async def test_a_lost_connection_is_resumed_and_nothing_answered_is_repeated(code: int) -> None:
    async with talk() as call:
        line = await greeted(call)
        await settle(20)
        await (line.abort() if code == 1006 else line.close(code))
        resumed = await call.service.line(1)

        assert resumed.handle == "h1"
        assert resumed.frames == []
        assert call.of(AgentReady) == [AgentReady(), AgentReady(resumed=True)]
        assert call.of(AgentLost) == []


async def test_the_last_good_handle_is_used_while_the_service_has_none() -> None:
    async with talk() as call:
        line = await greeted(call)
        await line.send(
            handle("h2"), {"sessionResumptionUpdate": {"resumable": False, "newHandle": ""}}
        )
        await line.close()

        assert (await call.service.line(1)).handle == "h2"


async def test_an_unanswered_prompt_is_repeated_after_a_loss() -> None:
    async with talk() as call:
        line = await greeted(call)
        call.agent.prompt("Say goodbye.")
        await settle()
        await line.close()

        assert (await call.service.line(1)).texts == ["Say goodbye."]


async def test_what_the_caller_asked_is_repeated_when_there_was_no_answer() -> None:
    async with talk() as call:
        line = await greeted(call)
        await line.send(caller_said("What does"), caller_said(" it cost?"))
        await line.close()

        assert (await call.service.line(1)).texts == ["What does it cost?"]


async def test_a_mute_turn_counts_as_an_answer() -> None:
    """Whoever watches for silence decides what to do about it; a reconnect does not."""
    async with talk() as call:
        line = await greeted(call)
        call.agent.prompt("Say goodbye.")
        await line.send(TURN_DONE)
        await line.close()

        assert (await call.service.line(1)).frames == []


async def test_late_words_of_an_answered_question_are_not_repeated() -> None:
    async with talk() as call:
        line = await greeted(call)
        words = caller_said("What does it cost?")
        await line.send(audio(), words, GENERATED, TURN_DONE, handle("h2"))
        await line.close()

        assert (await call.service.line(1)).frames == []


async def test_a_reply_cut_by_the_loss_is_asked_for_once() -> None:
    async with talk() as call:
        line = await greeted(call)
        await line.send(caller_said("What does it cost?"), agent_said("It costs"), audio())
        await line.abort()
        second = await call.service.line(1)
        await second.send(audio(), GENERATED, TURN_DONE, handle("h2"))
        await second.abort()
        third = await call.service.line(2)

        assert second.texts == [GO_ON]
        assert second.history == [("user", "What does it cost?"), ("model", "It costs")]
        assert third.frames == []


async def test_an_interrupted_reply_is_not_asked_for() -> None:
    async with talk() as call:
        line = await greeted(call)
        await line.send(audio(), INTERRUPTED)
        await line.abort()

        assert (await call.service.line(1)).frames == []


async def test_caller_audio_is_held_and_delivered_and_the_oldest_dropped() -> None:
    async with talk(Plan(), DOWN, DOWN) as call:
        line = await greeted(call)
        await line.close()
        pieces = [bytes([number, 0]) * 640 for number in range(100)]
        for piece in pieces:
            call.agent.hear(piece, speech=True)
        resumed = await call.service.line(1)
        call.agent.hear(PIECE, speech=True)
        await settle()

        assert HELD_BYTES == 3 * 32_000
        assert resumed.heard == b"".join(pieces[25:]) + PIECE
        assert call.agent.dropped_audio == 25 * len(PIECE)


async def test_audio_in_the_moment_of_the_loss_is_held() -> None:
    """The socket is gone, and ``run`` has not been woken yet."""

    async with talk() as call:
        line = await greeted(call)

        def hear_at_once(_: object) -> None:
            call.agent.hear(PIECE, speech=True)
            call.agent.prompt("Say goodbye.")

        assert call.agent._connection is not None
        call.agent._connection.lost.add_done_callback(hear_at_once)
        await line.close()
        resumed = await call.service.line(1)

        assert resumed.heard == PIECE
        assert resumed.texts == ["Say goodbye."]
        assert call.agent.dropped_audio == 0


async def test_a_link_that_takes_nothing_any_more_is_replaced() -> None:
    async with talk() as call:
        line = await greeted(call)
        line.stop_reading()
        for _ in range(150):
            for _ in range(100):
                call.agent.hear(PIECE, speech=True)
            await settle(0.05)
        resumed = await call.service.line(1)
        call.agent.hear(PIECE, speech=True)
        await settle()

        assert resumed.handle == "h1"
        assert resumed.heard.endswith(PIECE)
        line.go_on_reading()


async def test_unreadable_messages_in_a_row_end_the_connection_and_it_is_resumed() -> None:
    async with talk() as call:
        line = await greeted(call)
        await line.send(b"{}x", b"{}x", audio(b"\5\0"), b"{}x", b"{}x", agent_said("a"))
        await line.send(b"{}x", b"{}x", b"{}x")
        resumed = await call.service.line(1)

        assert call.events[-3:-1] == [AgentAudio(b"\5\0"), AgentSaid("a")]
        assert resumed.handle == "h1"


async def test_a_monologue_longer_than_the_memory_is_survived() -> None:
    async with talk() as call:
        line = await greeted(call)
        await line.send(*[caller_said("x" * 4_000)] * 3)
        await line.close()

        assert (await call.service.line(1)).texts == ["x" * 6_000]


# ---- a handle that is no good -------------------------------------------------------------------


@pytest.mark.parametrize("code", [1007, 1008])
async def test_a_refused_handle_leads_to_a_fresh_session_with_the_transcript(code: int) -> None:
    async with talk(Plan(), Plan("close", code=code)) as call:
        line = await greeted(call)
        await line.send(caller_said("Hello"), audio(), agent_said("How are you?"), TURN_DONE)
        began = now()
        await line.close()
        fresh = await call.service.line(1)

        assert fresh.handle is None
        assert fresh.history == [
            ("model", "Welcome."),
            ("user", "Hello"),
            ("model", "How are you?"),
        ]
        assert fresh.texts == []
        assert now() - began < 1.0
        assert call.of(AgentReady) == [AgentReady(), AgentReady(resumed=True)]


async def test_a_refused_handle_is_not_tried_again_later() -> None:
    async with talk(Plan(), REFUSED) as call:
        await (await greeted(call)).close()
        await (await call.service.line(1)).close()
        third = await call.service.line(2)

        assert third.handle is None
        assert len(call.service.attempts) == 4


async def test_what_is_owed_is_said_once_and_not_also_as_history() -> None:
    async with talk(Plan(), REFUSED) as call:
        line = await greeted(call)
        await line.send(caller_said("What does it cost?"))
        await line.close()
        fresh = await call.service.line(1)

        assert fresh.history == [("model", "Welcome.")]
        assert fresh.texts == ["What does it cost?"]


async def test_the_greeting_is_asked_for_again_only_if_it_was_never_begun() -> None:
    async with talk() as call:
        call.agent.prompt(GREET)
        line = await call.service.line(0)
        await line.close()
        second = await call.service.line(1)
        await second.send(agent_said("Good"), audio())
        await second.close()
        third = await call.service.line(2)

        assert second.texts == [GREET]
        assert third.history == [("model", "Good")]
        assert third.texts == [GO_ON]


async def test_a_handle_whose_session_dies_twice_at_once_is_given_up() -> None:
    async with talk() as call:
        line = await greeted(call)
        await settle(20)
        for number in (1, 2):
            await line.close()
            line = await call.service.line(number)
        await line.close()
        last = await call.service.line(3)

        assert [line.handle for line in call.service.lines] == [None, "h1", "h1", None]
        assert last.history == [("model", "Welcome.")]


# ---- tools across a loss ------------------------------------------------------------------------


async def test_results_that_come_during_a_reconnect_are_delivered_as_words_once() -> None:
    async with talk(Plan(), DOWN) as call:
        line = await greeted(call)
        await line.send(tool_call("a", "b", "c"))
        await line.close()
        call.agent.answer_tool(done("a"))
        call.agent.answer_tool(done("b"))
        call.agent.answer_tool(done("c", silent=True))
        call.agent.answer_tool(done("a"))
        resumed = await call.service.line(1)
        await resumed.send(audio(), GENERATED, TURN_DONE)
        await resumed.close()
        third = await call.service.line(2)

        assert resumed.texts == ["Result of tool_a: a is done.\nResult of tool_b: b is done."]
        assert resumed.answers == []
        assert third.frames == []


async def test_a_result_after_the_reconnect_is_delivered_as_words() -> None:
    """The new connection does not know the id."""
    async with talk() as call:
        line = await greeted(call)
        await line.send(tool_call("a"))
        await line.close()
        resumed = await call.service.line(1)
        call.agent.answer_tool(done("a"))
        await settle()

        assert resumed.texts == ["Result of tool_a: a is done."]
        assert resumed.answers == []


async def test_answers_the_model_has_not_spoken_about_are_said_again() -> None:
    async with talk() as call:
        line = await greeted(call)
        await line.send(tool_call("a", "b"))
        call.agent.answer_tool(done("a"))
        call.agent.answer_tool(done("b"))
        await line.send(GENERATED, TURN_DONE)
        await line.close()
        resumed = await call.service.line(1)

        assert [answer["id"] for answer in line.answers] == ["a", "b"]
        assert resumed.texts == ["Result of tool_a: a is done.\nResult of tool_b: b is done."]


@pytest.mark.parametrize(("config", "between"), [(BLOCKING, []), (CONFIG, [GENERATED, TURN_DONE])])
async def test_answers_the_model_has_spoken_about_are_not_said_again(
    config: SessionConfig, between: list[Json]
) -> None:
    """A blocking model goes on in the same turn, the other one in a turn of its own."""
    async with talk(config=config) as call:
        line = await greeted(call)
        await line.send(audio(), tool_call("a"), audio())
        call.agent.answer_tool(done("a"))
        await line.send(*between, audio(), GENERATED, TURN_DONE)
        await line.close()

        assert (await call.service.line(1)).frames == []


async def test_cancelled_calls_are_not_answered_after_a_loss_either() -> None:
    async with talk() as call:
        line = await greeted(call)
        await line.send(tool_call("a"), {"toolCallCancellation": {"ids": ["a"]}})
        await line.close()
        call.agent.answer_tool(done("a"))

        assert (await call.service.line(1)).frames == []


# ---- rotation -----------------------------------------------------------------------------------


async def test_rotation_happens_at_once_when_nobody_speaks() -> None:
    async with talk() as call:
        line = await greeted(call)
        began = now()
        await line.send(go_away(60))
        resumed = await call.service.line(1)

        assert now() - began < 0.5
        assert resumed.handle == "h1"
        assert resumed.frames == []
        assert line.socket.close_code == 1000


async def test_an_exchange_after_the_last_handle_is_told_to_the_resumed_session() -> None:
    async with talk() as call:
        line = await greeted(call)
        await line.send(caller_said("I am Ravi."), audio(), agent_said("Hello Ravi."), TURN_DONE)
        await line.close()
        resumed = await call.service.line(1)

        assert resumed.handle == "h1"
        assert resumed.history == [("user", "I am Ravi."), ("model", "Hello Ravi.")]
        assert resumed.texts == []


@pytest.mark.parametrize("what", ["reply", "playback", "tool", "prompt", "speech"])
async def test_rotation_waits_for_a_quiet_moment(
    what: Literal["reply", "playback", "tool", "prompt", "speech"],
) -> None:
    async with talk() as call:
        line = await greeted(call)
        match what:
            case "reply":
                await line.send(audio())
            case "playback":
                await line.send(audio(), GENERATED)
            case "tool":
                await line.send(tool_call("a"))
            case "prompt":
                call.agent.prompt("Say goodbye.")
            case "speech":
                call.agent.hear(PIECE, speech=True)
        await line.send(go_away(60))
        await settle(0.5)
        before = len(call.service.attempts)
        call.agent.answer_tool(done("a"))
        await line.send(audio(), TURN_DONE)
        await settle(1.0)

        assert before == 1
        assert len(call.service.lines) == 2
        assert call.service.lines[1].frames == []


async def test_rotation_happens_before_the_deadline_whatever_goes_on() -> None:
    async with talk() as call:
        line = await greeted(call)
        await line.send(caller_said("What does it cost?"), agent_said("It"), audio())
        began = now()
        await line.send(go_away(10))
        resumed = await call.service.line(1)

        assert now() - began == pytest.approx(8.0, abs=0.3)
        assert resumed.texts == [GO_ON]


async def test_rotation_without_a_handle_takes_the_transcript_along() -> None:
    async with talk() as call:
        call.agent.prompt(GREET)
        line = await call.service.line(0)
        await line.send(agent_said("Welcome."), audio(), TURN_DONE, go_away(60))
        fresh = await call.service.line(1)

        assert fresh.handle is None
        assert fresh.history == [("model", "Welcome.")]
        assert fresh.texts == []


async def test_a_rotation_that_fails_is_a_reconnect() -> None:
    async with talk(Plan(), DOWN, REFUSED) as call:
        line = await greeted(call, go_away(60))
        fresh = await call.service.line(1)

        assert line.socket.close_code == 1000
        assert fresh.history == [("model", "Welcome.")]


# ---- giving up ----------------------------------------------------------------------------------


async def test_the_agent_is_lost_after_five_tries_with_growing_pauses() -> None:
    async with talk(*[DOWN] * 20) as call:
        await call.run
        waits = [
            round(later - earlier, 1)
            for earlier, later in zip(
                call.service.attempts, call.service.attempts[1:], strict=False
            )
        ]

        assert waits == [0.0, 0.2, 0.5, 1.0, 1.0]
        assert call.events == [AgentLost(call.causes[-1])]


@pytest.mark.parametrize(
    "plan",
    [
        Plan("refuse", status=401),
        Plan("refuse", status=404),
        Plan("close", code=1007, reason="invalid argument"),
        Plan("close", code=1008, reason="model not found"),
        Plan("close", code=1011, reason="You exceeded your current quota"),
    ],
)
async def test_what_would_be_refused_again_is_tried_once(plan: Plan) -> None:
    async with talk(*[plan] * 5) as call:
        await call.run

        assert len(call.service.attempts) == 1
        assert call.events == [AgentLost(call.causes[-1])]


async def test_too_many_requests_are_tried_once_more_after_a_while() -> None:
    async with talk(*[Plan("refuse", status=429)] * 5) as call:
        await call.run
        first, second = call.service.attempts

        assert second - first == pytest.approx(1.0, abs=0.1)
        assert call.events == [AgentLost(call.causes[-1])]


async def test_a_stable_connection_earns_back_its_tries() -> None:
    async with talk() as call:
        line = await greeted(call)
        for number in range(1, 9):
            await settle(11)
            await line.close()
            line = await call.service.line(number)

        assert {line.handle for line in call.service.lines[1:]} == {"h1"}
        assert call.of(AgentLost) == []


# ---- closing at a bad moment --------------------------------------------------------------------


@pytest.mark.parametrize("how", ["silent", "hang"])
async def test_close_while_connecting_returns_at_once(how: Literal["silent", "hang"]) -> None:
    async with talk(Plan(how)) as call:
        await settle(1.0)
        began = now()
        call.agent.close()
        call.agent.close()
        await call.run

        assert now() - began < 0.1
        assert call.events == []
        await settle(10.0)


async def test_close_during_a_pause_between_tries_returns_at_once() -> None:
    async with talk(*[DOWN] * 5) as call:
        while len(call.service.attempts) < 4:
            await settle()
        began = now()
        call.agent.close()
        await call.run

        assert now() - began < 0.1
        assert call.events == []


async def test_close_during_rotation_returns_at_once() -> None:
    async with talk(Plan(), Plan("silent")) as call:
        await greeted(call, go_away(60))
        await settle(1.0)
        began = now()
        call.agent.close()
        await call.run

        assert len(call.service.attempts) == 2
        assert now() - began < 0.1
        assert call.of(AgentLost) == []
        await settle(10.0)
