"""One stand-in for the call manager and one for who hears of messages; kits build on them."""

import asyncio
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from fwai.domain.call import CallId, CallOffer, CallState, DialOrder, StreamTicket
from fwai.domain.events import CallerEvent, CallerHungUp
from fwai.errors import BusyError, StoreError
from fwai.interfaces.calls import CallControl, OutboundLine
from fwai.interfaces.media import CallerLeg

TOKEN = "tok-_1"
TICKET = StreamTicket(CallId("20261122-ab"), TOKEN)
OURS = CallId("20261122-cd")


@dataclass
class FakeCalls:
    """A CallHandler that remembers what it was told and carries nothing.

    Attributes:
        ticket: Answers offers; None: the call is over.
        tokens: Admitted.
        endings: What was told of ends, without our id.
        ended_for: Our id that was told with each of them.
        rang: Our id and the provider's of each call that rings.
        machines: Provider and id of each call that a machine took.
        control: Of the last offer.
        misses: Calls that were told to be missed, their state and cause.
    """

    ticket: StreamTicket | None = TICKET
    busy: bool = False
    tokens: set[str] = field(default_factory=set)
    offers: list[CallOffer] = field(default_factory=list)
    endings: list[tuple[str, str, CallState, str]] = field(default_factory=list)
    ended_for: list[str] = field(default_factory=list)
    rang: list[tuple[str, str]] = field(default_factory=list)
    machines: list[tuple[str, str]] = field(default_factory=list)
    control: CallControl | None = None
    misses: list[tuple[CallOffer, CallState, str]] = field(default_factory=list)

    async def offer(self, offer: CallOffer, control: CallControl) -> StreamTicket | None:
        self.offers.append(offer)
        self.control = control
        if self.busy:
            raise BusyError("all lines are in use")
        return self.ticket

    def admission(self, provider: str, token: str) -> AbstractContextManager[bool]:
        return nullcontext(token in self.tokens)

    async def carry(self, token: str, provider_call_id: str, leg: CallerLeg) -> bool:
        return False

    async def ringing(self, call_id: CallId, provider_call_id: str) -> None:
        self.rang.append((call_id, provider_call_id))

    async def machine_answered(self, provider: str, provider_call_id: str) -> None:
        self.machines.append((provider, provider_call_id))

    async def ended(
        self,
        provider: str,
        provider_call_id: str,
        state: CallState,
        cause: str = "",
        *,
        call_id: CallId = CallId(""),  # noqa: B008 - a plain string
    ) -> None:
        self.endings.append((provider, provider_call_id, state, cause))
        self.ended_for.append(call_id)
        await self.over_with(provider_call_id, state, cause)

    async def missed(self, offer: CallOffer, state: CallState, cause: str = "") -> None:
        self.misses.append((offer, state, cause))

    async def over_with(self, provider_call_id: str, state: CallState, cause: str) -> None:
        """Act on the end of a call; kits override it."""

    @property
    def untouched(self) -> bool:
        return not (self.offers or self.endings or self.rang or self.machines)


@dataclass
class PlacedCalls(FakeCalls):
    """Places one call and carries it, as the manager does, until somebody hangs up.

    Attributes:
        news: What happened, in order.
        stays: Carry until the caller hangs up; False leaves at once.
    """

    news: list[str] = field(default_factory=list)
    stays: bool = True
    line: OutboundLine | None = None
    provider_call_id: str = ""
    carried: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    leave: asyncio.Event = field(default_factory=asyncio.Event)

    async def place(self, line: OutboundLine, order: DialOrder) -> str:
        """Dial; what comes of it is in ``news``."""
        self.line = line
        self.ticket = StreamTicket(order.call_id, TOKEN)
        self.tokens.add(TOKEN)
        self.provider_call_id = await line.dial(order)
        return self.provider_call_id

    async def until_over(self, within_s: float = 10.0) -> CallState:
        """Wait for the end and return how the provider says it came out."""
        async with asyncio.timeout(within_s):
            await self.over.wait()
        return self.endings[0][2]

    async def offer(self, offer: CallOffer, control: CallControl) -> StreamTicket | None:
        self.news.append("offered")
        return await super().offer(offer, control)

    async def carry(self, token: str, provider_call_id: str, leg: CallerLeg) -> bool:
        if token not in self.tokens:
            return False
        self.tokens.clear()
        self.news.append("carried")
        leg.listen(self._hear)
        self.carried.set()
        if self.stays:
            await self.leave.wait()
        await leg.close()
        return True

    def _hear(self, event: CallerEvent) -> None:
        if isinstance(event, CallerHungUp):
            self.leave.set()

    async def ringing(self, call_id: CallId, provider_call_id: str) -> None:
        await super().ringing(call_id, provider_call_id)
        self.news.append("ringing")

    async def machine_answered(self, provider: str, provider_call_id: str) -> None:
        """Hang up, as the manager does by default."""
        await super().machine_answered(provider, provider_call_id)
        self.news.append("machine")
        self.leave.set()
        if self.line is not None:
            await self.line.hang_up(provider_call_id)

    async def missed(self, offer: CallOffer, state: CallState, cause: str = "") -> None:
        self.misses.append((offer, state, cause))

    async def over_with(self, provider_call_id: str, state: CallState, cause: str) -> None:
        self.news.append(state.value)
        self.leave.set()
        self.over.set()


@dataclass
class FakeReports:
    """Hears how messages fare: provider, id, status, reference and error of each report.

    Attributes:
        sick: The database is away: nothing is kept yet.
    """

    heard: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    sick: bool = False

    async def reported(
        self, provider: str, message_id: str, status: str, *, reference: str = "", error: str = ""
    ) -> None:
        self.heard.append((provider, message_id, status, reference, error))
        if self.sick:
            raise StoreError("the report is not kept yet")


def an_order(to: str = "+919999900001", **more: object) -> DialOrder:
    facts: dict[str, object] = {"call_id": OURS, "to": to, "token": TOKEN, **more}
    return DialOrder(**facts)  # type: ignore[arg-type]
