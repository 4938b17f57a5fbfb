"""What goes wrong with a Live session, as the unmodified google-genai SDK experiences it."""

import asyncio

import msgspec
import pytest
from google.genai import errors
from websockets.exceptions import InvalidStatus

from contract.simulator.live_lab import (
    Heard,
    declare,
    laboratory,
    next_turn,
    read_into,
    say,
    until_audio,
    until_calls,
)
from fwai.simulator.gemini.scenario import Fault, demo


async def test_a_voice_that_does_not_exist_is_refused_at_setup() -> None:
    voice = {"voice_config": {"prebuilt_voice_config": {"voice_name": "puck"}}}
    async with laboratory() as lab:
        with pytest.raises(errors.APIError, match="puck") as caught:
            async with lab.connect(speech_config=voice):
                pass

        assert caught.value.code == 1007


async def test_thinking_is_refused_by_the_38_model() -> None:
    async with laboratory() as lab:
        with pytest.raises(errors.APIError) as caught:
            async with lab.connect(thinking_config={"thinking_budget": 0}):
                pass

        assert caught.value.code == 1007


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_the_upgrade_can_be_refused(status: int) -> None:
    fault = Fault(kind="refuse", session=0, status=status)
    async with laboratory(demo().with_faults(fault)) as lab:
        with pytest.raises(InvalidStatus) as caught:
            async with lab.connect():
                pass
        async with lab.connect() as session:
            assert session.setup_complete is not None

        assert caught.value.response.status_code == status
        assert [record.refused for record in lab.simulator.sessions] == [status, None]


async def test_setup_can_hang() -> None:
    async with laboratory(demo().with_faults(Fault(kind="setup_hang"))) as lab:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), lab.connect():
                pass

        assert lab.simulator.sessions[0].setup is not None
        await lab.simulator.wait(lambda: lab.simulator.open_sessions == 0)


async def test_setup_can_be_closed() -> None:
    fault = Fault(kind="close", at="setup", code=1008, reason="no")
    async with laboratory(demo().with_faults(fault)) as lab:
        with pytest.raises(errors.APIError) as caught:
            async with lab.connect():
                pass

        assert (caught.value.code, caught.value.details) == (1008, "no")


async def test_handles_can_be_refused() -> None:
    fault = Fault(kind="refuse_handle", session=1, code=1007, reason="expired")
    async with laboratory(demo().with_faults(fault)) as lab:
        async with lab.connect() as session:
            await say(session, "ask_ai")
            await next_turn(session)
        await lab.simulator.wait(lambda: len(lab.simulator.sessions[0].handles) == 1)
        handle = lab.simulator.sessions[0].handles[0]
        with pytest.raises(errors.APIError) as caught:
            async with lab.connect(session_resumption={"handle": handle}):
                pass
        async with lab.connect(session_resumption={"handle": handle}):
            pass

        assert caught.value.code == 1007
        assert lab.simulator.sessions[2].resumed


async def test_go_away_is_announced_and_then_done() -> None:
    fault = Fault(kind="go_away", time_left_ms=200, turn=0, at="turn_end")
    async with laboratory(demo().with_faults(fault)) as lab, lab.connect() as session:
        await session.send_realtime_input(text="Greet the caller.")
        await next_turn(session)
        heard = Heard()
        with pytest.raises(errors.APIError) as caught:
            await read_into(heard, session)

        assert heard.time_left == "0.2s"
        assert len(heard.handles) == 1
        assert caught.value.code == 1011


@pytest.mark.parametrize(("kind", "code"), [("close", 1011), ("abort", 1006)])
async def test_the_connection_can_end_in_the_middle_of_a_reply(kind: str, code: int) -> None:
    fault = Fault(kind="close" if kind == "close" else "abort", at="audio", after_ms=1_000)
    async with laboratory(demo().with_faults(fault)) as lab, lab.connect() as session:
        heard = Heard()
        await session.send_realtime_input(text="Greet the caller.")
        with pytest.raises(errors.APIError) as caught:
            await read_into(heard, session)

        assert caught.value.code == code
        assert 1_000 <= len(heard.pcm) / 48 < 1_300
        assert lab.simulator.sessions[0].closed_by == "server"


async def test_the_connection_can_end_while_a_tool_runs() -> None:
    """What the client then owes is not held against it."""
    fault = Fault(kind="close", at="tool", code=1008, reason="Operation is not implemented")
    async with (
        laboratory(demo().with_faults(fault)) as lab,
        lab.connect(tools=declare("send_sms")) as session,
    ):
        await say(session, "ask_sms")
        await until_calls(session)
        with pytest.raises(errors.APIError) as caught:
            await next_turn(session)
        await lab.simulator.wait(lambda: lab.simulator.open_sessions == 0)

        assert caught.value.code == 1008
        assert lab.simulator.sessions[0].violations == []


async def test_a_turn_can_be_mute() -> None:
    async with (
        laboratory(demo().with_faults(Fault(kind="mute", turn=0))) as lab,
        lab.connect() as session,
    ):
        await say(session, "ask_ai")
        mute = await next_turn(session)
        await say(session, "ask_ai")
        spoken = await next_turn(session)

        assert mute.complete
        assert not mute.generated
        assert not mute.pcm
        assert spoken.clip == "ai_answer"


async def test_a_turn_can_be_too_quiet_to_hear() -> None:
    async with (
        laboratory(demo().with_faults(Fault(kind="near_silence"))) as lab,
        lab.connect() as session,
    ):
        await say(session, "ask_ai")
        turn = await next_turn(session)

        assert len(turn.pcm) > 48_000
        assert any(turn.pcm)
        assert turn.clip is None


async def test_a_turn_can_come_slower_than_real_time() -> None:
    fault = Fault(kind="slow", turn=0, speed=0.5)
    loop = asyncio.get_running_loop()
    async with laboratory(demo().with_faults(fault)) as lab, lab.connect() as session:
        await say(session, "ask_ai")
        await until_audio(session)
        started = loop.time()
        await next_turn(session)

        assert loop.time() - started > 1.7 * 1.842 / 16


async def test_an_interruption_can_come_from_nowhere_and_silence_follow() -> None:
    faults = (
        Fault(kind="phantom_interrupted", turn=0, at="audio", after_ms=500),
        Fault(kind="stall", turn=0, at="turn_end"),
    )
    async with laboratory(demo().with_faults(*faults)) as lab, lab.connect() as session:
        await session.send_realtime_input(text="Greet the caller.")
        cut = await next_turn(session)
        await say(session, "ask_ai")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await until_audio(session)

        assert cut.interrupted
        assert cut.pcm
        assert lab.simulator.sessions[0].heard == ["ask_ai"]


async def test_fields_of_tomorrow_do_no_harm() -> None:
    async with (
        laboratory(demo().with_faults(Fault(kind="unknown_fields"))) as lab,
        lab.connect() as session,
    ):
        await say(session, "ask_ai")
        turn = await next_turn(session)

        assert turn.clip == "ai_answer"


@pytest.mark.parametrize("kind", ["error_frame", "unknown_message"])
async def test_frames_the_sdk_does_not_know_break_its_turn_but_not_the_session(kind: str) -> None:
    fault = Fault(
        kind="error_frame" if kind == "error_frame" else "unknown_message", at="turn_start"
    )
    async with laboratory(demo().with_faults(fault)) as lab, lab.connect() as session:
        await say(session, "ask_ai")
        with pytest.raises(TypeError):
            await next_turn(session)
        turn = await next_turn(session)

        assert turn.clip == "ai_answer"


async def test_a_fault_can_be_struck_by_hand() -> None:
    async with laboratory() as lab, lab.connect() as session:
        lab.simulator.strike(Fault(kind="close", code=1000, reason=""))
        with pytest.raises(errors.APIError) as caught:
            await next_turn(session)

        assert caught.value.code == 1000


async def test_words_of_the_caller_can_come_after_the_reply_has_begun() -> None:
    scenario = msgspec.structs.replace(demo(), late_transcript=True)
    async with laboratory(scenario) as lab, lab.connect() as session:
        await say(session, "ask_ai")
        begun = await until_audio(session)
        turn = await next_turn(session)

        assert not begun.caller
        assert turn.caller == "Are you a real person?"
