"""The few things that can be swapped, and what each must do.

Audio and events travel by plain synchronous calls, from the socket of one leg to the socket of
the other: no queue, no task switch and so no waiting on the way of a frame. Whatever has to wait
(a tool, a REST call) is started by the session as a task of the call.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from fwai.domain.call import (
    Call,
    CallEnding,
    CallId,
    CallOffer,
    CallState,
    DialOrder,
    EndReason,
    StreamTicket,
)
from fwai.domain.events import AgentEvent, CallerEvent, ToolCall, ToolResult
from fwai.domain.record import CallRecord


class CallerLeg(Protocol):
    """The caller's side of a call: a provider's media stream that is already open.

    Its end is told once, as ``CallerHungUp``, and nothing after it. That is ``failed=False``
    however the other side ended it, a broken connection included: carriers drop theirs at ordinary
    hang-ups, too. It is ``failed=True`` when the leg gave up: unreadable messages one after the
    other, a peer that takes nothing for long. One that dies without a word need not be noticed by
    the leg; then it tells nothing at all, and the session's limit for silence ends the call.

    A leg that was closed or hung up on takes every call, does nothing and gives no receipts. No
    method but ``close`` waits, and none raises because of what the other side does; what it does
    not take is dropped.
    """

    @property
    def sample_rate(self) -> int:
        """Samples per second of the audio in both directions, in Hz."""
        ...

    @property
    def max_call_s(self) -> float | None:
        """How long the provider lets a call last, in seconds, or None."""
        ...

    @property
    def lead_ms(self) -> float:
        """How far ahead of the caller's ear speech must be handed over, in milliseconds.

        More makes an interruption slower, less lets a provider run dry that takes large messages.
        """
        ...

    def listen(self, hear: Callable[[CallerEvent], None]) -> None:
        """Deliver every event to ``hear`` from now on; what came before is delivered first."""
        ...

    def play(self, pcm: bytes) -> None:
        """Let the caller hear s16le samples; the caller of this method paces them."""
        ...

    def flush(self) -> None:
        """Let the caller hear what `play` still holds back: no more speech follows for now."""
        ...

    def clear(self) -> None:
        """Drop speech that the provider holds but has not played, and marks not reached yet."""
        ...

    def mark(self, name: str) -> bool:
        """Ask for ``MarkReached(name)`` when the caller has heard all earlier speech.

        A leg without receipts on its wire may tell it a short time after the last of the speech
        has left; it is never told before that.

        Returns:
            False when none will come: this provider has no such receipt, or the leg is over.
        """
        ...

    async def close(self) -> None:
        """Close the media stream and free what it holds; more than once does nothing."""
        ...


class AgentLeg(Protocol):
    """The agent's side of a call: a live speech model."""

    def listen(self, hear: Callable[[AgentEvent], None]) -> None:
        """Deliver every event to ``hear`` from now on; what came before is delivered first."""
        ...

    async def run(self) -> None:
        """Keep the session alive until ``close``; a loss for good is an ``AgentLost`` event."""
        ...

    def hear(self, pcm: bytes, *, speech: bool) -> None:
        """Let the agent hear s16le mono at 16 kHz; never blocks.

        Args:
            pcm: Any whole number of samples.
            speech: Whether they are audible speech.
        """
        ...

    def prompt(self, text: str) -> None:
        """Give the model an instruction that it acts on at once, without the caller hearing it."""
        ...

    def answer_tool(self, result: ToolResult) -> None:
        """Tell the model what its tool call came to; kept and sent later while reconnecting."""
        ...

    def close(self) -> None:
        """End the session; ``run`` returns soon after."""
        ...


class CallActions(Protocol):
    """What a tool may do to the live call it runs in."""

    def finish(
        self, reason: EndReason, before: Callable[[], Awaitable[bool]] | None = None
    ) -> bool:
        """End the call once the agent's last words were heard.

        ``before`` is awaited then; when it says False the call goes on, and the agent is told.

        Returns:
            False when the agent has not said anything in this turn yet, so that a goodbye is
            still to come.
        """
        ...

    def allow(self, what: str, limit: int) -> bool:
        """Count one more use of ``what`` in this call; False when ``limit`` is reached."""
        ...


class ToolRunner(Protocol):
    """Runs the tools the model asks for."""

    async def run(self, request: ToolCall, call: Call, actions: CallActions) -> ToolResult:
        """Run one tool; a failure is a result, never an exception."""
        ...


class SmsSender(Protocol):
    """Sends text messages."""

    async def send_sms(self, to: str, text: str, reference: str = "") -> str:
        """Send ``text`` to an E.164 number and return the provider's message id.

        ``reference`` is ours, safe in a URL; the provider's reports on the message carry it.

        Raises:
            ApiError: It was not sent; ``ApiUnknownError`` when that cannot be known.
        """
        ...


class CallControl(Protocol):
    """Acts on a provider's call from outside its media stream."""

    async def hang_up(self, provider_call_id: str) -> None:
        """End the call; one that is already over is no error.

        Raises:
            ApiError: The provider did not do it.
        """
        ...


class OutboundLine(CallControl, Protocol):
    """Places calls through one provider."""

    @property
    def number(self) -> str:
        """Our number that people see, as far as it is known."""
        ...

    async def dial(self, order: DialOrder) -> str:
        """Place a call and return the provider's id of it; accepted is not yet ringing.

        Its news come to the ``CallHandler``, with ``order.call_id``, maybe before this returns.

        Raises:
            ApiError: It was not accepted; ``ApiUnknownError`` when that cannot be known.
            BusyError: This server or the provider has no room now.
        """
        ...


class CallTransfer(Protocol):
    """Hands a live call over to a human."""

    async def transfer(self, provider_call_id: str) -> None:
        """Let the provider connect the caller to the human once the media stream is closed.

        Raises:
            ApiError: The provider will not do it.
        """
        ...


class MessageReports(Protocol):
    """Hears how messages fare."""

    async def reported(
        self, provider: str, message_id: str, status: str, *, reference: str = "", error: str = ""
    ) -> None:
        """Take in a report.

        ``status`` and ``error`` are the provider's words, the latter empty when nothing is wrong;
        ``reference`` is what the message was sent with, empty when the provider does not say.
        """
        ...


class CallLog(Protocol):
    """Where one call's story is written down while it happens. No method blocks or raises."""

    def caller_said(self, text: str, at: float, turn: int) -> None:
        """Keep words of the caller; ``at`` is Unix time of their start, in seconds.

        One turn may come in several pieces, so that a crash loses little; readers join pieces
        of the same role and ``turn``.
        """
        ...

    def agent_said(self, text: str, at: float, turn: int, *, interrupted: bool = False) -> None:
        """Keep words of the agent that the caller heard; ``interrupted`` on a cut turn's last."""
        ...

    def tool_finished(
        self, request: ToolCall, result: ToolResult, at: float, elapsed_ms: float
    ) -> None:
        """Keep a tool call and its outcome."""
        ...

    def note(self, what: str, at: float, **facts: str | float | bool) -> None:
        """Keep a system event such as ``reconnected`` or ``dtmf``."""
        ...


class Recorder(Protocol):
    """Writes both sides of a call to disk on one time line. No method blocks or raises."""

    def caller(self, pcm: bytes, at: float) -> None:
        """Add what the caller said, s16le at the leg's rate; ``at`` is the session clock's time."""
        ...

    def agent(self, pcm: bytes, at: float) -> None:
        """Add what the caller will hear from time ``at`` on."""
        ...

    def cut(self, at: float) -> None:
        """Forget agent audio after ``at``: the caller interrupted it."""
        ...

    async def close(self) -> None:
        """Finish the file."""
        ...


class CallArchive(Protocol):
    """What is kept of all calls."""

    async def open(self, call: Call, state: CallState, at: float) -> None:
        """Keep a new call."""
        ...

    async def get(self, call_id: CallId) -> CallRecord | None:
        """Return a call, or None when it is unknown."""
        ...

    async def set_provider_id(self, call_id: CallId, provider_call_id: str) -> None:
        """Keep the provider's id, which an outbound call has only once it was placed."""
        ...

    def log(self, call: Call) -> CallLog:
        """Return the log to write this call's story into."""
        ...

    async def state_of(self, provider: str, provider_call_id: str) -> CallState | None:
        """Return the state of a call by its provider's id, or None when it is not known."""
        ...

    async def set_state(self, call_id: CallId, state: CallState, at: float) -> bool:
        """Move a call to ``state``; False when that is not a legal step."""
        ...

    async def end(self, call: Call, ending: CallEnding, at: float) -> bool:
        """Close a call; False when it was closed before."""
        ...


class CallHandler(Protocol):
    """What a provider's routes tell the rest of the process about calls."""

    async def offer(self, offer: CallOffer, control: CallControl) -> StreamTicket | None:
        """A carrier asks what to do with a call: prepare the agent's side and admit one stream.

        A repeated offer of the same call is answered with a new ticket for it. The offer of a call
        that this server placed names it.

        Returns:
            None when the call is over or its stream is open already.

        Raises:
            BusyError: No further call can be carried now.
        """
        ...

    def admits(self, token: str) -> bool:
        """Whether a stream with this token may be accepted at all."""
        ...

    async def carry(self, token: str, provider_call_id: str, leg: CallerLeg) -> bool:
        """Run the call whose stream is open to its end and close the leg.

        Returns:
            False when the token does not fit the call; nothing was done.
        """
        ...

    async def ringing(self, call_id: CallId, provider_call_id: str) -> None:
        """A call of ours rings."""
        ...

    async def machine_answered(self, provider: str, provider_call_id: str) -> None:
        """A machine, not a person, answered a call of ours."""
        ...

    async def ended(
        self,
        provider: str,
        provider_call_id: str,
        state: CallState,
        cause: str = "",
        *,
        call_id: CallId = CallId(""),  # noqa: B008 - a plain string
    ) -> None:
        """The provider says that the call is over; saying it again does nothing.

        ``call_id`` is ours, where the provider was given it.
        """
        ...
