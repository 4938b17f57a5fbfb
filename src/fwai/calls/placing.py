"""Places outbound calls: the model session is opened while the phone rings."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from fwai.calls.call_records import ANSWER_S, CallRecords
from fwai.calls.call_runner import CallRunner
from fwai.calls.live_call import LiveCall, LiveCallRegistry
from fwai.calls.stream_tokens import StreamTokens
from fwai.domain.call import Call, CallId, CallOffer, CallState, DialOrder, EndReason
from fwai.errors import ApiUnknownError
from fwai.interfaces.calls import CallControl, OutboundLine

STREAM_S: Final = 30.0  # from the answer to the stream
DIAL_S: Final = 25.0  # above what a provider's client may take
NAMED_S: Final = 1.0  # for the provider's id to be kept before the dial job is settled

# Begins a call, whose stream may take so many seconds to come; raises ``BusyError``.
BeginCall = Callable[[Call, CallControl, float], LiveCall]


class OutboundPlacer:
    """Places calls that the archive knows. Implements ``CallPlacer``.

    Args:
        begin: Begins a call's task.
        forget: Lets go of a call that was never placed.
    """

    def __init__(
        self,
        live: LiveCallRegistry,
        tokens: StreamTokens,
        records: CallRecords,
        runner: CallRunner,
        begin: BeginCall,
        forget: Callable[[LiveCall], None],
    ) -> None:
        self._live = live
        self._tokens = tokens
        self._records = records
        self._runner = runner
        self._begin = begin
        self._forget = forget

    def live(self, call_id: CallId) -> bool:
        """Whether a call is carried or rings here."""
        return self._live.get(call_id) is not None

    def outbound(self, provider: str) -> int:
        """Return how many outbound calls a provider carries or rings now."""
        return self._live.outbound(provider)

    async def place(self, call: Call, line: OutboundLine, order: DialOrder) -> str:
        """Place a call that the archive knows, its model session open while it rings.

        When it cannot be known whether it was placed, its news are waited for all the same.

        Returns:
            The provider's id of it.

        Raises:
            ApiError: It was not placed; ``ApiUnknownError`` when that cannot be known.
            BusyError: This server has no room.
        """
        live = self._begin(call, line, order.ring_s + STREAM_S)
        token = self._tokens.mint(call.id, call.provider, "", order.ring_s + STREAM_S)
        try:
            async with asyncio.timeout(DIAL_S):
                provider_call_id = await line.dial(replace(order, token=token))
        except ApiUnknownError:
            raise
        except TimeoutError:
            raise ApiUnknownError(call.provider, f"no answer within {DIAL_S:.0f} s") from None
        except BaseException:
            live.abandoned = True
            live.end(EndReason.NOT_DIALED, CallState.FAILED)
            self._forget(live)  # it may be placed again at once
            raise
        if not live.call.provider_call_id:  # else its news came first; the id there is the call's
            await self.bind(live, provider_call_id, NAMED_S)
        given_up = live.over.is_set() or live.told_state is not None
        given_up &= not live.adopted_elsewhere
        if given_up and live.told_reason is not EndReason.CALLER_HUNG_UP:
            await self._runner.hang_up_carrier(live)  # there was nothing to hang up until now
        return provider_call_id

    async def answered(self, offer: CallOffer, control: CallControl) -> LiveCall | None:
        """Return the call of ours that was answered; None when it is over or not ours."""
        live = self._live.get(offer.call_id)
        if live is None:
            # It was placed before a restart: it goes on here.
            record = await self._records.record(offer.call_id, ANSWER_S)
            if record is None or record.state not in (CallState.DIALING, CallState.RINGING):
                return None
            live = self._live.get(offer.call_id) or self._begin(record.call, control, STREAM_S)
        await self.bind(live, offer.provider_call_id)
        return live

    async def bind(self, live: LiveCall, provider_call_id: str, within_s: float = 0.0) -> None:
        """Keep the provider's id of an outbound call, whoever tells it first."""
        if self._live.bind(live, provider_call_id):
            await self._records.named(live.call, within_s)

    async def ringing(self, call_id: CallId, provider_call_id: str) -> None:
        """Keep that an outbound call rings, here or placed before a restart."""
        live = self._live.get(call_id)
        if live is not None:
            await self.bind(live, provider_call_id)
            await self._records.moved(live.call, CallState.RINGING, at=live.clock.now())
            return
        record = await self._records.record(call_id)
        if record is not None and record.state is CallState.DIALING:  # placed before a restart
            call = replace(record.call, provider_call_id=provider_call_id)
            await self._records.named(call)
            await self._records.moved(call, CallState.RINGING)
