"""The agent's leg when its connection ends: resumption, fresh sessions, rotation, giving up."""

import asyncio
from typing import Literal

import pytest

from fwai.domain.events import (
    AgentAudio,
    AgentLost,
    AgentReady,
    AgentSaid,
    CallerRepeats,
    ToolResult,
)
from fwai.errors import AgentError
from fwai.gemini.faults import SILENT
from fwai.gemini.memory import GO_ON
from fwai.gemini.recovery import WAIT_S
from fwai.gemini.rotation import OLD_S
from fwai.gemini.setup import SessionConfig
from fwai.gemini.uplink import HELD_BYTES
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


async def test_a_pause_of_the_caller_is_held_and_the_oldest_dropped() -> None:
    async with talk(Plan(), DOWN, DOWN) as call:
        line = await greeted(call)
        await line.close()
        pieces = [bytes([number, 0]) * 640 for number in range(100)]
        for piece in pieces:
            call.agent.hear(piece, speech=False)
        resumed = await call.service.line(1)
        call.agent.hear(PIECE, speech=False)
        await settle()

        assert HELD_BYTES == 3 * 32_000
        assert resumed.heard == b"".join(pieces[25:]) + PIECE
        assert call.agent.dropped_audio == 25 * len(PIECE)


PIECES = [bytes([number, 1]) * 640 for number in range(200)]


async def say(call: Talk, pieces: list[bytes]) -> None:
    for piece in pieces:
        call.agent.hear(piece, speech=True)
        await settle(0.04)


@pytest.mark.parametrize("lost", ["while they speak", "when they have spoken"])
@pytest.mark.parametrize("handle_refused", [False, True])
async def test_what_the_caller_said_is_heard_whole_by_the_next_session(
    lost: str, *, handle_refused: bool
) -> None:
    """Audio handed to a socket that dies reaches nobody, transcribed or not."""
    async with talk(Plan(), *[REFUSED] * handle_refused) as call:
        line = await greeted(call)
        call.agent.hear(PIECE, speech=False)
        await say(call, PIECES[:100])
        if lost == "when they have spoken":
            await say(call, PIECES[100:])
            await line.abort()
        else:
            await line.abort()
            await say(call, PIECES[100:])
        resumed = await call.service.line(1)
        await settle(1.0)

        assert resumed.heard == PIECE + b"".join(PIECES)
        assert resumed.texts == []
        assert CallerRepeats() in call.events


async def test_words_that_stand_for_speech_are_given_instead_of_it() -> None:
    async with talk() as call:
        line = await greeted(call)
        await say(call, PIECES[:20])
        await line.send(caller_said("What does it cost?"))
        await settle(1.5)
        await say(call, PIECES[20:40])
        await line.send(caller_said("And when"))
        await line.abort()
        resumed = await call.service.line(1)
        await settle()

        assert resumed.history[-1:] == [("user", "What does it cost?")]
        assert resumed.heard.endswith(b"".join(PIECES[20:40]))
        assert PIECES[5] not in resumed.heard


@pytest.mark.parametrize("act", ["speech", "tool"])
async def test_speech_that_was_answered_is_not_heard_again(act: str) -> None:
    async with talk() as call:
        line = await greeted(call)
        await say(call, PIECES[:50])
        await settle(0.5)
        await line.send(*([audio(), GENERATED, TURN_DONE] if act == "speech" else [tool_call("a")]))
        await line.abort()
        resumed = await call.service.line(1)
        await settle()

        assert resumed.heard == b""
        assert CallerRepeats() not in call.events


async def test_an_answer_that_is_cut_by_the_caller_does_not_take_their_words_along() -> None:
    async with talk() as call:
        line = await greeted(call)
        await line.send(audio(), audio())
        await say(call, PIECES[:30])
        await line.send(INTERRUPTED)
        await line.abort()
        resumed = await call.service.line(1)
        await settle()

        assert resumed.heard == b"".join(PIECES[:30])
        assert resumed.texts == []


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


@pytest.mark.parametrize("left_s", [0.0, 3.0, 10.0])
async def test_a_reply_is_taken_to_its_end_while_the_next_connection_waits(left_s: float) -> None:
    async with talk() as call:
        line = await greeted(call)
        await line.send(caller_said("What does it cost?"), agent_said("It"), audio())
        await line.send(go_away(left_s))
        await settle(max(left_s - 2.0, 0.0) + 0.5)
        opened = len(call.service.lines)
        await line.send(agent_said(" costs 5."), audio(b"\7\0"), GENERATED, TURN_DONE)
        await settle(1.0)
        following = call.service.lines[1]

        assert opened == 2
        assert call.events.count(AgentAudio(b"\7\0")) == 1
        assert following.texts == []
        assert following.history == [("user", "What does it cost?"), ("model", "It costs 5.")]
        assert line.socket.close_code == 1000


async def test_a_set_up_that_is_out_of_date_is_made_anew() -> None:
    async with talk(config=BLOCKING) as call:
        line = await greeted(call)
        await line.send(caller_said("What does it cost?"), agent_said("It"), audio())
        await line.send(go_away(7))
        await settle(1.5)
        waiting = await call.service.line(1)
        await line.send(agent_said(" costs 5."), GENERATED, TURN_DONE)
        await settle(1.0)
        following = call.service.lines[-1]
        instruction = following.setup["setup"]["systemInstruction"]["parts"][0]["text"]

        assert following is not waiting
        assert following.history == waiting.history == []
        assert instruction.endswith("\nCaller: What does it cost?\nYou: It costs 5.")
        assert line.socket.close_code == 1000


async def test_a_set_up_that_is_out_of_date_serves_where_no_time_is_left() -> None:
    async with talk(config=BLOCKING) as call:
        line = await greeted(call)
        await line.send(audio(), go_away(0))
        await settle(0.5)
        await line.send(agent_said("It costs 5."), GENERATED, TURN_DONE)
        await settle(1.0)

        assert len(call.service.lines) == 2
        assert call.service.lines[1].of_kind("clientContent") == []


async def test_a_reply_that_dies_with_its_connection_goes_on_with_the_one_that_waits() -> None:
    async with talk() as call:
        line = await greeted(call)
        await line.send(agent_said("It"), audio(), go_away(0))
        await settle(0.2)
        attempts = len(call.service.attempts)
        await line.abort()
        await settle(0.2)

        assert attempts == len(call.service.attempts) == 2
        assert call.service.lines[1].texts == [GO_ON]
        assert call.causes == []


async def test_what_the_caller_says_while_the_next_connection_opens_is_heard_by_one() -> None:
    async with talk() as call:
        line = await greeted(call)
        await say(call, PIECES[:20])
        await line.send(go_away(0))
        await say(call, PIECES[20:40])
        await line.abort()
        await say(call, PIECES[40:60])

        assert call.service.lines[1].heard == b"".join(PIECES[:60])


async def test_a_loss_long_before_a_rotation_leaves_all_the_time_for_the_next_one() -> None:
    async with talk() as call:
        line = await greeted(call)
        await line.close()
        quiet = await call.service.line(1)
        await settle(50.0)
        await quiet.send(go_away(60))
        following = await call.service.line(2)
        await settle(5.0)
        await following.close()
        await settle(1.0)

        assert len(call.service.lines) == 4


async def test_an_old_connection_is_replaced_in_a_quiet_moment() -> None:
    async with talk() as call:
        line = await greeted(call)
        await settle(OLD_S - 5.0)
        before = len(call.service.lines)
        await line.send(audio())
        await settle(10.0)
        speaking = len(call.service.lines)
        await line.send(GENERATED, TURN_DONE, handle("h2"))
        following = await call.service.line(1)
        await settle()

        assert (before, speaking) == (1, 1)
        assert following.handle == "h2"
        assert following.frames == []
        assert call.causes == []


async def test_rotation_without_a_handle_takes_the_transcript_along() -> None:
    async with talk() as call:
        call.agent.prompt(GREET)
        line = await call.service.line(0)
        await line.send(agent_said("Welcome."), audio(), TURN_DONE, go_away(60))
        fresh = await call.service.line(1)

        assert fresh.handle is None
        assert fresh.history == [("model", "Welcome.")]
        assert fresh.texts == []


async def test_a_rotation_that_fails_is_tried_again_and_the_old_connection_serves_on() -> None:
    async with talk(Plan(), DOWN, REFUSED) as call:
        line = await greeted(call, go_away(60))
        await settle(1.0)
        await line.send(audio(b"\7\0"), TURN_DONE)
        fresh = await call.service.line(1)
        await settle()

        assert AgentAudio(b"\7\0") in call.events
        assert line.socket.close_code == 1000
        assert fresh.handle is None
        assert fresh.history == [("model", "Welcome.")]
        assert call.causes == []


async def test_a_connection_that_waits_and_dies_is_replaced() -> None:
    async with talk() as call:
        line = await greeted(call)
        await line.send(audio(), go_away(5))
        second = await call.service.line(1)
        await second.abort()
        await settle(2.5)
        await line.send(GENERATED, TURN_DONE)
        await settle(0.3)

        assert len(call.service.lines) == 3
        assert line.socket.close_code == 1000


# ---- renewal ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fresh", "handle_used"), [(False, "h1"), (True, None)])
async def test_a_connection_that_does_not_answer_is_renewed(
    *, fresh: bool, handle_used: str | None
) -> None:
    async with talk() as call:
        await greeted(call)
        await say(call, PIECES[:20])
        await settle(4.0)
        call.agent.renew(fresh=fresh)
        following = await call.service.line(1)
        await settle()

        assert following.handle == handle_used
        assert following.heard.startswith(b"".join(PIECES[:20]))
        assert following.history == ([("model", "Welcome.")] if fresh else [])
        assert call.causes == ["Gemini does not answer although it is connected: " + SILENT.check]


async def test_a_renewal_while_there_is_no_connection_does_nothing() -> None:
    async with talk(Plan(), DOWN) as call:
        line = await greeted(call)
        await line.close()
        call.agent.renew(fresh=True)
        resumed = await call.service.line(1)
        await settle(1.0)

        assert resumed.handle == "h1"
        assert len(call.service.lines) == 2


async def test_a_model_that_takes_no_history_gets_it_in_the_set_up() -> None:
    async with talk(Plan(), REFUSED, config=BLOCKING) as call:
        line = await greeted(call)
        await line.close()
        fresh = await call.service.line(1)
        instruction = fresh.setup["setup"]["systemInstruction"]["parts"][0]["text"]

        assert fresh.history == []
        assert instruction.startswith("x\n")
        assert instruction.endswith("\nYou: Welcome.")


async def test_a_model_that_refuses_our_history_gets_it_in_the_set_up() -> None:
    async with talk(Plan(), REFUSED) as call:
        line = await greeted(call)
        await line.close()
        second = await call.service.line(1)
        await second.close(1007, "invalid argument")
        third = await call.service.line(2)

        assert second.history == [("model", "Welcome.")]
        assert third.history == []
        assert third.setup["setup"]["systemInstruction"]["parts"][0]["text"].endswith("Welcome.")


async def test_tool_calls_without_ids_are_two_calls_and_answered_without_ids() -> None:
    async with talk() as call:
        line = await greeted(call)
        calls = [{"name": f"tool_{name}", "args": {}} for name in "ab"]
        await line.send({"toolCall": {"functionCalls": calls}})
        first, second = call.calls
        call.agent.answer_tool(ToolResult(second, "tool_b", True, "b is done.", {}))
        call.agent.answer_tool(ToolResult(first, "tool_a", True, "a is done.", {}))
        await settle()

        assert [answer["name"] for answer in line.answers] == ["tool_b", "tool_a"]
        assert not any("id" in answer for answer in line.answers)


# ---- giving up ----------------------------------------------------------------------------------


async def test_the_agent_is_lost_when_a_caller_has_waited_long_enough() -> None:
    async with talk(*[DOWN] * 50) as call:
        began = now()
        await call.run
        waits = [
            round(later - earlier, 1)
            for earlier, later in zip(
                call.service.attempts, call.service.attempts[1:], strict=False
            )
        ]

        assert waits[:5] == [0.0, 0.2, 0.5, 1.0, 2.0]
        assert max(waits) == 2.0
        assert WAIT_S - 2.0 < now() - began <= WAIT_S
        assert call.events == [AgentLost(call.causes[-1])]


@pytest.mark.parametrize(
    "plan",
    [
        Plan("refuse", status=401),
        Plan("refuse", status=404),
        Plan("close", code=1007, reason="invalid argument"),
        Plan("close", code=1008, reason="model not found"),
    ],
)
async def test_what_would_be_refused_again_is_tried_once(plan: Plan) -> None:
    async with talk(*[plan] * 5) as call:
        await call.run

        assert len(call.service.attempts) == 1
        assert call.events == [AgentLost(call.causes[-1])]


@pytest.mark.parametrize(
    "plan",
    [
        Plan("refuse", status=429),
        Plan("refuse", status=403),
        Plan("close", code=1008, reason="API key not valid"),
        Plan("close", code=1011, reason="You exceeded your current quota"),
        Plan("close", code=1007, reason="invalid argument"),
    ],
)
async def test_a_call_that_was_served_outlives_refusals(plan: Plan) -> None:
    async with talk(Plan(), plan, plan, plan) as call:
        line = await greeted(call)
        await line.abort()
        back = await call.service.line(1)
        await back.send(audio())

        assert call.of(AgentLost) == []


async def test_nothing_is_tried_while_others_find_the_model_down() -> None:
    class Down:
        def down(self, model: str) -> str:
            return f"{model} is down"

        def opened(self, model: str) -> None: ...

        def failed(self, model: str, error: AgentError, *, for_good: bool = False) -> None: ...

    async with talk(watch=Down()) as call:
        await call.run

        assert call.service.attempts == []
        assert call.events == [AgentLost("gemini-3.8-live is down")]


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
