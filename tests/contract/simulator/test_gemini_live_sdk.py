"""The simulated Live service holds a conversation with the unmodified google-genai SDK."""

import asyncio

import pytest
from google.genai import errors, types

from contract.simulator.live_lab import (
    CLIPS,
    answer,
    declare,
    laboratory,
    next_turn,
    say,
    until_audio,
    until_calls,
)
from fwai.simulator.gemini.scenario import Reply, ToolRequest, demo


async def test_a_session_opens_with_an_id() -> None:
    async with laboratory() as lab, lab.connect() as session:
        assert session.setup_complete is not None
        assert session.session_id == lab.simulator.sessions[0].session_id
        assert lab.simulator.sessions[0].auth == "x-goog-api-key"


async def test_the_first_instruction_is_answered_with_the_greeting() -> None:
    async with laboratory() as lab, lab.connect() as session:
        await session.send_realtime_input(text="Greet the caller.")
        turn = await next_turn(session)

        assert turn.clip == "greeting"
        assert turn.agent == CLIPS["greeting"].text
        assert turn.generated
        assert turn.tokens >= 25 * CLIPS["greeting"].duration_ms / 1000
        assert lab.simulator.sessions[0].texts == ["Greet the caller."]


async def test_a_question_is_transcribed_and_answered() -> None:
    async with laboratory() as lab, lab.connect() as session:
        await say(session, "ask_courses")
        turn = await next_turn(session)

        assert turn.caller == CLIPS["ask_courses"].text
        assert turn.clip == "courses_answer"
        assert turn.agent == CLIPS["courses_answer"].text
        assert not turn.interrupted


async def test_the_declared_sample_rate_is_believed() -> None:
    async with laboratory() as lab, lab.connect() as session:
        await say(session, "ask_ai", sample_rate=8_000)
        turn = await next_turn(session)

        assert turn.clip == "ai_answer"
        assert lab.simulator.sessions[0].rates == {8_000}


async def test_unintelligible_speech_gets_the_fallback() -> None:
    """8 kHz audio that claims to be 16 kHz is twice as high and fast."""
    async with laboratory() as lab, lab.connect() as session:
        pcm = CLIPS["ask_courses"].pcm(8_000) + bytes(32_000)
        await session.send_realtime_input(audio=types.Blob(data=pcm, mime_type="audio/pcm"))
        turn = await next_turn(session)

        assert turn.caller == "[unclear]"
        assert turn.clip == "fallback"


async def test_barge_in_interrupts_and_is_answered() -> None:
    async with laboratory() as lab, lab.connect() as session:
        await say(session, "ask_courses")
        await until_audio(session)
        await say(session, "barge_in")
        cut = await next_turn(session)
        answered = await next_turn(session)

        assert cut.interrupted
        assert cut.complete
        assert answered.caller == CLIPS["barge_in"].text
        assert answered.clip == "price_answer"
        assert lab.simulator.sessions[0].interruptions == 1


async def test_barge_in_during_playback_comes_after_generation() -> None:
    """All audio is out at once, but the service believes that it is still being played."""
    async with laboratory(demo().with_pace(speed=1000.0)) as lab, lab.connect() as session:
        await say(session, "ask_courses")
        heard = await until_audio(session)
        async for message in session.receive():
            heard.add(message)
            if heard.generated:
                break
        await say(session, "barge_in")
        cut = await next_turn(session)

        assert heard.generated
        assert cut.interrupted


async def test_speech_does_not_interrupt_when_told_so_and_is_answered_later() -> None:
    config = {"activity_handling": "NO_INTERRUPTION"}
    async with laboratory() as lab, lab.connect(realtime_input_config=config) as session:
        await session.send_realtime_input(text="Greet the caller.")
        await until_audio(session)
        await say(session, "ask_ai")
        greeting = await next_turn(session)
        later = await next_turn(session)

        assert not greeting.interrupted
        assert later.clip == "ai_answer"


async def test_the_client_may_bracket_speech_itself() -> None:
    config = {"automatic_activity_detection": {"disabled": True}}
    async with laboratory() as lab, lab.connect(realtime_input_config=config) as session:
        await say(session, "barge_in")
        await session.send_realtime_input(activity_start=types.ActivityStart())
        await say(session, "ask_ai", silence_ms=0)
        await session.send_realtime_input(activity_end=types.ActivityEnd())
        turn = await next_turn(session)

        assert turn.clip == "ai_answer"
        assert lab.simulator.sessions[0].activities == ["start", "end"]


async def test_the_end_of_the_stream_ends_speech() -> None:
    async with laboratory() as lab, lab.connect() as session:
        await say(session, "ask_ai", silence_ms=0)
        await session.send_realtime_input(audio_stream_end=True)
        turn = await next_turn(session)

        assert turn.clip == "ai_answer"


@pytest.mark.parametrize(
    ("response", "clip"), [({"output": "Sent."}, "sms_sent"), ({"error": "No."}, "fallback")]
)
async def test_the_reply_follows_the_outcome_of_a_blocking_tool(
    response: dict[str, object], clip: str
) -> None:
    async with laboratory() as lab, lab.connect(tools=declare("send_sms")) as session:
        await say(session, "ask_sms")
        asked = await until_calls(session)
        await session.send_tool_response(function_responses=answer(asked.calls[0], **response))
        turn = await next_turn(session)

        assert asked.calls[0].name == "send_sms"
        assert turn.clip == clip
        assert lab.simulator.sessions[0].violations == []


async def test_a_non_blocking_tool_is_spoken_about_in_a_turn_of_its_own() -> None:
    tools = declare("send_sms", blocking=False)
    async with laboratory() as lab, lab.connect(tools=tools) as session:
        await say(session, "ask_sms")
        asked = await next_turn(session)
        await session.send_tool_response(function_responses=answer(asked.calls[0], output="Sent."))
        turn = await next_turn(session)

        assert asked.complete
        assert not asked.pcm
        assert turn.clip == "sms_sent"


async def test_all_of_several_tools_must_be_answered() -> None:
    both = Reply(
        tools=(ToolRequest("send_sms", {"text": "a"}), ToolRequest("book_demo")), then="booked"
    )
    scenario = demo()
    scenario.replies["send_sms"] = both
    tools = declare("send_sms", "book_demo")
    async with laboratory(scenario) as lab, lab.connect(tools=tools) as session:
        await say(session, "ask_sms")
        asked = await until_calls(session)
        first, second = asked.calls
        await session.send_tool_response(function_responses=answer(second, output=1))
        await session.send_tool_response(function_responses=answer(first, output=1))
        turn = await next_turn(session)

        assert [first.name, second.name] == ["send_sms", "book_demo"]
        assert turn.clip == "booking_confirmed"


async def test_barge_in_takes_a_blocking_tool_back() -> None:
    async with laboratory() as lab, lab.connect(tools=declare("send_sms")) as session:
        await say(session, "ask_sms")
        asked = await until_calls(session)
        await say(session, "ask_ai")
        cut = await next_turn(session)
        await session.send_tool_response(function_responses=answer(asked.calls[0], output=1))
        turn = await next_turn(session)

        assert cut.interrupted
        assert cut.cancelled == [asked.calls[0].id]
        assert turn.clip == "ai_answer"
        assert lab.simulator.sessions[0].violations == [
            f"cancelled tool id {asked.calls[0].id} answered"
        ]


async def test_undeclared_tools_are_not_asked_for() -> None:
    async with laboratory() as lab, lab.connect() as session:
        await say(session, "ask_sms")
        turn = await next_turn(session)

        assert turn.clip == "fallback"
        assert lab.simulator.sessions[0].skipped_tools == ["send_sms"]


async def test_tools_that_are_never_answered_are_held_against_the_client() -> None:
    async with laboratory() as lab:
        async with lab.connect(tools=declare("send_sms")) as session:
            await say(session, "ask_sms")
            await until_calls(session)
        record = lab.simulator.sessions[0]
        await lab.simulator.wait(lambda: record.close_code is not None)

        assert record.violations == ["tool id call-0-1 (send_sms) never answered"]
        assert record.closed_by == "client"


async def test_later_instructions_are_answered_by_their_words() -> None:
    async with laboratory() as lab, lab.connect(tools=declare("end_call")) as session:
        await session.send_realtime_input(text="Greet the caller.")
        await next_turn(session)
        await session.send_realtime_input(text="Little time is left. Say so.")
        warning = await next_turn(session)
        await session.send_realtime_input(text="Say goodbye and hang up.")
        goodbye = await until_calls(session)

        assert warning.clip == "time_warning"
        assert goodbye.clip == "goodbye_answer"
        assert goodbye.calls[0].name == "end_call"


async def test_history_starts_no_turn_and_replaces_the_greeting() -> None:
    history: list[types.Content | types.ContentDict] = [
        types.Content(role="user", parts=[types.Part(text="Hello")]),
        types.Content(role="model", parts=[types.Part(text="Welcome.")]),
    ]
    async with laboratory() as lab, lab.connect() as session:
        await session.send_client_content(turns=history, turn_complete=False)
        await session.send_realtime_input(text="Half a minute is left.")
        turn = await next_turn(session)

        assert turn.clip == "time_warning"
        assert lab.simulator.sessions[0].replies == ["time_warning"]


async def test_client_content_interrupts() -> None:
    user = types.Content(role="user", parts=[types.Part(text="Say goodbye.")])
    async with laboratory() as lab, lab.connect() as session:
        await session.send_realtime_input(text="Greet the caller.")
        await until_audio(session)
        await session.send_client_content(turns=user, turn_complete=True)
        cut = await next_turn(session)
        turn = await next_turn(session)

        assert cut.interrupted
        assert turn.clip == "goodbye_answer"


async def test_a_resumed_conversation_goes_on() -> None:
    async with laboratory() as lab:
        async with lab.connect() as session:
            await session.send_realtime_input(text="Greet the caller.")
            first = await next_turn(session)
            async for message in session.receive():
                first.add(message)
                if first.handles:
                    break
        async with lab.connect(session_resumption={"handle": first.handles[0]}) as session:
            await session.send_realtime_input(text="Little time is left.")
            turn = await next_turn(session)

        assert first.resumable == [False, True]
        assert turn.clip == "time_warning"
        assert turn.tokens > first.tokens
        assert [record.resumed for record in lab.simulator.sessions] == [False, True]


async def test_a_strange_handle_is_refused() -> None:
    async with laboratory() as lab:
        with pytest.raises(errors.APIError) as caught:
            async with lab.connect(session_resumption={"handle": "strange"}):
                pass

        assert caught.value.code == 1008


async def test_the_context_is_billed_again_each_turn() -> None:
    async with laboratory() as lab, lab.connect() as session:
        tokens = []
        for _ in range(3):
            await say(session, "ask_ai")
            tokens.append((await next_turn(session)).tokens)

        assert tokens[2] - tokens[1] == pytest.approx(tokens[1] - tokens[0], abs=2)
        assert tokens[1] > tokens[0] * 1.8


async def test_nothing_is_left_running() -> None:
    before = asyncio.all_tasks()
    async with laboratory() as lab, lab.connect() as session:
        await say(session, "ask_courses")
        await until_audio(session)

    assert lab.simulator.open_sessions == 0
    assert asyncio.all_tasks() == before
