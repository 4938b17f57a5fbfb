"""The one place that builds a call of the matrix of the real parts."""

from collections.abc import Awaitable, Callable
from typing import Final

from fwai.calls.limits import SessionLimits
from fwai.calls.pacer import Pacer
from fwai.calls.session import CallSession
from fwai.calls.transcript_writer import TranscriptWriter
from fwai.domain.call import Call, CallId, Direction
from fwai.domain.tool import ToolSpec
from fwai.faults.line import PhoneLine
from fwai.faults.parts import LabFallback, LabLog, LabTools
from fwai.faults.sentences import LabSentences
from fwai.gemini.setup import SessionConfig
from fwai.interfaces.media import AgentLeg
from fwai.simulator.gemini.scenario import Prompt, Reply, Scenario, ToolRequest, demo

TOOLS: Final = ("send_sms", "send_email", "book_demo", "end_call")
LIMITS: Final = SessionLimits(max_call_s=7_200.0)
_TEXT: Final = {"text": "Our courses."}


def session_config(*, blocking: bool) -> SessionConfig:
    """Return what the model is told; ``blocking`` takes the family whose tools hold it up."""
    model = "gemini-3.1-flash-live-preview" if blocking else "gemini-3.8-live"
    specs = [ToolSpec(name, "Does it.", {}) for name in TOOLS]
    return SessionConfig(model, "Be brief.", "Puck", tools=specs)


def scenario() -> Scenario:
    """Return what the simulated model answers: the demo's, and two tools at once.

    Words of the caller that come as text, after a loss, get the answer that they get as sound.
    """
    base = demo()
    replies = {
        **base.replies,
        "hindi": Reply(
            tools=(ToolRequest("send_sms", _TEXT), ToolRequest("send_email", _TEXT)),
            then="sms_sent",
            otherwise="fallback",
        ),
    }
    prompts = (
        Prompt(("Result of send_sms", "Result of send_email"), "sms_sent"),
        Prompt(("Result of book_demo",), "booked"),
        Prompt(("goodbye", "good bye", "hang up"), "goodbye"),
        Prompt(("by SMS",), "send_sms"),
        Prompt(("book a demo",), "book_demo"),
        Prompt(("real person",), "ai"),
        Prompt(("आप",), "hindi"),
        Prompt(("does it cost",), "price"),
        Prompt(("Which courses",), "courses"),
        Prompt(("half a minute is left",), "time_warning"),
    )
    return Scenario(
        replies=replies,
        greeting=base.greeting,
        fallback=base.fallback,
        heard=base.heard,
        prompts=prompts,
    )


def build_session(
    line: PhoneLine,
    agent: AgentLeg,
    tools: LabTools,
    log: LabLog,
    fallback: LabFallback,
    sentences: LabSentences,
    now: Callable[[], float],
    hang_up: Callable[[], Awaitable[None]],
) -> CallSession:
    """Build the session; nothing of it runs yet.

    ``now`` is Unix time in seconds; ``hang_up`` ends the carrier's call.
    """
    call = Call(
        id=CallId("call-1"),
        provider="lab",
        direction=Direction.INBOUND,
        caller="+919999900000",
        line="+918888800000",
        agent="asha",
        provider_call_id="lab-1",
    )
    return CallSession(
        call,
        line,
        agent,
        tools,
        TranscriptWriter(log, now),
        Pacer(),
        LIMITS,
        hang_up,
        None,
        sentences,
        fallback,
    )
