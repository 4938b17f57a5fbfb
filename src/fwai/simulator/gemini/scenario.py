"""Scenarios: what the simulated agent answers to what it hears, and which faults strike.

A scenario is data: it is built in code or read from a JSON file with the same field names (see
docs/SIMULATORS.md). Times are in milliseconds; ``thinking_ms``, speeds and a fault's ``after_ms``
count in the simulator's time, which may run faster than the clock on the wall.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from fwai.errors import ConfigError
from fwai.simulator.common.clips import ClipLibrary

TurnFault = Literal[
    "mute",
    "refused",
    "near_silence",
    "tone",
    "slow",
    "unknown_fields",
    "missing_fields",
    "twice",
    "odd_length",
    "words_late",
    "words_mixed",
    "no_end",
]
"""Faults that colour a whole turn."""

Strike = Literal[
    "close",
    "abort",
    "go_away",
    "stall",
    "half_open",
    "slow_pongs",
    "phantom_interrupted",
    "error_frame",
    "unknown_message",
    "malformed",
    "stray_audio",
    "cancel_tool",
    "ask_again",
]
"""Faults that happen at one moment."""

SessionFault = Literal["refuse", "reset", "handshake_hang", "setup_hang", "refuse_handle"]
"""Faults of the opening handshake."""

FaultKind = TurnFault | Strike | SessionFault

Moment = Literal["setup", "open", "turn_start", "audio", "tool", "turn_end"]
"""``setup``: instead of setupComplete. ``open``: after setupComplete. ``turn_start``: before the
reply. ``audio``: when ``after_ms`` of the reply's audio have been sent. ``tool``: after a tool
call. ``turn_end``: after turnComplete."""

_DEFAULT_CODES: Mapping[str, int] = {"close": 1011, "go_away": 1011, "refuse_handle": 1008}
_DEFAULT_REASONS: Mapping[str, str] = {
    "close": "Internal error encountered.",
    "go_away": "Deadline expired before operation could complete.",
    "refuse_handle": "BidiGenerateContent session not found",
}


class ToolRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool the agent asks for: its name and its arguments."""

    name: str
    args: dict[str, Any] = {}


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One thing the agent does: it speaks, then calls tools, then goes on by their outcome.

    Attributes:
        clip: What it says first, or None.
        tools: What it then asks for, all in one message.
        then: The reply that follows when every tool did its work, or None to say nothing.
        otherwise: The reply that follows when one failed, or when the client never declared it.
        blocking: Whether the conversation waits for the tools; None means as they were declared.
    """

    clip: str | None = None
    tools: tuple[ToolRequest, ...] = ()
    then: str | None = None
    otherwise: str | None = None
    blocking: bool | None = None


class Prompt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A typed instruction that holds one of these words gets this reply; case does not matter.

    Attributes:
        first: So does the first instruction of a conversation, which else gets the greeting.
    """

    words: tuple[str, ...]
    reply: str
    first: bool = False

    def matches(self, text: str) -> bool:
        """Say whether ``text`` holds one of the words."""
        return any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in self.words)


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A fault: what goes wrong, and when.

    Attributes:
        kind: What happens.
        session: In which connection, counted from 0 over the simulator's life; None is in all.
        turn: In which turn of the conversation, 0 being the greeting; None is in all.
        from_turn: In no turn before this one.
        times: In at most so many turns or connections, over the simulator's life; None: no limit.
        from_ms: Handshake faults: not before so long after the first connection ...
        for_ms: ... and how long from then on; of ``stall`` and ``half_open`` how long they last;
            None is for ever.
        at: At which moment, for faults that happen at one.
        after_ms: How long after that moment.
        code: Close code; None is what the service uses.
        reason: Close reason; None is what the service says.
        status: HTTP status of ``refuse``.
        time_left_ms: What ``go_away`` announces before it closes, in time of the clock.
        leave_ms: When it closes; None is when it said.
        untimed: ``go_away`` does not say how much time is left.
        speed: How much faster than real time a ``slow`` turn's audio comes; below 1 is slower.
        delay_ms: By how much pongs are late.
        new_id: ``ask_again`` asks under an id of its own.
    """

    kind: FaultKind
    session: int | None = None
    turn: int | None = None
    from_turn: int = 0
    times: int | None = None
    from_ms: float = 0.0
    for_ms: float | None = None
    at: Moment = "open"
    after_ms: float = 0.0
    code: int | None = None
    reason: str | None = None
    status: int = 503
    time_left_ms: float = 2_000.0
    leave_ms: float | None = None
    untimed: bool = False
    speed: float = 0.5
    delay_ms: float = 0.0
    new_id: bool = False

    @property
    def close_code(self) -> int:
        """The code to close with."""
        return self.code or _DEFAULT_CODES.get(self.kind, 1011)

    @property
    def close_reason(self) -> str:
        """The reason to close with."""
        return _DEFAULT_REASONS.get(self.kind, "") if self.reason is None else self.reason


class Pace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the agent's audio comes.

    Attributes:
        thinking_ms: From the end of the caller's speech to the first audio.
        speed: How much faster than real time audio is sent; below 1 is slower.
        first_chunk_ms: Length of the first pieces ...
        first_chunks: ... and how many they are.
        chunk_ms: Length of the pieces after them.
    """

    thinking_ms: float = 350.0
    speed: float = 4.0
    first_chunk_ms: int = 40
    first_chunks: int = 5
    chunk_ms: int = 200


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Replies, faults and pace of the simulated agent.

    Attributes:
        replies: Replies by name.
        greeting: The reply to the first typed instruction of a conversation that no prompt fits.
        fallback: The reply to speech or instructions that nothing else fits.
        heard: The reply to each caller clip.
        prompts: Replies to typed instructions; the first that matches is taken.
        faults: What goes wrong.
        pace: How the agent's audio comes.
        late_transcript: The caller's words are sent after the reply has begun, as happens.
        undeclared_tools: Also ask for tools that the client did not declare; the service would not.
        unknown_handle_code: What a resumption handle that was never issued is closed with.
        setup_ms: From the setup message to setupComplete.
    """

    replies: dict[str, Reply]
    greeting: str
    fallback: str
    heard: dict[str, str] = {}
    prompts: tuple[Prompt, ...] = ()
    faults: tuple[Fault, ...] = ()
    pace: Pace = Pace()
    late_transcript: bool = False
    undeclared_tools: bool = False
    unknown_handle_code: int = 1008
    setup_ms: float = 0.0

    def reply_to_text(self, text: str, *, greeted: bool) -> str:
        """Choose the reply to a typed instruction."""
        prompts = [one for one in self.prompts if greeted or one.first]
        reply = next((one.reply for one in prompts if one.matches(text)), None)
        return reply or (self.fallback if greeted else self.greeting)

    def reply_to_clip(self, clip: str | None) -> str:
        """Choose the reply to an utterance; None was not understood."""
        return self.heard.get(clip or "", self.fallback)

    def with_faults(self, *faults: Fault) -> "Scenario":
        """Return this scenario with faults added."""
        return msgspec.structs.replace(self, faults=(*self.faults, *faults))

    def with_pace(self, **changes: float) -> "Scenario":
        """Return this scenario with some of the pace's fields changed."""
        return msgspec.structs.replace(self, pace=msgspec.structs.replace(self.pace, **changes))

    def problems(self, clips: ClipLibrary) -> list[str]:
        """Return what is wrong with the references between the parts, one sentence each."""
        named = {"greeting": self.greeting, "fallback": self.fallback}
        named |= {f"heard.{clip}": reply for clip, reply in self.heard.items()}
        named |= {f"prompts[{i}]": prompt.reply for i, prompt in enumerate(self.prompts)}
        for name, reply in self.replies.items():
            pairs = {
                f"replies.{name}.then": reply.then,
                f"replies.{name}.otherwise": reply.otherwise,
            }
            named |= {key: value for key, value in pairs.items() if value is not None}
        found = [
            f"{key}: no reply is called {r!r}" for key, r in named.items() if r not in self.replies
        ]
        found += [f"heard.{clip}: no clip is called so" for clip in self.heard if clip not in clips]
        found += [
            f"replies.{name}.clip: no clip is called {reply.clip!r}"
            for name, reply in self.replies.items()
            if reply.clip is not None and reply.clip not in clips
        ]
        pace = self.pace
        if min(pace.speed, pace.first_chunk_ms, pace.chunk_ms) <= 0:
            found.append("pace: speed, first_chunk_ms and chunk_ms must be above 0")
        return found


def load_scenario(path: Path, clips: ClipLibrary) -> Scenario:
    """Read a scenario from a JSON file.

    Raises:
        ConfigError: The file cannot be read, or something in it is wrong.
    """
    try:
        scenario = msgspec.json.decode(path.read_bytes(), type=Scenario)
    except (OSError, msgspec.MsgspecError) as exc:
        raise ConfigError([f"{path}: {exc}"]) from exc
    problems = scenario.problems(clips)
    if problems:
        raise ConfigError([f"{path}: {problem}" for problem in problems])
    return scenario


def _demo_replies() -> dict[str, Reply]:
    details = "FWAI Academy: spoken English, office software, web design. Rs 4000 a month."
    booking = {"when": "tomorrow 5 pm", "name": "Caller", "interest": "courses"}
    return {
        "greeting": Reply(clip="greeting"),
        "courses": Reply(clip="courses_answer"),
        "price": Reply(clip="price_answer"),
        "ai": Reply(clip="ai_answer"),
        "send_sms": Reply(
            tools=(ToolRequest("send_sms", {"text": details}),),
            then="sms_sent",
            otherwise="fallback",
        ),
        "sms_sent": Reply(clip="sms_sent"),
        "book_demo": Reply(
            tools=(ToolRequest("book_demo", booking),), then="booked", otherwise="fallback"
        ),
        "booked": Reply(clip="booking_confirmed"),
        "goodbye": Reply(
            clip="goodbye_answer",
            tools=(ToolRequest("end_call", {"reason": "the caller said goodbye"}),),
        ),
        "hindi": Reply(clip="hindi_answer"),
        "time_warning": Reply(clip="time_warning"),
        "fallback": Reply(clip="fallback"),
    }


def demo() -> Scenario:
    """Return the built-in scenario: a caller asks an academy about its courses."""
    return Scenario(
        replies=_demo_replies(),
        greeting="greeting",
        fallback="fallback",
        heard={
            "ask_courses": "courses",
            "barge_in": "price",
            "ask_sms": "send_sms",
            "ask_ai": "ai",
            "book_demo": "book_demo",
            "goodbye": "goodbye",
            "ask_hindi": "hindi",
        },
        prompts=(
            Prompt(("goodbye", "good bye", "hang up"), "goodbye"),
            Prompt(("time", "seconds", "half a minute"), "time_warning"),
        ),
    )
