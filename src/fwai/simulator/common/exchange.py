"""Places outbound calls and delivers messages: what all simulated providers do alike.

A provider adds how it reads a request, which telephone a call gets, and how it words an end.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from fwai.simulator.common.caller import CallReport, Delivery, Step
from fwai.simulator.common.cause import HangupCause
from fwai.simulator.common.fate import RING_S, Fate, Fates, MessageFate
from fwai.simulator.common.phone import Phone

KEEP: Final = 1000

Decision = Fate | Sequence[Step] | HangupCause | None
"""What becomes of a call: a fate; what the one who answers does; the cause for which nobody does;
or None, and it waits in the queue until it is canceled."""


@dataclass(slots=True)
class OutboundCall:
    """An outbound call that the server asked for.

    Attributes:
        id: The provider's.
        fate: What the script of the number says; None: ``on_call`` decides, or the default.
        report: How the call went, once it is over.
        done: Set when it is over.
    """

    id: str
    fate: Fate | None = field(default=None, kw_only=True)
    report: CallReport | None = field(default=None, kw_only=True)
    done: asyncio.Event = field(default_factory=asyncio.Event, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """A text message that the server sent.

    Attributes:
        id: The provider's.
        src: From whom.
        dst: To whom, one destination.
        text: What.
        fate: What becomes of it.
        reports: How each delivery report came out.
        done: Set when all reports are sent.
    """

    id: str
    src: str
    dst: str
    text: str
    fate: MessageFate = field(kw_only=True)
    reports: list[Delivery] = field(default_factory=list, kw_only=True)
    done: asyncio.Event = field(default_factory=asyncio.Event, repr=False, kw_only=True)


CallT = TypeVar("CallT", bound=OutboundCall)
MessageT = TypeVar("MessageT", bound=OutboundMessage)
PhoneT = TypeVar("PhoneT", bound=Phone)


class ProviderExchange(ABC, Generic[CallT, MessageT, PhoneT]):
    """Places calls and delivers messages, as their fates say.

    Args:
        on_call: Decides on calls to numbers without a fate; without it they are answered.
        clock_scale: How much faster than the clock ring timeouts pass.

    Attributes:
        fates: What becomes of calls, by number.
        message_fates: What becomes of messages, by number.
        calls: The last 1000 calls that were asked for.
        messages: The last 1000 text messages.
    """

    def __init__(self, on_call: Callable[[CallT], Decision] | None, clock_scale: float) -> None:
        self.fates: Fates[Fate] = Fates()
        self.message_fates: Fates[MessageFate] = Fates()
        self.on_call = on_call
        self.calls: deque[CallT] = deque(maxlen=KEEP)
        self.messages: deque[MessageT] = deque(maxlen=KEEP)
        self._clock_scale = clock_scale

    # ---- what a provider adds ------------------------------------------------------------------

    @abstractmethod
    def began(self, phone: PhoneT) -> None:
        """Note a call that exists from now on."""

    @abstractmethod
    def ended(self, phone: PhoneT) -> None:
        """Note a call that is over."""

    @abstractmethod
    def _held(self, placed: CallT, fate: Fate) -> bool:
        """Tell whether a call does not go out now; what keeps it waits for it."""

    @abstractmethod
    def _ring_timeout_s(self, placed: CallT) -> float:
        """Return after how long the caller gives up."""

    @abstractmethod
    def _phone(self, placed: CallT, fate: Fate, ring_s: float) -> PhoneT:
        """Return the telephone that is called."""

    @abstractmethod
    async def _decline(
        self, phone: PhoneT, fate: Fate, ring_s: float, *, timed_out: bool
    ) -> CallReport:
        """Let a telephone ring that nobody answers."""

    @abstractmethod
    async def _send_reports(self, message: MessageT) -> None:
        """Send the delivery reports of a message, if it asked for them."""

    # ---- calls ---------------------------------------------------------------------------------

    def find(self, call_id: str) -> CallT | None:
        """Return an outbound call."""
        return next((one for one in self.calls if one.id == call_id), None)

    async def place(self, placed: CallT) -> None:
        """Carry an outbound call to its end."""
        fate = self._decide(placed)
        if self._held(placed, fate):
            return
        ring_s, timed_out = fate.ringing(self._ring_timeout_s(placed), self._clock_scale)
        phone = self._phone(placed, fate, ring_s)
        if fate.is_answered and not timed_out:
            placed.report = await phone.call(fate.steps)
        else:
            placed.report = await self._decline(phone, fate, ring_s, timed_out=timed_out)
        placed.done.set()

    def _decide(self, placed: CallT) -> Fate:
        if placed.fate is not None or self.on_call is None:
            return placed.fate or Fate()
        decision = self.on_call(placed)
        if decision is None:
            return Fate(outcome="queued")
        if isinstance(decision, Fate):
            return decision
        if isinstance(decision, HangupCause):
            return self._fate_of(decision)
        return Fate(script=decision)

    def _fate_of(self, cause: HangupCause) -> Fate:
        """Return the fate of a call that ends by this cause."""
        return Fate(outcome="rejected", cause=cause, ring_s=RING_S)

    async def report(self, call_id: str, timeout_s: float) -> CallReport:
        """Wait for the end of an outbound call and return how it went.

        Raises:
            KeyError: No such call was asked for.
            TimeoutError: It is not over in time.
        """
        placed = self.find(call_id)
        if placed is None:
            raise KeyError(call_id)
        async with asyncio.timeout(timeout_s):
            await placed.done.wait()
        if placed.report is None:
            raise KeyError(call_id)
        return placed.report

    # ---- messages ------------------------------------------------------------------------------

    async def report_message(self, message: MessageT) -> None:
        """Send the delivery reports of a message, and mark it as done."""
        await self._send_reports(message)
        message.done.set()

    async def delivered(self, message_id: str, timeout_s: float) -> MessageT:
        """Wait until all delivery reports of a message are sent and return it.

        Raises:
            KeyError: No such message was sent.
            TimeoutError: They are not sent in time.
        """
        sent = next((one for one in self.messages if one.id == message_id), None)
        if sent is None:
            raise KeyError(message_id)
        async with asyncio.timeout(timeout_s):
            await sent.done.wait()
        return sent
