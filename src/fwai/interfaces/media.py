"""The two legs of a call, and its recorder.

Audio and events travel by plain synchronous calls, from the socket of one leg to the socket of
the other: no queue, no task switch and so no waiting on the way of a frame. Whatever has to wait
(a tool, a REST call) is started by the session as a task of the call.
"""

from collections.abc import Callable
from typing import Protocol

from fwai.domain.events import AgentEvent, CallerEvent, ToolResult


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

    def renew(self, *, fresh: bool) -> None:
        """Give up the connection, which does not answer, and go on with another one.

        Args:
            fresh: As a new session that is told what was said so far; else the service's own
                memory of the conversation is resumed.
        """
        ...

    def close(self) -> None:
        """End the session; ``run`` returns soon after."""
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
