"""One call from stream to end, on a clock that jumps: what the caller hears and what is kept."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

import pytest

import virtual_time
from fakes import CALL, HANG_UP, FakeAgent, FakeCaller, FakeLog, FakeTools
from fwai.audio.pcm import silence
from fwai.calls.fallback import APOLOGY_ONLY
from fwai.calls.limits import GREET, NEARLY_OVER, STAY, STILL_THERE, SessionLimits
from fwai.calls.pacer import Pacer
from fwai.calls.sentence_clips import shipped_only
from fwai.calls.session import CallSession
from fwai.calls.transcript_writer import TranscriptWriter
from fwai.domain.call import Call, EndReason
from fwai.domain.events import (
    AgentAudio,
    AgentAway,
    AgentEvent,
    AgentLost,
    AgentReady,
    AgentSaid,
    CallerAudio,
    CallerEvent,
    CallerHungUp,
    CallerSaid,
    DtmfPressed,
    GenerationEnded,
    Interrupted,
    TokensUsed,
    ToolCall,
    ToolsCancelled,
    TurnEnded,
)
from fwai.domain.sentence import Sentence
from fwai.interfaces.calls import CallFallback

# As loud as speech, and as uneven: a steady tone would not count as speech.
SECOND = AgentAudio(b"".join((b"\x00\x20" * 480, b"\x00\x08" * 480)[at % 2] for at in range(50)))
SPEECH_40_MS = CallerAudio(b"\x00\x20\x00\xe0" * 160)
SILENCE_40_MS = CallerAudio(silence(40, 8000))

AgentScript = Sequence[tuple[float, AgentEvent]]
CallerScript = Sequence[tuple[float, CallerEvent]]


@dataclass
class Outcome:
    reason: EndReason
    caller: FakeCaller
    agent: FakeAgent
    tools: FakeTools
    log: FakeLog
    session: CallSession
    carrier_hung_up_at: list[float]
    started: float
    ended: float

    def at(self, absolute: float) -> float:
        return round(absolute - self.started, 3)


def carry(
    agent_script: AgentScript = (),
    caller_script: CallerScript = ((5.0, HANG_UP),),
    *,
    tools_take_s: float = 0.0,
    receipts: bool | None = True,
    limits: SessionLimits | None = None,
    on_prompt: Callable[[str], AgentScript] | None = None,
    provider_limit_s: float | None = None,
    fallback: CallFallback = APOLOGY_ONLY,
    call: Call = CALL,
) -> Outcome:
    async def main() -> Outcome:
        loop = asyncio.get_running_loop()
        caller = FakeCaller(caller_script, receipts=receipts, max_call_s=provider_limit_s)
        agent = FakeAgent(agent_script, on_prompt)
        tools, log = FakeTools(tools_take_s), FakeLog()
        hung_up: list[float] = []

        async def hang_up() -> None:
            hung_up.append(loop.time())

        session = CallSession(
            call,
            caller,
            agent,
            tools,
            TranscriptWriter(log),
            Pacer(),
            limits or SessionLimits(),
            hang_up,
            fallback=fallback,
        )
        started = loop.time()
        reason = await session.run()
        return Outcome(reason, caller, agent, tools, log, session, hung_up, started, loop.time())

    return virtual_time.run(main())


def reply(at: float, seconds: int, text: str = "") -> list[tuple[float, AgentEvent]]:
    """A reply that arrives in a burst, as the model's do."""
    events: list[tuple[float, AgentEvent]] = [(at, SECOND)] * seconds
    if text:
        events.insert(1, (at, AgentSaid(text)))
    return [*events, (at, GenerationEnded())]


def answer(_: str) -> AgentScript:
    """Answer a prompt as a model does."""
    return [*reply(0.5, 1), (0.6, TurnEnded())]


# ---- speech ------------------------------------------------------------


def test_greets_as_soon_as_the_stream_is_open() -> None:
    call = carry()

    assert [(call.at(at), text) for at, text in call.agent.prompts][:1] == [(0.0, GREET)]


def test_first_audio_of_a_reply_is_played_in_the_moment_it_arrives() -> None:
    call = carry(reply(1.0, 2))

    assert call.at(call.caller.played[0][0]) == 1.0


def test_a_reply_is_paced_a_short_lead_ahead_and_heard_whole_without_a_gap() -> None:
    call = carry(reply(0.0, 4), [(6.0, HANG_UP)])

    plays_until = 0.0
    for at, pcm in call.caller.played:
        now = call.at(at)
        assert plays_until == 0.0 or now <= plays_until, "the carrier ran dry"
        plays_until = max(plays_until, now) + len(pcm) / 16_000
        assert plays_until - now <= 0.201
    assert round(call.caller.heard_ms) == 4000


def test_the_leg_is_told_once_when_the_last_of_a_reply_was_handed_over() -> None:
    call = carry(reply(0.0, 3))

    assert call.caller.flushed_after == [len(call.caller.played)]


def test_a_reply_that_pauses_is_heard_up_to_its_pause() -> None:
    call = carry([(0.0, SECOND), (2.2, SECOND), (2.2, GenerationEnded())], [(5.0, HANG_UP)])

    before = [at for at, _ in call.caller.played if call.at(at) < 2.0]
    assert call.caller.flushed_after == [len(before), len(call.caller.played)]


def test_times_of_replies_are_bounded_however_long_a_call_lasts() -> None:
    short = AgentAudio(SECOND.pcm[:4_800])
    replies = 2_500
    script: list[tuple[float, AgentEvent]] = []
    for number in range(replies):
        at = number / 10
        script += [(at, short), (at, GenerationEnded()), (at, TurnEnded())]
    quiet = SessionLimits(max_call_s=1e6, dead_s=1e6, quiet_s=1e6)

    call = carry(script, [(replies / 10 + 1, HANG_UP)], limits=quiet)

    assert call.session.replies.begun == replies
    assert 1_000 <= len(call.session.replies.turns) < replies


def test_barge_in_stops_speech_here_and_at_the_carrier_in_the_same_moment() -> None:
    call = carry([*reply(0.0, 4), (1.5, Interrupted()), (1.5, TurnEnded())])

    assert [call.at(at) for at in call.caller.cleared_at] == [1.5]
    assert max(call.at(at) for at, _ in call.caller.played) <= 1.5
    assert round(call.caller.heard_ms) == 1500


def test_late_audio_of_an_interrupted_reply_is_dropped() -> None:
    call = carry(
        [*reply(0.0, 1), (0.5, Interrupted()), (0.6, SECOND), (0.7, TurnEnded())],
        [(3.0, HANG_UP)],
    )

    assert round(call.caller.heard_ms) == 500


def test_the_answer_to_an_interruption_is_heard_even_if_the_old_turn_never_ends() -> None:
    call = carry([*reply(0.0, 2), (0.5, Interrupted()), *reply(1.2, 1)])

    assert round(call.caller.heard_ms) == 1500


def test_nothing_of_an_interrupted_reply_is_heard_in_the_next_one() -> None:
    loud, quiet = AgentAudio(b"\x00\x70" * 24_000), AgentAudio(silence(1000, 24_000))
    cut: AgentScript = [(0.0, loud), (0.5, Interrupted()), (0.5, TurnEnded())]

    call = carry([*cut, (1.5, quiet), (1.5, GenerationEnded())], [(3.0, HANG_UP)])

    after = b"".join(pcm for at, pcm in call.caller.played if call.at(at) > 1.0)
    assert len(after) == 16_000
    assert not any(after)


def test_interruption_with_nothing_to_take_back_does_not_clear() -> None:
    call = carry([(1.0, Interrupted())])

    assert call.caller.cleared_at == []


def test_odd_and_empty_audio_from_the_model_does_no_harm() -> None:
    call = carry([(0.0, AgentAudio(b"")), (0.0, AgentAudio(b"\x01\x02\x03")), *reply(0.1, 1)])

    assert call.reason is EndReason.CALLER_HUNG_UP
    assert 999 <= call.caller.heard_ms <= 1001


def test_caller_audio_reaches_the_model_at_16_khz_with_none_lost() -> None:
    call = carry((), [(0.04 * n, SPEECH_40_MS) for n in range(50)] + [(2.5, HANG_UP)])

    held_by_resampler = 2 * 32  # at most 2 ms
    assert 50 * 1280 - held_by_resampler <= len(call.agent.heard) <= 50 * 1280
    assert call.agent.speech_heard > 40


# ---- ends ------------------------------------------------------------


def test_caller_hang_up_ends_the_call_without_hanging_up_again() -> None:
    call = carry(reply(0.0, 9), [(1.0, HANG_UP), (1.0, HANG_UP)])

    assert call.reason is EndReason.CALLER_HUNG_UP
    assert call.carrier_hung_up_at == []
    assert call.agent.closed
    assert call.at(call.ended) == 1.0


@pytest.mark.parametrize(
    ("event", "reason"),
    [(CallerHungUp(failed=True), EndReason.STREAM_FAILED), (HANG_UP, EndReason.CALLER_HUNG_UP)],
)
def test_reason_tells_a_broken_stream_from_a_hang_up(
    event: CallerHungUp, reason: EndReason
) -> None:
    assert carry((), [(1.0, event)]).reason is reason


def test_a_lost_model_ends_with_an_apology_that_is_heard_whole() -> None:
    call = carry([*reply(0.0, 1), (2.0, AgentLost())], [(60.0, HANG_UP)])
    apology = shipped_only().of(CALL.agent, Sentence.APOLOGY)

    assert call.reason is EndReason.AGENT_FAILED
    assert len(call.carrier_hung_up_at) == 1
    assert call.log.turns()[-1] == ("agent", apology.text)
    heard_at = 2.0 + len(apology.pcm) / 48_000
    assert heard_at - 0.01 <= call.at(call.carrier_hung_up_at[0]) <= heard_at + 1.0
    assert call.agent.closed


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ([(1.0, AgentAway("the key is refused"))], "the key is refused"),
        ([(1.0, AgentAway("a")), (2.0, AgentAway("b"))], "b"),
        ([(1.0, AgentAway("a")), (2.0, AgentReady(resumed=True))], ""),
        ([(1.0, AgentAway("a")), (2.0, AgentReady()), (3.0, AgentLost("c"))], "c"),
        ([(1.0, AgentAway("a")), (2.0, AgentLost())], "a"),
        ([(1.0, AgentLost("c"))], "c"),
        ([], ""),
    ],
)
def test_why_the_agent_is_away_is_known_at_the_end(script: AgentScript, cause: str) -> None:
    assert carry(script).session.replies.away_cause == cause


def test_end_call_lets_the_goodbye_be_heard_and_waits_for_the_receipt() -> None:
    script = [*reply(0.0, 3), (0.1, ToolCall("t1", "end_call", {}))]

    call = carry(script, ())

    assert call.reason is EndReason.AGENT_HUNG_UP
    assert round(call.caller.heard_ms) == 3000
    assert call.caller.marks == ["end-1"]
    assert 3.0 <= call.at(call.carrier_hung_up_at[0]) < 3.1


@pytest.mark.parametrize(("receipts", "ends_s"), [(False, 5.0), (None, 3.0)])
def test_a_timer_stands_in_for_a_receipt_that_never_comes(
    receipts: bool | None, ends_s: float
) -> None:
    script = [*reply(0.0, 3), (0.1, ToolCall("t1", "end_call", {}))]

    call = carry(script, (), receipts=receipts)

    assert ends_s <= call.at(call.carrier_hung_up_at[0]) < ends_s + 0.2


def test_end_call_before_the_goodbye_waits_for_it() -> None:
    script = [(0.5, ToolCall("t1", "end_call", {})), *reply(1.5, 2)]

    call = carry(script, ())

    assert round(call.caller.heard_ms) == 2000
    assert 3.5 <= call.at(call.carrier_hung_up_at[0]) < 3.7


def test_end_call_without_any_goodbye_still_ends() -> None:
    call = carry([(0.5, ToolCall("t1", "end_call", {}))], ())

    assert call.reason is EndReason.AGENT_HUNG_UP
    assert call.at(call.ended) < 10.0


def test_an_agent_that_never_stops_talking_is_hung_up_all_the_same() -> None:
    talk: AgentScript = [(float(second), SECOND) for second in range(300)]

    script = [*talk, (1.5, ToolCall("t1", "end_call", {}))]
    call = carry(script, ((300.0, HANG_UP),), limits=SessionLimits(dead_s=1e6))

    assert call.reason is EndReason.AGENT_HUNG_UP
    assert call.at(call.carrier_hung_up_at[0]) < 60.0


def test_caller_who_interrupts_the_goodbye_keeps_the_call() -> None:
    script: AgentScript = [
        *reply(0.0, 5),
        (0.1, ToolCall("t1", "end_call", {})),
        (2.0, Interrupted()),
    ]

    call = carry(script, [(9.0, HANG_UP)])

    assert call.reason is EndReason.CALLER_HUNG_UP
    assert call.carrier_hung_up_at == []


def test_agent_is_warned_half_a_minute_before_the_time_limit() -> None:
    talk = [(float(n), SPEECH_40_MS) for n in range(0, 200, 5)]

    call = carry((), talk, limits=SessionLimits(max_call_s=120), on_prompt=answer)

    assert call.reason is EndReason.TIME_LIMIT
    assert [call.at(at) for at, text in call.agent.prompts if text == NEARLY_OVER] == [90.0]
    assert call.at(call.ended) == 120.0


def test_a_stream_that_brings_no_audio_at_all_is_broken() -> None:
    call = carry(reply(0.0, 1), [(1.0, SILENCE_40_MS)], limits=SessionLimits(dead_s=15))

    assert call.reason is EndReason.STREAM_FAILED
    assert 15.0 <= call.at(call.ended) <= 18.0


def test_the_providers_own_limit_counts_when_it_is_shorter() -> None:
    talk = [(float(n), SPEECH_40_MS) for n in range(0, 200, 5)]

    call = carry((), talk, provider_limit_s=60, on_prompt=answer)

    assert call.at(call.ended) == 60.0


def test_a_fault_in_handling_an_event_ends_only_this_call() -> None:
    class Broken(FakeTools):
        pass

    call = carry([(1.0, AgentAudio("not bytes"))])  # type: ignore[arg-type]

    assert call.reason is EndReason.INTERNAL_ERROR
    assert len(call.carrier_hung_up_at) == 1


# ---- silence ------------------------------------------------------------


def test_silence_is_asked_about_twice_and_then_the_call_ends_politely() -> None:
    line_noise = [(0.04 * n, SILENCE_40_MS) for n in range(4000)]

    call = carry(
        (),
        line_noise,
        on_prompt=lambda text: reply(0.5, 1),
        limits=SessionLimits(quiet_s=20, nudges=2),
    )

    assert call.reason is EndReason.SILENCE
    assert [text for _, text in call.agent.prompts].count(STILL_THERE) == 2
    assert 60.0 < call.at(call.ended) < 75.0


def test_silence_is_not_counted_while_the_agent_speaks_or_a_tool_runs() -> None:
    long_reply = reply(0.0, 40)
    line_noise = [(float(n), SILENCE_40_MS) for n in range(64)]

    call = carry(
        [*long_reply, (41.0, ToolCall("t1", "lookup", {}))],
        [*line_noise, (64.0, HANG_UP)],
        tools_take_s=22.0,
        limits=SessionLimits(quiet_s=6),  # less than until the first sentence of ours
    )

    assert [text for _, text in call.agent.prompts] == [GREET]


# ---- tools ------------------------------------------------------------


def test_parallel_tools_run_at_once_and_each_is_answered_once() -> None:
    calls = [(0.0, ToolCall(f"t{n}", "lookup", {"number": n})) for n in range(3)]

    call = carry([*calls, calls[0]], tools_take_s=2.0)

    assert sorted(result.id for result in call.agent.results) == ["t0", "t1", "t2"]
    assert call.tools.started == ["t0", "t1", "t2"]


def test_speech_goes_on_while_a_tool_runs() -> None:
    call = carry([(0.0, ToolCall("t1", "lookup", {})), *reply(0.5, 1)], tools_take_s=4.0)

    assert round(call.caller.heard_ms) == 1000


def test_a_cancelled_tool_is_stopped_and_not_answered() -> None:
    script: AgentScript = [
        (0.0, ToolCall("t1", "lookup", {})),
        (1.0, ToolsCancelled(("t1", "unknown"))),
    ]

    call = carry(script, tools_take_s=3.0)

    assert call.tools.finished == []
    assert call.agent.results == []
    assert call.reason is EndReason.CALLER_HUNG_UP


def test_a_tool_that_was_begun_finishes_after_the_caller_hung_up() -> None:
    call = carry([(0.0, ToolCall("t1", "send_sms", {}))], [(1.0, HANG_UP)], tools_take_s=3.0)

    assert call.tools.finished == ["t1"]
    assert call.agent.results == []
    assert call.at(call.caller.closed_at or 0.0) == 1.0
    assert call.log.tools == [("send_sms", True)]


def test_uses_are_limited_per_call() -> None:
    call = carry()

    assert [call.session.allow("sms", 2) for _ in range(3)] == [True, True, False]


# ---- what is kept ------------------------------------------------------------


def test_transcript_keeps_the_order_of_the_conversation() -> None:
    script = [
        *reply(0.0, 1, "Hello there."),
        (0.0, TurnEnded()),
        (2.5, CallerSaid("What does")),
        (2.6, CallerSaid(" it cost?")),
        *reply(3.0, 2, "It costs a hundred."),
        (3.0, TurnEnded()),
    ]

    call = carry(script, [(2.0, SPEECH_40_MS), (2.1, SPEECH_40_MS), (6.0, HANG_UP)])

    assert call.log.turns() == [
        ("agent", "Hello there."),
        ("caller", "What does it cost?"),
        ("agent", "It costs a hundred."),
    ]


def test_transcript_of_an_interrupted_reply_ends_where_it_was_heard() -> None:
    words = "one two three four five six seven eight nine ten"

    call = carry([*reply(0.0, 10, words), (4.0, Interrupted())])

    ((role, text),) = call.log.turns()
    assert role == "agent"
    assert words.startswith(text)
    assert text.split()[-1] in ("three", "four")
    assert len(call.log.cut) == 1


def test_text_that_comes_after_the_sound_belongs_to_the_same_reply() -> None:
    script = [*reply(0.0, 2, "First half"), (1.0, AgentSaid(" second half.")), (3.0, TurnEnded())]

    call = carry(script)

    assert call.log.turns() == [("agent", "First half second half.")]


def test_text_of_an_interrupted_reply_that_comes_late_was_never_heard() -> None:
    script = [*reply(0.0, 4, "one two"), (0.1, Interrupted()), (0.2, AgentSaid(" three four"))]

    call = carry([*script, (0.3, TurnEnded())])

    assert "three" not in str(call.log.turns())


def test_text_without_any_sound_is_not_kept_as_heard() -> None:
    call = carry(
        [(0.0, AgentSaid("Never spoken.")), (0.1, GenerationEnded()), (0.2, TurnEnded())],
        [(1.5, HANG_UP)],
    )

    assert call.log.turns() == []


def test_a_quiet_callers_words_after_the_turn_come_after_it() -> None:
    script = [*reply(0.0, 1, "Hello."), (1.0, TurnEnded()), (3.0, CallerSaid("Yes."))]

    call = carry(script)

    assert call.log.turns() == [("agent", "Hello."), ("caller", "Yes.")]


def test_words_that_were_heard_are_kept_within_a_second() -> None:
    """After 3 s of a long reply the log has its first words, though the reply is not over."""
    words = " ".join(f"word{n}" for n in range(100))
    seen: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        caller = FakeCaller([(6.0, HANG_UP)])
        log = FakeLog()

        async def hang_up() -> None: ...

        session = CallSession(
            CALL, caller, FakeAgent(reply(0.0, 20, words)), FakeTools(), TranscriptWriter(log),
            Pacer(), SessionLimits(), hang_up,
        )  # fmt: skip
        loop.call_later(3.1, lambda: seen.append(len(log.turns()[0][1])))
        await session.run()

    virtual_time.run(main())

    assert seen[0] > 0.1 * len(words)


def test_usage_is_summed_over_turns() -> None:
    script = [(0.1, TokensUsed({"prompt": 10})), (0.2, TokensUsed({"prompt": 25, "response": 5}))]

    call = carry(script)

    assert call.session.tokens == {"prompt": 35, "response": 5}


def test_a_reconnect_is_noted_and_does_not_greet_again() -> None:
    call = carry([(0.0, AgentReady()), (2.0, AgentReady(resumed=True))])

    assert call.log.notes == ["agent_reconnected"]
    assert [text for _, text in call.agent.prompts] == [GREET]


def test_keys_reach_the_model_as_words_and_never_the_log() -> None:
    keys = [(1.0, DtmfPressed("4")), (1.3, DtmfPressed("2"))]

    call = carry((), [*keys, (6.0, HANG_UP)])

    assert "The caller pressed these keys: 4 2." in [text for _, text in call.agent.prompts]
    assert call.log.notes == ["keys_pressed"]


def test_latency_is_measured_from_the_end_of_speech_to_the_first_sound() -> None:
    talk = [(1 + 0.04 * n, SPEECH_40_MS) for n in range(1, 26)]
    quiet = [(1 + 0.04 * n, SILENCE_40_MS) for n in range(26, 60)]

    call = carry([*reply(0.0, 1), *reply(3.0, 1)], [*talk, *quiet, (5.0, HANG_UP)])

    (turn,) = [turn for turn in call.session.replies.turns if turn.latency_ms is not None]
    assert turn.latency_ms == pytest.approx(1000, abs=25)


def test_keys_are_told_when_nobody_is_talking() -> None:
    """A prompt in the middle of a question would have the agent talk over the caller."""
    talk = [(0.5 + 0.04 * n, SPEECH_40_MS) for n in range(100)]  # to 4.5
    script: CallerScript = sorted(
        [*talk, (1.0, DtmfPressed("4")), (9.0, HANG_UP)], key=lambda one: one[0]
    )

    call = carry((), script)

    ((at, _),) = [one for one in call.agent.prompts if "keys" in one[1]]
    assert 6.0 <= call.at(at) <= 7.0


def test_keys_are_not_kept_for_ever_by_a_caller_who_talks_on() -> None:
    talk = [(0.5 + 0.04 * n, SPEECH_40_MS) for n in range(400)]
    script: CallerScript = sorted(
        [*talk, (1.0, DtmfPressed("4")), (16.5, HANG_UP)], key=lambda one: one[0]
    )

    call = carry((), script)

    ((at, _),) = [one for one in call.agent.prompts if "keys" in one[1]]
    assert 11.0 <= call.at(at) <= 12.0


# ---- what is done to a call from outside --------------------------------------------------------


def run_with(
    act: Callable[[CallSession, FakeCaller, FakeAgent], Coroutine[None, None, None]],
    on_prompt: Callable[[str], AgentScript] | None = None,
    caller_script: CallerScript = ((60.0, HANG_UP),),
) -> tuple[EndReason, FakeAgent, list[float]]:
    """Carry a call, and do something to it meanwhile."""

    async def main() -> tuple[EndReason, FakeAgent, list[float]]:
        loop = asyncio.get_running_loop()
        caller, agent = FakeCaller(caller_script), FakeAgent((), on_prompt)
        hung_up: list[float] = []

        async def hang_up() -> None:
            hung_up.append(loop.time())

        limits = SessionLimits(dead_s=1e6)
        session = CallSession(
            CALL, caller, agent, FakeTools(), TranscriptWriter(FakeLog()), Pacer(), limits, hang_up
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(act(session, caller, agent))
            reason = await session.run()
        return reason, agent, hung_up

    return virtual_time.run(main())


def speak(_: str) -> AgentScript:
    return reply(0.2, 1)


def test_the_first_reason_to_end_a_call_is_the_one_that_is_kept() -> None:
    async def act(session: CallSession, caller: FakeCaller, agent: FakeAgent) -> None:
        await asyncio.sleep(2)
        session.hang_up(EndReason.VOICEMAIL)
        session.hang_up(EndReason.OPERATOR)

    reason, _, hung_up = run_with(act)

    assert reason is EndReason.VOICEMAIL
    assert len(hung_up) == 1


def test_an_operator_lets_the_agent_say_something() -> None:
    async def act(session: CallSession, caller: FakeCaller, agent: FakeAgent) -> None:
        await asyncio.sleep(2)
        session.say("The shop is closed tomorrow.")

    _, agent, _ = run_with(act)

    assert any("The shop is closed tomorrow." in text for _, text in agent.prompts)


def test_a_transfer_is_made_once_the_goodbye_was_heard_and_the_carrier_keeps_the_call() -> None:
    made: list[float] = []

    async def act(session: CallSession, caller: FakeCaller, agent: FakeAgent) -> None:
        async def hand_over() -> bool:
            made.append(caller.heard_ms)
            return True

        await asyncio.sleep(0.5)  # in the middle of its words
        session.finish(EndReason.TRANSFERRED, hand_over)

    reason, _, hung_up = run_with(act, speak)

    assert reason is EndReason.TRANSFERRED
    assert made == [pytest.approx(1000.0, abs=1.0)]
    assert hung_up == []


def test_a_transfer_that_takes_the_stream_away_before_it_is_confirmed_is_a_transfer() -> None:
    async def act(session: CallSession, caller: FakeCaller, agent: FakeAgent) -> None:
        async def hand_over() -> bool:
            caller.say(HANG_UP)
            await asyncio.sleep(1)
            return True

        session.finish(EndReason.TRANSFERRED, hand_over)

    reason, _, hung_up = run_with(act, speak)

    assert (reason, hung_up) == (EndReason.TRANSFERRED, [])


def test_a_transfer_that_fails_leaves_the_caller_with_the_agent() -> None:
    async def act(session: CallSession, caller: FakeCaller, agent: FakeAgent) -> None:
        async def hand_over() -> bool:
            return False

        session.finish(EndReason.TRANSFERRED, hand_over)
        await asyncio.sleep(10)
        assert STAY in [text for _, text in agent.prompts]
        session.finish(EndReason.AGENT_HUNG_UP)

    reason, _, hung_up = run_with(act, speak)

    assert reason is EndReason.AGENT_HUNG_UP
    assert len(hung_up) == 1


def test_words_of_the_caller_do_not_cut_a_transfer_that_is_being_made() -> None:
    async def act(session: CallSession, caller: FakeCaller, agent: FakeAgent) -> None:
        async def hand_over() -> bool:
            agent.say(Interrupted())
            await asyncio.sleep(1)
            confirmed.append(True)
            return True

        session.finish(EndReason.TRANSFERRED, hand_over)

    confirmed: list[bool] = []
    assert run_with(act, speak)[0] is EndReason.TRANSFERRED
    assert confirmed


def test_words_of_the_caller_before_it_call_the_goodbye_off() -> None:
    async def act(session: CallSession, caller: FakeCaller, agent: FakeAgent) -> None:
        async def hand_over() -> bool:
            raise AssertionError("the caller had more to say")

        await asyncio.sleep(0.5)
        session.finish(EndReason.TRANSFERRED, hand_over)
        await asyncio.sleep(0.1)
        agent.say(Interrupted())

    assert run_with(act, speak)[0] is EndReason.CALLER_HUNG_UP
