"""An agent that only listens says nothing, does nothing, and passes on what was heard."""

import virtual_time
from fakes import FakeAgent
from fwai.calls.listening_agent import ListeningAgent
from fwai.domain.events import (
    AgentAudio,
    AgentAway,
    AgentEvent,
    AgentLost,
    AgentReady,
    AgentSaid,
    CallerSaid,
    GenerationEnded,
    Interrupted,
    TokensUsed,
    ToolCall,
    ToolResult,
    TurnEnded,
)

PASSED: list[AgentEvent] = [
    AgentReady(),
    AgentAway("the key is refused"),
    CallerSaid("hello"),
    TokensUsed({"total": 1}),
    AgentLost(),
]
DROPPED: list[AgentEvent] = [
    AgentAudio(b"\0\0"),
    AgentSaid("hi"),
    Interrupted(),
    GenerationEnded(),
    TurnEnded(),
    ToolCall("1", "send_sms", {}),
]


def test_only_what_was_heard_is_passed_on() -> None:
    async def listen() -> list[AgentEvent]:
        model = FakeAgent()
        heard: list[AgentEvent] = []
        ListeningAgent(model).listen(heard.append)
        for event in [*DROPPED, *PASSED]:
            model.say(event)
        return heard

    assert virtual_time.run(listen()) == [AgentReady(), *PASSED]


def test_the_model_hears_and_is_asked_for_nothing() -> None:
    async def hear() -> FakeAgent:
        model = FakeAgent()
        agent = ListeningAgent(model)
        agent.hear(b"\1\0" * 10, speech=True)
        agent.prompt("Greet the caller.")
        agent.answer_tool(ToolResult("1", "x", ok=True, text="", data={}))
        agent.close()
        await agent.run()
        return model

    model = virtual_time.run(hear())

    assert bytes(model.heard) == b"\1\0" * 10
    assert model.speech_heard == 0, "no answer is expected, so none can be missed"
    assert model.prompts == []
    assert model.results == []
    assert model.closed
