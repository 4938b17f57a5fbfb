"""Live calls: what providers tell of them, what may be done to them, and their events."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self

from fwai.domain.call import (
    Call,
    CallId,
    CallOffer,
    CallState,
    DialOrder,
    EndReason,
    StreamTicket,
)
from fwai.domain.events import ToolCall, ToolResult
from fwai.domain.read_back import Confirmation, ReadBack
from fwai.domain.sentence import Fallback, Sentence, SpokenSentence
from fwai.interfaces.media import CallerLeg

Event = Mapping[str, Any]
"""One event of a live call: ``id`` (counting up), ``type`` and what belongs to the type."""


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

    async def confirm(self, kind: str, recipient: str) -> Confirmation | ReadBack:
        """Return what confirmed a recipient whom the caller dictated, or why nothing has yet.

        The first time it is named nothing has. Waits at most 1.5 s for words that are due.

        Args:
            kind: ``phone`` or ``email``; naming another one of a kind drops the one before.
            recipient: In its only form.
        """
        ...


class ToolRunner(Protocol):
    """Runs the tools the model asks for."""

    async def run(self, request: ToolCall, call: Call, actions: CallActions) -> ToolResult:
        """Run one tool; a failure is a result, never an exception."""
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


class Sentences(Protocol):
    """The sentences that are said without the model."""

    def of(self, agent: str, sentence: Sentence) -> SpokenSentence:
        """Return a sentence in the voice and language of an agent, as near as they are at hand.

        Neither blocks nor fails: what is not there yet in the agent's own voice is said in that of
        the clips that ship, in its language or else in English.
        """
        ...


class CallFallback(Protocol):
    """What is done for a caller whose agent cannot be brought back. No method raises."""

    def kind(self, call: Call) -> Fallback:
        """Return what this call's caller gets; a transfer only where one is possible."""
        ...

    async def transfer(self, call: Call) -> bool:
        """Connect the caller with a human once the media stream is closed; False when it failed."""
        ...

    async def keep_message(self, call: Call, pcm: bytes, sample_rate: int) -> bool:
        """Keep what the caller said and write down that they are to be called back.

        Args:
            call: Whose it is.
            pcm: s16le mono, at most a minute.
            sample_rate: Of it, in Hz.

        Returns:
            False when either failed: then nobody may be told that it was done.
        """
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

    def admission(self, provider: str, token: str) -> AbstractContextManager[bool]:
        """Hold a token for one connection, as long as the context lasts.

        The value says whether a stream with this token may be accepted at all: it is good, it was
        given to ``provider``, and no other connection holds it. The context ends early when a newer
        connection takes over the token of one that was silent.
        """
        ...

    async def carry(self, token: str, provider_call_id: str, leg: CallerLeg) -> bool:
        """Run the call whose stream is open to its end and close the leg.

        A stream that does not say which call it is of (``provider_call_id`` empty) is of the one
        that its token was given for.

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

    async def missed(self, offer: CallOffer, state: CallState, cause: str = "") -> None:
        """Keep a call that came in and was never carried; one that is known stays as it is.

        ``state`` is final.
        """
        ...


class LiveSession(CallActions, Protocol):
    """A call that is being carried."""

    @property
    def call(self) -> Call:
        """What it is."""
        ...

    def say(self, text: str) -> None:
        """Let the agent say something now."""
        ...


class LiveCalls(Protocol):
    """The calls of this process that are not over."""

    def live(self, call_id: CallId) -> bool:
        """Whether a call is carried or rings here."""
        ...

    def session(self, call_id: CallId) -> LiveSession | None:
        """Return the session of a call that is being carried."""
        ...

    def hang_up(self, call_id: CallId) -> bool:
        """End a live call; False when there is none."""
        ...


class CallPlacer(Protocol):
    """Places outbound calls and carries them once they are answered."""

    def live(self, call_id: CallId) -> bool:
        """Whether a call rings or runs here."""
        ...

    def outbound(self, provider: str) -> int:
        """Return how many outbound calls ring or run at a provider."""
        ...

    async def place(self, call: Call, line: OutboundLine, order: DialOrder) -> str:
        """Place a call and return the provider's id of it.

        Raises:
            ApiError: It was not placed; ``ApiUnknownError`` when that cannot be known.
            BusyError: This server has no room.
        """
        ...


class LiveEventSubscription(Protocol):
    """One subscriber's events of one call; iteration stops after the event of type ``end``.

    A step that is cancelled loses nothing.
    """

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> Event: ...

    def close(self) -> None:
        """Unsubscribe; more than once does nothing."""
        ...


class LiveEventSource(Protocol):
    """Publishes the events of live calls to subscribers."""

    def subscribe(self, call_id: CallId, after: int = 0) -> LiveEventSubscription:
        """Subscribe to a call; events up to the id ``after`` are left out. Close the result."""
        ...
