"""Calls: identity, states, end reasons, offers and dial orders."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

CallId = NewType("CallId", str)


class Direction(enum.StrEnum):
    """Who dialled."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class CallState(enum.StrEnum):
    """State of a call; the last six are final and never change."""

    QUEUED = "queued"
    SCHEDULED = "scheduled"
    DIALING = "dialing"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"

    @property
    def final(self) -> bool:
        """Whether the call is over."""
        return self in FINAL_STATES

    @property
    def on_line(self) -> bool:
        """Whether a line is in use for the call."""
        return self in (CallState.DIALING, CallState.RINGING, CallState.IN_PROGRESS)

    def may_become(self, new: "CallState") -> bool:
        """Whether ``new`` is a legal next state: forward only, and never out of a final one."""
        if self.final:
            return False
        return new.final or _ORDER.index(new) > _ORDER.index(self)


FINAL_STATES = frozenset(
    {
        CallState.COMPLETED,
        CallState.NO_ANSWER,
        CallState.BUSY,
        CallState.FAILED,
        CallState.CANCELED,
        CallState.REJECTED,
    }
)
_ORDER = (
    CallState.QUEUED,
    CallState.SCHEDULED,
    CallState.DIALING,
    CallState.RINGING,
    CallState.IN_PROGRESS,
)


class EndReason(enum.StrEnum):
    """Why a call ended; ``CallState`` says how."""

    CALLER_HUNG_UP = "caller_hung_up"
    AGENT_HUNG_UP = "agent_hung_up"
    TIME_LIMIT = "time_limit"
    SILENCE = "silence"
    NEVER_CONNECTED = "never_connected"
    AGENT_FAILED = "agent_failed"
    STREAM_FAILED = "stream_failed"
    OPERATOR = "operator"
    VOICEMAIL = "voicemail"
    TRANSFERRED = "transferred"
    NOT_DIALED = "not_dialed"
    SERVER_STOPPED = "server_stopped"
    SERVER_CRASHED = "server_crashed"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class Call:
    """One telephone call.

    Attributes:
        id: Ours, unique and safe in paths and URLs; the same on every provider.
        provider: ``plivo``, ``exotel``, ``whatsapp`` or ``browser``.
        direction: Who dialled.
        caller: The remote party's number in E.164 form; empty when withheld.
        line: Our own number in E.164 form.
        agent: Id of the agent in prompts.json.
        provider_call_id: The provider's id; empty until it is known.
        context: Values for the prompt's placeholders.
        listen_only: The agent hears the call and can say and do nothing.
        callback_id: The scheduled callback it is made for; empty for none.
        webhook_url: Where its events go besides the operator's own address; empty for nowhere.
    """

    id: CallId
    provider: str
    direction: Direction
    caller: str
    line: str
    agent: str
    provider_call_id: str = ""
    context: Mapping[str, str] = field(default_factory=dict)
    listen_only: bool = False
    callback_id: str = ""
    webhook_url: str = ""


@dataclass(frozen=True, slots=True)
class CallOffer:
    """A call as its provider announces it.

    Attributes:
        provider: Who carries it.
        provider_call_id: Its id there.
        direction: Who dialled.
        caller: The remote party, E.164; empty when withheld.
        line: Our number, E.164.
        listen_only: Its stream brings audio and takes none.
        call_id: Ours, of a call that this server placed; empty when it came in.
        agent: Id of the agent whom the caller chose; empty leaves it to the line.
    """

    provider: str
    provider_call_id: str
    direction: Direction
    caller: str
    line: str
    listen_only: bool = False
    call_id: CallId = CallId("")
    agent: str = ""


@dataclass(frozen=True, slots=True)
class StreamTicket:
    """Single-use token that admits one media stream of one call, for a minute.

    Attributes:
        call_id: Ours.
        token: Safe in a URL; single use.
    """

    call_id: CallId
    token: str


@dataclass(frozen=True, slots=True)
class CallEnding:
    """The outcome of a call.

    Attributes:
        state: Its final state.
        reason: Why it ended.
        usage: Summed model tokens, by name; empty when nothing was reported.
        latency_ms: Caller-stopped-speaking to agent-audible per turn, in milliseconds.
        audio_in_s: Caller audio sent to the model, in seconds; None of a call without sound.
        audio_out_s: Agent audio the caller heard, in seconds; the same.
        cause: Why, in words an operator can act on, or the provider's word for it; empty when there
            is none.
    """

    state: CallState
    reason: EndReason
    usage: Mapping[str, int] = field(default_factory=dict)
    latency_ms: tuple[float, ...] = ()
    audio_in_s: float | None = None
    audio_out_s: float | None = None
    cause: str = ""


@dataclass(frozen=True, slots=True)
class DialOrder:
    """A call to dial.

    Attributes:
        call_id: Ours; passed to the provider to match its webhooks.
        to: Whom to call, E.164.
        token: Admits the call's media stream, where the stream's URL is passed when dialling.
        ring_s: How long to let it ring, in seconds.
        max_s: How long the call may last, in seconds.
        detect_machine: Ask the provider for answering machine detection.
    """

    call_id: CallId
    to: str
    token: str
    ring_s: int = 45
    max_s: int = 3600
    detect_machine: bool = False
