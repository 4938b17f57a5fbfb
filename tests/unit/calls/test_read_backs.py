"""A dictated recipient is confirmed by what the caller heard and said, never by the model."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import virtual_time
from fakes import CALL, HANG_UP, FakeAgent, FakeCaller, FakeLog
from fwai.calls.limits import SessionLimits
from fwai.calls.pacer import Pacer
from fwai.calls.read_backs import ReadBacks
from fwai.calls.session import CallSession
from fwai.calls.transcript_writer import TranscriptWriter
from fwai.domain.call import Call
from fwai.domain.events import (
    AgentAudio,
    AgentAway,
    AgentEvent,
    AgentReady,
    AgentSaid,
    CallerAudio,
    CallerEvent,
    CallerSaid,
    GenerationEnded,
    Interrupted,
    ToolCall,
    ToolResult,
    TurnEnded,
)
from fwai.domain.read_back import MAX_ANSWER, MAX_READ_BACK, Confirmation, ReadBack
from fwai.interfaces.calls import CallActions
from tables import each_row

A: Final = "+919999900009"
B: Final = "+919999900008"
# As uneven as speech.
SECOND: Final = AgentAudio((b"\x00\x20" * 480 + b"\x00\x08" * 480) * 25)
VOICE: Final = CallerAudio(b"\x00\x20\x00\xe0" * 160)
QUIET: Final = CallerAudio(b"\x00\x00" * 320)
NAMED, UNHEARD, CUT, UNANSWERED = (
    ReadBack.NAMED, ReadBack.UNHEARD, ReadBack.CUT, ReadBack.UNANSWERED,
)  # fmt: skip
OK: Final = "confirmed"

AgentScript = Sequence[tuple[float, AgentEvent]]


@dataclass
class Asking:
    """A tool that asks whether its argument is confirmed."""

    answers: list[Confirmation | ReadBack] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)

    async def run(self, request: ToolCall, call: Call, actions: CallActions) -> ToolResult:
        began = asyncio.get_running_loop().time()
        kind = "email" if "@" in request.args["to"] else "phone"
        self.answers.append(await actions.confirm(kind, request.args["to"]))
        self.took_s.append(asyncio.get_running_loop().time() - began)
        # Nothing was done, so that it is asked again each time.
        return ToolResult(request.id, request.name, ok=False, text="", data={})


def names(at: float, to: str = A) -> list[tuple[float, AgentEvent]]:
    return [(at, ToolCall(f"{to}-{at}", "send_sms", {"to": to, "confirmed": at > 1}))]


def says(at: float, seconds: int = 3, text: str = "Nine nine. Right?") -> AgentScript:
    """A reply of some seconds; it comes in a burst and is over before it was heard."""
    sound = [(at, SECOND)] * seconds
    return [*sound[:1], (at, AgentSaid(text)), *sound[1:], (at, GenerationEnded())]


def said(at: float, text: str = "Yes.") -> AgentScript:
    return [(at, TurnEnded()), (at, CallerSaid(text))]


def speaks(at: float, until: float) -> list[tuple[float, CallerEvent]]:
    """The caller speaks for a while; the line is never without sound."""
    ticks = [round(n * 0.04, 2) for n in range(int(30 / 0.04))]
    return [(tick, VOICE if at <= tick < until else QUIET) for tick in ticks]


async def converse(
    agent: AgentScript, caller: Sequence[tuple[float, CallerEvent]], tools: Asking
) -> None:
    legs = (
        FakeCaller([*caller, (30.0, HANG_UP)]),
        FakeAgent(sorted(agent, key=lambda one: one[0])),
    )

    async def hang_up() -> None:
        """Nothing is to be ended."""

    log = TranscriptWriter(FakeLog())
    limits = SessionLimits()
    await CallSession(CALL, *legs, tools, log, Pacer(), limits, hang_up).run()


def outcome(
    agent: AgentScript, caller: Sequence[tuple[float, CallerEvent]] = ()
) -> list[Confirmation | ReadBack]:
    tools = Asking()
    virtual_time.run(converse(agent, caller or speaks(40, 41), tools))
    return tools.answers


def kinds(answers: Sequence[Confirmation | ReadBack]) -> list[ReadBack | str]:
    return [OK if isinstance(one, Confirmation) else one for one in answers]


READ: Final = [*names(1), *says(1.5)]  # heard until 4.5
YES: Final = speaks(5, 5.5)

# What happens | what the caller's line carries | what the tool hears each time
TABLE: Final = {
    "read back, heard, answered": ([*READ, *said(5.8), *names(6)], YES, [NAMED, OK]),
    "twice in the same moment": ([*names(1), *names(1.001)], (), [NAMED, UNHEARD]),
    "twice in the same turn, speaking": ([*READ, *names(1.6)], (), [NAMED, UNHEARD]),
    "while it is read back": ([*READ, *names(3)], (), [NAMED, UNHEARD]),
    "three times, in silence": (
        [*READ, *names(8), *names(12)], (), [NAMED, UNANSWERED, UNANSWERED],
    ),
    "a short word is no read-back": (
        [*names(1), (1.5, AgentAudio(b"\x10\x00" * 12_000)), (1.5, GenerationEnded()),
         *said(3.2), *names(3.5)], speaks(2.5, 3), [NAMED, UNHEARD],
    ),
    "written, never spoken": (
        [*names(1), (1.5, AgentSaid("Nine nine nine.")), (1.5, GenerationEnded()), *said(3.2),
         *names(3.5)], speaks(2.5, 3), [NAMED, UNHEARD],
    ),
    "interrupted in the middle": (
        [*READ, (2.5, Interrupted()), (3, CallerSaid("Yes yes.")), (3, TurnEnded()), *names(3.2)],
        speaks(2.4, 2.9), [NAMED, CUT],
    ),
    "interrupted, then read back whole": (
        [*READ, (2.5, Interrupted()), (3, CallerSaid("What?")), (3, TurnEnded()), *says(4),
         *said(8), *names(8.2)], [*speaks(2.4, 2.9)[:100], *speaks(7.2, 7.6)[100:]], [NAMED, OK],
    ),
    "interrupted in its last breath": (
        [*READ, (4.35, Interrupted()), (4.8, CallerSaid("Yes.")), (4.8, TurnEnded()), *names(5)],
        speaks(4.3, 4.7), [NAMED, OK],
    ),
    "interrupted while more was to come": (
        [*names(1), (1.5, SECOND), (1.5, SECOND), (3.45, Interrupted()), (4, CallerSaid("Yes.")),
         (4, TurnEnded()), *names(4.2)], speaks(3.4, 3.7), [NAMED, CUT],
    ),
    "words spoken before it come late": (
        [*names(1), *says(1.5), (2.5, CallerSaid("nine nine")), *names(4.6)], speaks(0.2, 0.9),
        [NAMED, UNANSWERED],
    ),
    "hm hm while it is read back": (
        [*READ, (3.2, CallerSaid("Hm.")), *names(8)], speaks(2.8, 3), [NAMED, UNANSWERED],
    ),
    "other number the second time": (
        [*READ, *said(5.8, "No, eight."), *names(6, B)], YES, [NAMED, NAMED],
    ),
    "changed digits, then back to the first": (
        [*READ, *said(5.8), *names(6, B), *names(6.5, A)], YES, [NAMED, NAMED, NAMED],
    ),
    "corrected, read back, answered": (
        [*READ, *said(5.8, "No, eight."), *names(6, B), *says(6.5), *said(10.5), *names(10.6, B),
         *names(11, A)], [*speaks(5, 5.5)[:200], *speaks(10, 10.3)[200:]],
        [NAMED, NAMED, OK, NAMED],
    ),
    "confirmed stays confirmed": (
        [*READ, *said(5.8), *names(6), *names(9)], YES, [NAMED, OK, OK],
    ),
    "a number and an address, read back together": (
        [*names(1), *names(1.1, "a@example.com"), *says(1.5), *said(5.8), *names(6),
         *names(6.1, "a@example.com")], YES, [NAMED, NAMED, OK, OK],
    ),
    "the address after the number was confirmed": (
        [*READ, *said(5.8), *names(6), *names(6.1, "a@example.com"), *names(6.3, "a@example.com")],
        YES, [NAMED, OK, NAMED, UNHEARD],
    ),
    "the model was away in between": (
        [*READ, (3, AgentAway("lost")), (4.8, AgentReady(resumed=True)), *said(5.8), *names(6)],
        YES, [NAMED, OK],
    ),
    "another session of the model, which says nothing": (
        [*names(1), (1.2, AgentAway("lost")), (2, AgentReady(resumed=False)), *names(2.5)], (),
        [NAMED, UNHEARD],
    ),
    "the words come after the tool": ([*READ, *names(5.7), *said(6.4)], YES, [NAMED, OK]),
    "the words come after the reply to them": (
        [*READ, (5.6, SECOND), (5.7, CallerSaid("Yes.")), *names(5.8)], YES, [NAMED, OK],
    ),
    "text of the read-back that comes after its turn": (
        [*READ, (4.6, TurnEnded()), (4.7, AgentSaid("Right?")), *said(5.8), *names(6)], YES,
        [NAMED, OK],
    ),
    "a soft yes that only the model hears": (
        [*READ, *said(5.9), *names(6)], speaks(40, 41), [NAMED, OK],
    ),
    "blank words": ([*READ, *said(5.8, "  "), *names(6)], YES, [NAMED, UNANSWERED]),
}  # fmt: skip


@each_row("what", TABLE)
def test_what_confirms_a_recipient_and_what_does_not(what: str) -> None:
    agent, caller, expected = TABLE[what]

    assert kinds(outcome(agent, caller)) == expected


def test_the_words_are_kept_within_bounds() -> None:
    long_ = [*names(1), *says(1.5, text="nine " * 400), *said(5.8, "yes " * 400), *names(6)]

    short = outcome([*READ, *said(5.8, "Yes."), *names(6)], YES)[-1]
    much = outcome(long_, YES)[-1]

    assert short == Confirmation("Nine nine. Right?", "Yes.")
    assert isinstance(much, Confirmation)
    assert len(much.read_back) <= MAX_READ_BACK
    assert len(much.answer) <= MAX_ANSWER


def test_a_tool_waits_a_moment_for_the_words_and_no_longer() -> None:
    tools = Asking()
    virtual_time.run(converse([*READ, *names(5.7)], YES, tools))

    assert [round(took, 2) for took in tools.took_s] == [0.0, 1.5]


def test_two_calls_know_nothing_of_each_other() -> None:
    """What one caller heard and said confirms nothing in the other's call at the same time."""
    mine, theirs = Asking(), Asking()

    async def both() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(converse([*READ, *said(5.8), *names(6)], YES, mine))
            tasks.create_task(converse([*names(6), *names(6.5)], YES, theirs))

    virtual_time.run(both())

    assert kinds(mine.answers) == [NAMED, OK]
    assert kinds(theirs.answers) == [NAMED, UNHEARD]


def test_words_that_nobody_needs_are_not_given_out() -> None:
    confirmation = Confirmation("Nine nine?", "Yes.")

    assert confirmation.facts(words=True) == {"read_back": "Nine nine?", "answer": "Yes."}
    assert confirmation.facts(words=False) == {}


def test_each_kind_has_one_that_is_asked_about_and_what_was_confirmed_stays() -> None:
    class Silent:
        unheard_ms = 0.0

    async def story() -> None:
        replying = [True]
        voice: Any = Silent()
        caller: Any = object()
        asked = ReadBacks(voice, caller, lambda: replying[0])
        asked._spoke_since = lambda: True  # type: ignore[method-assign]

        assert await asked.confirm("phone", A) is NAMED
        asked.agent_sound(3000.0)
        asked.agent_text("Nine nine. ")
        asked.caller_said("yes")
        assert isinstance(await asked.confirm("phone", A), ReadBack), "the reply was not over"
        replying[0] = False
        asked.reply_began()
        asked.agent_sound(500.0)
        asked.agent_text("of the next reply")
        asked.interrupted(400.0, replying=True)
        asked.caller_said("yes, right")
        first = await asked.confirm("phone", A)
        assert first == Confirmation("Nine nine.", "yes, right")
        assert await asked.confirm("phone", A) is first
        assert await asked.confirm("phone", B) is NAMED
        assert await asked.confirm("email", "asha@example.com") is NAMED

    virtual_time.run(story())
