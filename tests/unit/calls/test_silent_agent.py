"""A call whose agent owes an answer and gives none: what the caller hears, and what is done."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

import pytest

import virtual_time  # noqa: F401 - `run_with` and `carry` run on its clock
from fakes import CALL, HANG_UP, FakeAgent, FakeCaller
from fwai.audio.pcm import silence
from fwai.calls.answer_keeper import ASK
from fwai.calls.fallback import MESSAGE_S, PAUSE_S
from fwai.calls.limits import GREET, STAY, SessionLimits
from fwai.calls.sentence_clips import shipped_only
from fwai.calls.session import CallSession
from fwai.domain.call import Call, EndReason
from fwai.domain.events import (
    AgentAudio,
    AgentAway,
    AgentEvent,
    AgentLost,
    AgentReady,
    AgentSaid,
    CallerAudio,
    CallerRepeats,
    CallerSaid,
    DtmfPressed,
    GenerationEnded,
    Interrupted,
    ToolCall,
    TurnEnded,
)
from fwai.domain.sentence import Fallback, Sentence
from unit.calls.test_session import (
    SECOND,
    SILENCE_40_MS,
    SPEECH_40_MS,
    AgentScript,
    CallerScript,
    Outcome,
    answer,
    carry,
    reply,
    run_with,
)

MOMENT: Final = shipped_only().of(CALL.agent, Sentence.ONE_MOMENT)
APOLOGY: Final = shipped_only().of(CALL.agent, Sentence.APOLOGY)
SOON_S: Final = 5.0
LOOSE_S: Final = 0.3

GREETED: Final[AgentScript] = [*reply(0.5, 1, "Hello."), (0.6, TurnEnded())]  # heard until 1.5
TONE: Final = AgentAudio(b"\x00\x20\x00\xe0" * 12_000)
NEAR_SILENCE: Final = AgentAudio(silence(1000, 24_000))


def line(until: float, *speaks: tuple[float, float]) -> CallerScript:
    """The caller's line up to a hang-up, with speech from when to when."""

    def at(now: float) -> CallerAudio:
        return SPEECH_40_MS if any(a <= now < b for a, b in speaks) else SILENCE_40_MS

    times = [0.04 * n for n in range(round(until / 0.04))]
    return [*((now, at(now)) for now in times), (until, HANG_UP)]


def heard_from(call: Outcome, after: float = 0.0) -> float:
    """Return when the caller first hears anything after a moment, in seconds from the start."""
    return min(call.at(at) for at, _ in call.caller.played if call.at(at) >= after)


def asks(call: Outcome) -> list[float]:
    return [call.at(at) for at, text in call.agent.prompts if text == ASK]


def words(call: Outcome) -> list[str]:
    return [text for role, text in call.log.turns() if role == "agent"]


# ---- the ladder ------------------------------------------------------------


def test_an_agent_that_never_speaks_is_asked_renewed_begun_afresh_and_given_up() -> None:
    call = carry((), line(60.0))

    assert heard_from(call) <= SOON_S
    assert words(call)[0] == MOMENT.text
    assert words(call)[-1] == APOLOGY.text
    (asked,) = asks(call)
    (renewed, first), (begun, second) = call.agent.renewed
    assert (first, second) == (False, True)
    steps = [asked, call.at(renewed), call.at(begun)]
    assert asked <= SOON_S
    assert all(2.0 <= later - earlier <= 6.0 for earlier, later in pairwise(steps))
    assert call.reason is EndReason.AGENT_FAILED
    assert call.at(call.ended) < 30.0
    assert call.log.notes == [*["agent_silent"] * 4, "agent_down"]
    assert call.agent.closed


def test_an_agent_that_speaks_when_it_is_asked_again_keeps_the_call() -> None:
    call = carry(
        (), line(20.0), on_prompt=lambda text: answer(text) if text == ASK else (),
        limits=SessionLimits(quiet_s=1e6),
    )  # fmt: skip

    assert len(asks(call)) == 1
    assert call.agent.renewed == []
    assert call.reason is EndReason.CALLER_HUNG_UP


def test_a_caller_who_is_not_answered_is_told_so() -> None:
    script = [*GREETED, (4.2, CallerSaid("What does it cost?"))]

    call = carry(script, line(9.9, (3.0, 4.0)))

    assert 4.0 < heard_from(call, 2.0) <= 4.0 + SOON_S
    assert words(call)[1] == MOMENT.text
    assert len(asks(call)) == 1


def test_a_caller_who_speaks_on_is_not_spoken_into() -> None:
    call = carry(GREETED, line(12.0, (3.0, 11.9)))

    assert [at for at, _ in call.caller.played if call.at(at) > 2.0] == []


def test_a_slow_tool_is_bridged_and_the_agent_is_not_helped() -> None:
    script = [*GREETED, (2.0, ToolCall("t1", "lookup", {}))]

    call = carry(script, line(14.0), tools_take_s=13.0)

    assert 8.0 <= heard_from(call, 2.0) - 2.0 <= 10.0
    assert asks(call) == []
    assert call.agent.renewed == []


def test_a_tools_result_that_is_not_spoken_about_is_asked_for() -> None:
    script = [*GREETED, (2.0, ToolCall("t1", "lookup", {})), (3.2, TurnEnded())]

    call = carry(script, line(9.0), tools_take_s=1.0)

    assert len(asks(call)) == 1
    assert 3.0 < heard_from(call, 2.0) <= 3.0 + SOON_S


def test_a_turn_that_ends_while_a_tool_runs_is_no_empty_one() -> None:
    script = [*GREETED, (2.0, ToolCall("t1", "lookup", {})), (2.1, TurnEnded())]

    call = carry(script, line(6.0), tools_take_s=10.0)

    assert asks(call) == []


def test_an_empty_turn_is_asked_about_soon() -> None:
    call = carry([(1.0, TurnEnded())], line(4.0))

    (asked,) = asks(call)
    assert 1.0 < asked <= 3.0


def test_a_call_that_only_listens_has_nobody_who_owes_an_answer() -> None:
    listening = replace(CALL, listen_only=True)

    call = carry((), line(30.0), call=listening, limits=SessionLimits(quiet_s=1e6))

    assert call.caller.played == []
    assert asks(call) == []
    assert call.reason is EndReason.CALLER_HUNG_UP


def test_a_listener_that_is_lost_ends_the_call_without_a_word() -> None:
    listening = replace(CALL, listen_only=True)

    call = carry([(2.0, AgentLost("x"))], line(30.0), call=listening)

    assert call.caller.played == []
    assert call.reason is EndReason.AGENT_FAILED


# ---- what counts as an answer ------------------------------------------------------------


@pytest.mark.parametrize("sound", [NEAR_SILENCE, TONE], ids=["near-silence", "a steady tone"])
def test_sound_that_is_no_speech_is_no_answer(sound: AgentAudio) -> None:
    call = carry([(0.5 + second, sound) for second in range(8)], line(9.0))

    assert MOMENT.text in words(call)
    (asked,) = asks(call)
    assert asked <= SOON_S


@pytest.mark.parametrize("sound", [NEAR_SILENCE, TONE], ids=["near-silence", "a steady tone"])
def test_a_turn_of_it_is_an_empty_turn(sound: AgentAudio) -> None:
    call = carry([(1.0, sound), (1.0, GenerationEnded()), (1.0, TurnEnded())], line(5.0))

    (asked,) = asks(call)
    assert 1.0 < asked <= 3.0 + LOOSE_S


def test_text_without_a_sound_is_no_answer() -> None:
    call = carry([(1.0, AgentSaid("Hello.")), (1.1, GenerationEnded())], line(8.0))

    assert MOMENT.text in words(call)
    assert len(asks(call)) == 1


def test_a_short_word_is_an_answer_once_the_reply_is_over() -> None:
    yes = AgentAudio(SECOND.pcm[: 24_000 * 2 * 200 // 1000])

    call = carry([(1.0, yes), (1.0, GenerationEnded()), (1.1, TurnEnded())], line(12.0))

    assert asks(call) == []
    assert call.agent.renewed == []


def test_words_that_come_well_before_their_sound_stay_with_it() -> None:
    late: AgentScript = [
        (2.9, AgentSaid("It costs five.")),
        (3.6, SECOND),
        (3.7, GenerationEnded()),
    ]

    call = carry([*GREETED, *late, (3.8, TurnEnded())], line(9.0, (2.0, 2.5)))

    assert words(call) == ["Hello.", "It costs five."]


def test_a_caller_who_speaks_too_quietly_to_be_heard_here_is_answered() -> None:
    call = carry([*GREETED, (9.0, CallerSaid("What does it cost?"))], line(16.0))

    assert heard_from(call, 2.0) <= 9.0 + SOON_S
    assert 12.0 <= asks(call)[0] <= 13.0


# ---- interruptions ------------------------------------------------------------


def test_an_interruption_by_nobody_leaves_the_rest_owed() -> None:
    call = carry([*reply(0.5, 6), (2.0, Interrupted()), (2.0, TurnEnded())], line(9.0))

    assert [call.at(at) for at in call.caller.cleared_at] == [2.0]
    assert len(asks(call)) == 1
    assert 2.0 < heard_from(call, 2.1) <= 2.0 + SOON_S


def test_an_interruption_by_the_caller_leaves_nothing_owed_at_once() -> None:
    script = [*reply(0.5, 6), (2.0, Interrupted()), (2.0, TurnEnded())]

    call = carry(script, line(5.0, (1.5, 2.1)))

    assert asks(call) == []


def test_a_caller_cuts_speech_that_outlived_its_connection() -> None:
    script = [*reply(0.5, 8), (0.6, TurnEnded()), (1.0, AgentAway("x")), (1.5, AgentReady())]

    call = carry(script, line(6.0, (3.0, 4.0)))

    (cleared,) = [call.at(at) for at in call.caller.cleared_at]
    assert 3.2 <= cleared <= 3.6
    assert call.caller.heard_ms == pytest.approx((cleared - 0.5) * 1000, abs=50)


def test_a_cough_does_not_cut_it() -> None:
    script = [*reply(0.5, 8), (0.6, TurnEnded()), (1.0, AgentAway("x")), (1.5, AgentReady())]

    call = carry(script, line(9.0, (3.0, 3.08), (3.6, 3.68), (4.2, 4.28)))

    assert call.caller.cleared_at == []


def test_speech_of_a_connection_that_serves_is_cut_by_the_service_alone() -> None:
    call = carry([*reply(0.5, 8), (0.6, TurnEnded())], line(9.0, (3.0, 4.0)))

    assert call.caller.cleared_at == []


def test_a_caller_cuts_a_sentence_of_ours() -> None:
    call = carry((), line(6.0, (4.4, 5.4)))

    (cleared,) = [call.at(at) for at in call.caller.cleared_at]
    assert 4.5 <= cleared <= 5.0


# ---- a connection that is gone ------------------------------------------------------------


@pytest.mark.parametrize("away_s", [1.0, 1.37, 2.9])
def test_a_caller_who_waits_hears_something_soon_after_the_connection_is_gone(
    away_s: float,
) -> None:
    call = carry([(away_s, AgentAway("x"))], line(6.0))

    assert heard_from(call) == pytest.approx(away_s + 1.5, abs=LOOSE_S)
    assert words(call)[0] == MOMENT.text
    assert asks(call) == []


def test_a_connection_that_is_back_in_time_costs_no_word() -> None:
    script = [*GREETED, (3.0, AgentAway("x")), (4.0, AgentReady(resumed=True))]

    call = carry([*script, *reply(5.0, 1), (5.1, TurnEnded())], line(9.0, (2.5, 3.5)))

    assert MOMENT.text not in words(call)
    assert "agent_reconnected" in call.log.notes


def test_a_reply_that_came_in_part_is_owed() -> None:
    script: list[tuple[float, AgentEvent]] = [(0.5, SECOND), (1.0, AgentAway("x"))]

    call = carry(script, line(6.0))

    assert heard_from(call, 1.6) == pytest.approx(3.0, abs=LOOSE_S)


def test_nothing_is_said_for_a_connection_that_nobody_waits_for() -> None:
    call = carry([*GREETED, (3.0, AgentAway("x"))], line(12.0))

    assert words(call) == ["Hello."]


def test_what_the_caller_says_again_is_kept_once() -> None:
    script = [
        *GREETED,
        (3.6, CallerSaid("What does it")),
        (3.7, AgentAway("x")),
        (4.0, AgentReady(resumed=True)),
        (4.0, CallerRepeats()),
        (4.3, CallerSaid("What does it cost?")),
        *reply(4.5, 1, "A hundred."),
    ]

    call = carry(script, line(9.0, (3.0, 3.8)))

    assert call.log.turns() == [
        ("agent", "Hello."), ("caller", "What does it cost?"), ("agent", "A hundred."),
    ]  # fmt: skip


# ---- the caller's line ------------------------------------------------------------


def test_the_model_hears_silence_where_the_line_brings_nothing() -> None:
    """It waits for silence before it answers, and a muted line brings none."""
    speech = [(1.0 + 0.04 * n, SPEECH_40_MS) for n in range(25)]  # to 2.0

    call = carry((), [*speech, (12.0, HANG_UP)], on_prompt=answer)

    seconds = len(call.agent.heard) / 32_000
    assert 9.0 <= seconds <= 12.1
    assert call.agent.speech_heard <= 25
    assert not any(call.agent.heard[-32_000:])


def test_a_line_that_brings_audio_is_not_filled() -> None:
    call = carry((), line(10.0), on_prompt=answer)

    assert len(call.agent.heard) / 32_000 == pytest.approx(10.0, abs=0.1)


# ---- giving up ------------------------------------------------------------


@dataclass
class Actions:
    what: Fallback
    kept: list[bytes] = field(default_factory=list)
    transfers: int = 0

    def kind(self, call: Call) -> Fallback:
        return self.what

    async def transfer(self, call: Call) -> bool:
        self.transfers += 1
        return True

    async def keep_message(self, call: Call, pcm: bytes, sample_rate: int) -> bool:
        self.kept.append(pcm)
        return True


LOST: Final[Sequence[tuple[float, AgentEvent]]] = [*GREETED, (2.0, AgentLost("x"))]


def test_a_lost_agents_caller_is_handed_to_a_person() -> None:
    actions = Actions(Fallback.TRANSFER)

    call = carry(LOST, line(60.0), fallback=actions)

    assert actions.transfers == 1
    assert call.reason is EndReason.TRANSFERRED
    assert call.carrier_hung_up_at == []
    assert words(call)[-1] == shipped_only().of(CALL.agent, Sentence.CONNECTING).text


def test_a_lost_agents_caller_leaves_a_message() -> None:
    actions = Actions(Fallback.VOICEMAIL)

    call = carry(LOST, line(60.0, (9.0, 12.0)), fallback=actions)

    (pcm,) = actions.kept
    assert 3.0 + PAUSE_S - LOOSE_S <= len(pcm) / 16_000 < MESSAGE_S
    assert call.reason is EndReason.AGENT_FAILED
    assert words(call)[-1] == shipped_only().of(CALL.agent, Sentence.MESSAGE_KEPT).text


def test_a_caller_who_hangs_up_while_they_are_thanked_ends_the_call_at_once() -> None:
    actions = Actions(Fallback.VOICEMAIL)

    call = carry(LOST, line(16.4, (9.0, 12.0)), fallback=actions)

    assert len(actions.kept) == 1
    assert words(call)[-1] != APOLOGY.text
    assert call.at(call.ended) == pytest.approx(16.4, abs=0.05)


def test_a_message_is_kept_of_a_caller_who_hangs_up_in_the_middle_of_it() -> None:
    actions = Actions(Fallback.VOICEMAIL)

    call = carry(LOST, line(12.0, (9.0, 12.0)), fallback=actions)

    assert len(actions.kept) == 1
    assert call.reason is EndReason.CALLER_HUNG_UP
    assert call.carrier_hung_up_at == []


def test_a_caller_who_hangs_up_before_the_tone_ends_the_call_at_once() -> None:
    actions = Actions(Fallback.VOICEMAIL)

    call = carry(LOST, line(3.0), fallback=actions)

    assert actions.kept == []
    assert call.at(call.ended) == pytest.approx(3.0, abs=0.05)


def test_an_agent_is_lost_once() -> None:
    actions = Actions(Fallback.TRANSFER)

    carry([*LOST, (2.5, AgentLost("y"))], line(60.0), fallback=actions)

    assert actions.transfers == 1


# ---- a goodbye ------------------------------------------------------------

END: Final = ToolCall("t1", "end_call", {})


@pytest.mark.parametrize(
    ("script", "heard_ms", "ends_s"),
    [
        pytest.param([(2.5, AgentLost())], 1000, 2.6, id="before it"),
        pytest.param([(3.0, SECOND), (3.2, AgentLost())], 2000, 4.0, id="in it"),
        pytest.param([*reply(3.0, 2), (3.2, AgentLost())], 3000, 5.0, id="after it"),
        pytest.param([(3.0, SECOND)], 2000, 4.0, id="its end is never told"),
    ],
)
def test_a_goodbye_ends_the_call_whatever_becomes_of_the_agent(
    script: AgentScript, heard_ms: float, ends_s: float
) -> None:
    actions = Actions(Fallback.TRANSFER)

    call = carry([*GREETED, (2.0, END), *script], line(60.0), fallback=actions)

    assert call.reason is EndReason.AGENT_HUNG_UP
    assert call.caller.heard_ms == pytest.approx(heard_ms, abs=30)
    assert ends_s - 0.1 <= call.at(call.ended) <= ends_s + 1.0
    assert actions.transfers == 0


def test_a_goodbye_that_a_cough_cut_can_be_said_again() -> None:
    cut: AgentScript = [(3.0, SECOND), (3.0, SECOND), (3.3, Interrupted()), (3.4, TurnEnded())]
    again: AgentScript = [(5.0, SECOND), (5.1, ToolCall("t2", "end_call", {})), (5.2, TurnEnded())]

    call = carry([*GREETED, (2.0, END), *cut, *again], line(60.0, (3.0, 3.3)))

    assert call.tools.started == ["t1", "t2"]
    assert call.reason is EndReason.AGENT_HUNG_UP
    assert call.at(call.ended) < 8.0


def test_what_a_key_asks_for_once_more_is_done_once_more() -> None:
    asked = [(at, ToolCall(f"t{at}", "resend", {})) for at in (3.0, 9.0)]
    keys = [(at, DtmfPressed("1")) for at in (2.0, 8.0)]

    call = carry([*GREETED, *asked], [*line(11.0), *keys])

    assert len(call.tools.started) == 2


def test_a_message_for_a_machine_that_is_spoken_into_begins_again() -> None:
    async def act(session: CallSession, caller: FakeCaller, agent: FakeAgent) -> None:
        await asyncio.sleep(2)
        session.leave_message()
        await asyncio.sleep(1)  # in the middle of it
        agent.say(Interrupted())
        agent.say(TurnEnded())
        await asyncio.sleep(1)
        agent.say(SECOND)
        agent.say(GenerationEnded())

    reason, agent, hung_up = run_with(act, lambda _: reply(0.5, 2))

    assert reason is EndReason.VOICEMAIL
    assert len(hung_up) == 1
    assert len(agent.prompts) == 2, "it says the message, and again, without being asked"


def test_nothing_of_ours_is_left_with_a_machine() -> None:
    played: list[FakeCaller] = []

    async def act(session: CallSession, caller: FakeCaller, agent: FakeAgent) -> None:
        await asyncio.sleep(2)
        session.leave_message()
        await asyncio.sleep(20)
        played.append(caller)

    reason, agent, _ = run_with(act, lambda text: answer(text) if text == GREET else ())

    assert reason is EndReason.VOICEMAIL
    assert agent.prompts[-1][1] == ASK
    assert played[0].heard_ms == pytest.approx(1000, abs=1)


def test_a_machine_whose_agent_is_lost_before_the_message_is_hung_up() -> None:
    async def act(session: CallSession, caller: FakeCaller, agent: FakeAgent) -> None:
        await asyncio.sleep(2)
        session.leave_message()
        await asyncio.sleep(1)
        agent.say(AgentLost("x"))

    reason, _, hung_up = run_with(act)

    assert reason is EndReason.VOICEMAIL
    assert len(hung_up) == 1


def test_an_agent_that_is_lost_after_the_call_ended_changes_nothing() -> None:
    async def act(session: CallSession, caller: FakeCaller, agent: FakeAgent) -> None:
        await asyncio.sleep(2)
        session.hang_up(EndReason.OPERATOR)
        agent.say(AgentLost("x"))

    reason, _, _ = run_with(act)

    assert reason is EndReason.OPERATOR


def test_a_transfer_that_fails_after_its_agent_was_lost_ends_the_call() -> None:
    async def act(session: CallSession, caller: FakeCaller, agent: FakeAgent) -> None:
        async def hand_over() -> bool:
            await asyncio.sleep(3)
            return False

        await asyncio.sleep(2)
        session.finish(EndReason.TRANSFERRED, hand_over)
        await asyncio.sleep(7)
        agent.say(AgentLost("x"))

    reason, agent, _ = run_with(act, lambda text: answer(text) if text == GREET else ())

    assert reason is EndReason.AGENT_FAILED
    assert STAY not in [text for _, text in agent.prompts]


def test_a_goodbye_whose_last_step_breaks_is_none() -> None:
    async def act(session: CallSession, caller: FakeCaller, agent: FakeAgent) -> None:
        async def hand_over() -> bool:
            raise OSError("no such line")

        session.finish(EndReason.TRANSFERRED, hand_over)
        await asyncio.sleep(10)
        assert STAY in [text for _, text in agent.prompts]

    reason, _, _ = run_with(act, answer)

    assert reason is EndReason.CALLER_HUNG_UP


def test_a_call_that_is_only_listened_to_ends_by_silence_all_the_same() -> None:
    listening = replace(CALL, listen_only=True)
    line_noise = [(0.5 * n, CallerAudio(silence(500, 8000))) for n in range(400)]

    call = carry((), line_noise, call=listening, limits=SessionLimits(quiet_s=20, nudges=2))

    assert call.reason is EndReason.SILENCE
    assert 60.0 <= call.at(call.ended) < 90.0
