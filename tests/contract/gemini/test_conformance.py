"""One conversation with the simulated service, held by our connection and by the SDK alike."""

import pytest

from contract.gemini.clients import (
    Opener,
    Refused,
    agent_words,
    caller_words,
    ours,
    pcm_of,
    sdks,
    tokens_of,
)
from fwai.domain.events import (
    GenerationEnded,
    Interrupted,
    TokensUsed,
    ToolCall,
    ToolsCancelled,
    TurnEnded,
)
from fwai.domain.tool import ToolSpec
from fwai.gemini.messages import GoAway, HandleIssued
from fwai.gemini.setup import SessionConfig
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.jumping_loop import settle
from fwai.simulator.gemini.scenario import Fault, Reply, Scenario, ToolRequest, demo
from fwai.simulator.gemini.server import GeminiLiveSimulator

CLIPS = ClipLibrary.load()
TOOLS = (ToolSpec("send_sms", "d", {}), ToolSpec("book_demo", "d", {}))
CONFIG = SessionConfig("gemini-3.8-live", "Be brief.", "Puck", tools=TOOLS)
BLOCKING = SessionConfig("gemini-3.1-flash-live-preview", "Be brief.", "Puck", tools=TOOLS)
GREET = "Greet the caller."


@pytest.fixture(params=["ours", "sdk"])
def opener(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Opener:
    return ours if request.param == "ours" else sdks(monkeypatch)


def speech(clip: str) -> bytes:
    return CLIPS[clip].pcm(16_000)


def service(*faults: Fault, scenario: Scenario | None = None) -> GeminiLiveSimulator:
    return GeminiLiveSimulator((scenario or demo()).with_faults(*faults))


async def test_the_setup_is_accepted(opener: Opener) -> None:
    async with service() as simulator, opener(simulator.url, CONFIG) as client:
        record = simulator.sessions[0]

        assert record.session_id
        assert record.auth == "x-goog-api-key"
        assert client.events == []


async def test_the_greeting_is_spoken_and_written(opener: Opener) -> None:
    async with service() as simulator, opener(simulator.url, CONFIG) as client:
        await client.text(GREET)
        events = await client.next(TurnEnded)

        assert pcm_of(events) == CLIPS["greeting"].pcm(24_000)
        assert agent_words(events) == CLIPS["greeting"].text
        assert events[-2:] == [GenerationEnded(), TurnEnded()]
        assert simulator.sessions[0].texts == [GREET]


async def test_a_question_is_heard_and_answered(opener: Opener) -> None:
    async with service() as simulator, opener(simulator.url, CONFIG) as client:
        await client.say(speech("ask_courses"))
        events = await client.next(TurnEnded)

        assert simulator.sessions[0].heard == ["ask_courses"]
        assert simulator.sessions[0].rates == {16_000}
        assert caller_words(events) == CLIPS["ask_courses"].text
        assert agent_words(events) == CLIPS["courses_answer"].text
        assert pcm_of(events) == CLIPS["courses_answer"].pcm(24_000)


async def test_speaking_over_the_agent_interrupts_it(opener: Opener) -> None:
    async with service() as simulator, opener(simulator.url, CONFIG) as client:
        await client.say(speech("ask_courses"))
        await client.until(lambda: len(pcm_of(client.events)) > 48_000)
        await client.say(speech("barge_in"))
        cut = await client.next(TurnEnded)
        answered = await client.next(TurnEnded)

        assert Interrupted() in cut
        assert GenerationEnded() not in cut
        assert len(pcm_of(cut)) < len(CLIPS["courses_answer"].pcm(24_000))
        assert caller_words(answered) == CLIPS["barge_in"].text
        assert simulator.sessions[0].interruptions == 1


@pytest.mark.parametrize("config", [CONFIG, BLOCKING], ids=["non-blocking", "blocking"])
@pytest.mark.parametrize(("ok", "clip"), [(True, "sms_sent"), (False, "fallback")])
async def test_a_tool_is_asked_for_answered_and_spoken_about(
    opener: Opener, config: SessionConfig, ok: bool, clip: str
) -> None:
    async with service() as simulator, opener(simulator.url, config) as client:
        await client.say(speech("ask_sms"))
        asked = (await client.next(ToolCall))[-1]
        assert isinstance(asked, ToolCall)
        await client.answer(asked, "done", ok=ok)
        await client.until(lambda: agent_words(client.events) == CLIPS[clip].text)

        assert asked.name == "send_sms"
        assert asked.args["text"].startswith("FWAI Academy")
        assert simulator.sessions[0].violations == []


async def test_several_tools_are_asked_for_in_one_message(opener: Opener) -> None:
    both = Reply(tools=(ToolRequest("send_sms"), ToolRequest("book_demo")), then="booked")
    scenario = demo()
    scenario.replies["send_sms"] = both
    async with service(scenario=scenario) as simulator, opener(simulator.url, CONFIG) as client:
        await client.say(speech("ask_sms"))
        asked = await client.next(ToolCall, 2)
        first, second = [event for event in asked if isinstance(event, ToolCall)]
        await client.answer(second, "done")
        await client.answer(first, "done")
        await client.until(lambda: agent_words(client.events) == CLIPS["booking_confirmed"].text)

        assert (first.name, second.name) == ("send_sms", "book_demo")
        assert simulator.sessions[0].violations == []


async def test_speaking_takes_a_blocking_tool_back(opener: Opener) -> None:
    async with service() as simulator, opener(simulator.url, BLOCKING) as client:
        await client.say(speech("ask_sms"))
        asked = (await client.next(ToolCall))[-1]
        await client.say(speech("ask_ai"))
        cut = await client.next(TurnEnded)
        await client.next(TurnEnded)

        assert isinstance(asked, ToolCall)
        assert ToolsCancelled((asked.id,)) in cut
        assert simulator.sessions[0].violations == []


async def test_a_conversation_is_resumed_by_its_handle(opener: Opener) -> None:
    async with service() as simulator:
        async with opener(simulator.url, CONFIG) as client:
            await client.text(GREET)
            issued = (await client.next(HandleIssued))[-1]
        assert isinstance(issued, HandleIssued)
        async with opener(simulator.url, CONFIG, issued.handle) as client:
            await client.text("Little time is left.")
            events = await client.next(TurnEnded)

        assert agent_words(events) == CLIPS["time_warning"].text
        assert [record.resumed for record in simulator.sessions] == [False, True]


async def test_history_is_taken_without_an_answer(opener: Opener) -> None:
    async with service() as simulator, opener(simulator.url, CONFIG) as client:
        await client.history(("user", "Hello"), ("model", "Welcome."))
        await settle(5)
        before = list(client.events)
        await client.text("Little time is left.")
        events = await client.next(TurnEnded)

        assert before == []
        assert agent_words(events) == CLIPS["time_warning"].text
        assert simulator.sessions[0].replies == ["time_warning"]


async def test_the_end_is_announced_and_comes(opener: Opener) -> None:
    fault = Fault(kind="go_away", at="turn_end", turn=0, time_left_ms=2_500)
    async with service(fault) as simulator, opener(simulator.url, CONFIG) as client:
        await client.text(GREET)
        events = await client.next(GoAway)
        await client.until(lambda: client.closed is not None)

        assert events[-1] == GoAway(2.5)
        assert client.closed == 1011


async def test_each_turn_bills_the_whole_context_again(opener: Opener) -> None:
    async with service() as simulator, opener(simulator.url, CONFIG) as client:
        bills = []
        for _ in range(3):
            await client.say(speech("ask_ai"))
            bills.append(tokens_of(await client.next(TokensUsed)))

        assert bills[0]["prompt"] < bills[1]["prompt"] < bills[2]["prompt"]
        assert all(bill["total"] == bill["prompt"] + bill["response"] for bill in bills)
        assert all(bill["prompt_audio"] == bill["prompt"] for bill in bills)


@pytest.mark.parametrize("code", [1000, 1007, 1008, 1011])
async def test_the_close_code_arrives(opener: Opener, code: int) -> None:
    fault = Fault(kind="close", at="audio", after_ms=500, code=code, reason="why")
    async with service(fault) as simulator, opener(simulator.url, CONFIG) as client:
        await client.text(GREET)
        await client.until(lambda: client.closed is not None)

        assert client.closed == code
        assert pcm_of(client.events)


async def test_a_broken_link_is_1006(opener: Opener) -> None:
    fault = Fault(kind="abort", at="audio", after_ms=500)
    async with service(fault) as simulator, opener(simulator.url, CONFIG) as client:
        await client.text(GREET)
        await client.until(lambda: client.closed is not None)

        assert client.closed == 1006


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
async def test_a_refused_upgrade_has_its_status(opener: Opener, status: int) -> None:
    async with service(Fault(kind="refuse", status=status)) as simulator:
        with pytest.raises(Refused) as caught:
            async with opener(simulator.url, CONFIG):
                pass

    assert caught.value.code == status


@pytest.mark.parametrize(
    ("model", "voice", "handle", "code"),
    [
        ("gemini-3.8-live", "puck", None, 1007),
        ("gemini-2.0-flash-live-001", "Puck", None, 1008),
        ("gemini-3.8-live", "Puck", "strange", 1008),
    ],
)
async def test_a_refused_setup_has_its_close_code(
    opener: Opener, model: str, voice: str, handle: str | None, code: int
) -> None:
    async with service() as simulator:
        with pytest.raises(Refused) as caught:
            async with opener(simulator.url, SessionConfig(model, "x", voice), handle):
                pass

    assert caught.value.code == code


@pytest.mark.parametrize("kind", ["error_frame", "unknown_message"])
async def test_messages_nobody_knows_do_not_end_the_session(opener: Opener, kind: str) -> None:
    fault = Fault(kind="error_frame" if kind == "error_frame" else "unknown_message")
    async with service(fault) as simulator, opener(simulator.url, CONFIG) as client:
        await client.text(GREET)
        events = await client.next(TurnEnded)

        assert agent_words(events) == CLIPS["greeting"].text


async def test_fields_nobody_knows_do_not_change_the_meaning(opener: Opener) -> None:
    fault = Fault(kind="unknown_fields")
    async with service(fault) as simulator, opener(simulator.url, CONFIG) as client:
        await client.text(GREET)
        events = await client.next(TurnEnded)

        assert agent_words(events) == CLIPS["greeting"].text
        assert pcm_of(events) == CLIPS["greeting"].pcm(24_000)


async def test_leaving_closes_the_session_at_the_service(opener: Opener) -> None:
    async with service() as simulator:
        async with opener(simulator.url, CONFIG):
            pass
        await simulator.wait(lambda: simulator.open_sessions == 0)

        assert simulator.sessions[0].close_code == 1000
        assert simulator.sessions[0].closed_by == "client"
