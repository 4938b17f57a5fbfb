"""What outlives a connection: what was said and what is owed."""

import pytest

from fwai.domain.events import (
    AgentEvent,
    AgentSaid,
    CallerSaid,
    GenerationEnded,
    Interrupted,
    TokensUsed,
    ToolCall,
    ToolsCancelled,
    TurnEnded,
)
from fwai.gemini.memory import GO_ON, HISTORY_CHARS, MAX_OWED, Memory

CALL = ToolCall("t", "send_sms", {})
SPEECH = "speech"
HANDLE = "handle"
Step = AgentEvent | str


def after(*steps: Step) -> Memory:
    """Live through events; a text is a prompt, unless it stands for speech or a new handle."""
    memory = Memory()
    for step in steps:
        if step == SPEECH:
            memory.spoke()
        elif step == HANDLE:
            memory.handle_issued()
        elif isinstance(step, str):
            memory.owe(step)
        else:
            memory.track(step)
    return memory


@pytest.mark.parametrize(
    ("steps", "owed"),
    [
        pytest.param((), "", id="nothing"),
        pytest.param(("a",), "a", id="a prompt"),
        pytest.param(("a", "b", "a"), "a\nb", id="prompts, each once"),
        pytest.param(("a", SPEECH), GO_ON, id="being answered"),
        pytest.param(("a", SPEECH, GenerationEnded()), "", id="answered"),
        pytest.param(("a", SPEECH, TurnEnded()), "", id="answered and over"),
        pytest.param(("a", TurnEnded()), "", id="a mute turn"),
        pytest.param(("a", CALL), "", id="a tool is the answer"),
        pytest.param(("a", SPEECH, "b", SPEECH, TurnEnded()), "b", id="asked while it spoke"),
        pytest.param(("a", SPEECH, "b", TurnEnded(), SPEECH, TurnEnded()), "", id="and answered"),
        pytest.param((CallerSaid("Good"), CallerSaid(" day")), "Good day", id="the caller's words"),
        pytest.param((CallerSaid(" "),), "", id="no words"),
        pytest.param((SPEECH, CallerSaid("Hi"), TurnEnded()), "", id="late words"),
        pytest.param((CALL, CallerSaid("Hi"), TurnEnded()), "", id="late words of a tool call"),
        pytest.param((SPEECH, Interrupted(), CallerSaid("No"), TurnEnded()), "No", id="barge-in"),
        pytest.param((SPEECH, Interrupted(), CallerSaid("No"), SPEECH, TurnEnded()), "", id="met"),
        pytest.param((SPEECH, Interrupted()), "", id="cut by the caller"),
        pytest.param((SPEECH, CALL), "", id="cut by a tool call"),
        pytest.param((TokensUsed({}), "a"), "a", id="other events"),
    ],
)
def test_what_a_resumed_connection_is_asked(steps: tuple[Step, ...], owed: str) -> None:
    memory = after(*steps)

    assert memory.reopened(handle_at=memory.handle_at)[1] == owed


def test_a_tool_result_is_owed_until_it_is_cancelled_or_spoken_about() -> None:
    memory = after(CALL)
    memory.owe("Sent.", "t")
    memory.owe("Booked.", "u")
    memory.track(ToolsCancelled(("t", "x")))

    assert memory.reopened(handle_at=memory.handle_at)[1] == "Booked."


def test_a_turn_that_asked_for_a_tool_does_not_settle_its_result() -> None:
    memory = after(CALL)
    memory.owe("Sent.", "t")
    memory.track(TurnEnded())

    assert memory.reopened(handle_at=memory.handle_at)[1] == "Sent."


def test_a_blocking_model_speaks_next_about_its_tool() -> None:
    memory = after(SPEECH, CALL, SPEECH)
    memory.owe("Sent.", "t")
    memory.awaits_tool()
    memory.spoke()
    memory.track(TurnEnded())

    assert memory.settled


def test_what_is_owed_is_bounded_and_the_newest_is_kept() -> None:
    memory = after(*[str(number) for number in range(MAX_OWED + 2)])

    assert memory.reopened(handle_at=memory.handle_at)[1].split("\n") == [
        str(number) for number in range(2, MAX_OWED + 2)
    ]


def test_a_fresh_session_gets_the_transcript_in_order() -> None:
    memory = after(
        *(AgentSaid("Good"), AgentSaid(" day."), TurnEnded(), HANDLE),
        *(CallerSaid("Which"), SPEECH, AgentSaid("Three"), CallerSaid(" courses?"), TurnEnded()),
    )

    history, instruction = memory.reopened()

    assert history == [("model", "Good day."), ("user", "Which courses?"), ("model", "Three")]
    assert instruction == ""


def test_late_words_alone_come_before_the_reply() -> None:
    memory = after(SPEECH, AgentSaid("Three."), CallerSaid("Which"), CallerSaid(" courses?"))

    assert memory.reopened()[0] == [("user", "Which courses?"), ("model", "Three.")]


def test_a_fresh_session_is_not_told_twice_what_the_caller_said() -> None:
    memory = after(AgentSaid("Welcome."), SPEECH, TurnEnded(), CallerSaid("Hello"))

    assert memory.reopened() == ([("model", "Welcome.")], "Hello")


@pytest.mark.parametrize(
    ("steps", "lost"),
    [
        ((CallerSaid("Price?"), SPEECH, AgentSaid("It")), [("user", "Price?"), ("model", "It")]),
        ((AgentSaid("Hi"), HANDLE, SPEECH, AgentSaid("It")), [("model", "It")]),
        ((CallerSaid("Price?"), SPEECH, AgentSaid("It"), HANDLE), []),
        ((AgentSaid("Hi"), HANDLE, CallerSaid("Price?")), []),
    ],
)
def test_a_resumed_session_is_told_what_its_handle_does_not_know(
    steps: tuple[Step, ...], lost: list[tuple[str, str]]
) -> None:
    memory = after(*steps)

    assert memory.reopened(handle_at=memory.handle_at)[0] == lost


@pytest.mark.parametrize(
    ("steps", "settled"),
    [
        ((), True),
        (("a",), False),
        ((SPEECH,), False),
        ((SPEECH, GenerationEnded()), False),
        ((SPEECH, Interrupted()), False),
        ((SPEECH, GenerationEnded(), TurnEnded()), True),
        ((CALL,), False),
        ((CallerSaid("Hi"),), False),
    ],
)
def test_a_conversation_is_settled_between_turns(steps: tuple[Step, ...], settled: bool) -> None:
    assert after(*steps).settled == settled


def test_a_cut_reply_is_asked_for_until_it_goes_on() -> None:
    memory = after(SPEECH)
    first, second = (memory.reopened()[1] for _ in range(2))
    memory.spoke()
    memory.track(TurnEnded())

    assert first == second == GO_ON
    assert memory.reopened()[1] == ""


def test_the_history_is_bounded_and_forgets_the_oldest() -> None:
    memory = Memory()
    for number in range(100):
        memory.track(CallerSaid(f"{number:3}" + "?" * 97))
        memory.track(AgentSaid("!" * 100))
        memory.track(TurnEnded())

    history, _ = memory.reopened()

    assert sum(len(words) for _, words in history) == HISTORY_CHARS
    assert history[0][1].startswith(" 70")


def test_one_turn_longer_than_the_history_keeps_its_end() -> None:
    memory = after(AgentSaid("a" * 100), AgentSaid("b" * HISTORY_CHARS), AgentSaid("c" * 10))

    history, _ = memory.reopened()

    assert history == [("model", "b" * (HISTORY_CHARS - 10) + "c" * 10)]
