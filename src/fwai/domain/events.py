"""Events that the caller's leg and the agent's leg send to the session."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# ---- from the caller's leg ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallerAudio:
    """Caller audio: s16le mono at the leg's sample rate, any whole number of samples."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class DtmfPressed:
    """The caller pressed a key: ``0``-``9``, ``*``, ``#`` or ``A``-``D``."""

    digit: str


@dataclass(frozen=True, slots=True)
class MarkReached:
    """The carrier played everything that was queued before the mark of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class CallerHungUp:
    """The caller's leg has ended.

    Attributes:
        failed: The stream broke rather than ended.
    """

    failed: bool = False


CallerEvent = CallerAudio | DtmfPressed | MarkReached | CallerHungUp

# ---- from the agent's leg -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgentAudio:
    """Agent audio: s16le mono at 24 kHz."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Barge-in: the caller spoke over the agent; unplayed audio must be dropped."""


@dataclass(frozen=True, slots=True)
class GenerationEnded:
    """The model has generated the whole reply; it may still be playing."""


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The model considers its turn over and listens."""


@dataclass(frozen=True, slots=True)
class CallerSaid:
    """A piece of the transcript of the caller's speech, to be appended as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class CallerRepeats:
    """The caller's unanswered speech is heard anew, so its transcript will come anew."""


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """A piece of the transcript of the agent's speech, to be appended as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model requests a tool call.

    Attributes:
        id: The model's id for this request, echoed in the result.
        name: The tool's name.
        args: The model's arguments, not validated yet.
    """

    id: str
    name: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolsCancelled:
    """The model no longer wants these tool calls; they must not be answered."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TokensUsed:
    """Tokens of one turn, by name; the whole context is billed each turn, so they are summed."""

    tokens: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AgentReady:
    """The model session is open.

    Attributes:
        resumed: It goes on where an earlier connection of this call stopped.
    """

    resumed: bool = False


@dataclass(frozen=True, slots=True)
class AgentAway:
    """The model session could not be opened, or was lost; it may be back with an ``AgentReady``.

    Attributes:
        cause: Why, in words an operator can act on.
    """

    cause: str


@dataclass(frozen=True, slots=True)
class AgentLost:
    """The model session is over and cannot be brought back.

    Attributes:
        cause: Why, in words an operator can act on; empty when that is not known.
    """

    cause: str = ""


AgentEvent = (
    AgentAudio
    | Interrupted
    | GenerationEnded
    | TurnEnded
    | CallerSaid
    | CallerRepeats
    | AgentSaid
    | ToolCall
    | ToolsCancelled
    | TokensUsed
    | AgentReady
    | AgentAway
    | AgentLost
)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool call.

    Attributes:
        id: The model's id of the request.
        name: The tool's name.
        ok: Whether it did what it says.
        text: One sentence for the model.
        data: Structured data for the model beside the sentence; may be empty.
        silent: The model should not speak about it.
    """

    id: str
    name: str
    ok: bool
    text: str
    data: Mapping[str, Any]
    silent: bool = False
