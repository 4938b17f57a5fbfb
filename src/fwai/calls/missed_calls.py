"""Keeps calls that came in and were never carried: given up too soon, refused, or not answerable.

Each is a record like any other, written once and closed from the start, so that a caller who got
nobody stands on the list of calls and n8n hears of it. Somebody who lets calls rain down on a full
server must not fill its disk: so many are kept at once, and then one a second.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import structlog

from fwai.calls.call_records import CallRecords
from fwai.calls.live_call import LiveCallRegistry
from fwai.domain.call import Call, CallEnding, CallOffer, CallState, Direction, EndReason

MOST_AT_ONCE: Final = 120
PER_SECOND: Final = 1.0
MAX_REMEMBERED: Final = 2_000
_log = structlog.get_logger()

CallKey = tuple[str, str]
"""A provider and its id of a call."""


class MissedCalls:
    """Keeps missed calls.

    Args:
        new_call: Makes the call of an offer.
        clock: Monotonic time in seconds.

    Attributes:
        left_out: How many were not kept because too many came.
    """

    def __init__(
        self,
        live: LiveCallRegistry,
        records: CallRecords,
        new_call: Callable[[CallOffer], Call],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._live = live
        self._records = records
        self._new_call = new_call
        self._clock = clock
        self._room = float(MOST_AT_ONCE)
        self._room_at = clock()
        self._refused: OrderedDict[CallKey, None] = OrderedDict()
        self._carried: OrderedDict[CallKey, None] = OrderedDict()
        self.left_out = 0

    def carried(self, call: Call) -> None:
        """Remember a call that has a record of its own: late news of it make no second one."""
        _remember(self._carried, (call.provider, call.provider_call_id))

    def was_refused(self, provider: str, provider_call_id: str) -> bool:
        """Whether a call was refused here: if it comes again there may be room."""
        return (provider, provider_call_id) in self._refused

    async def refused(self, offer: CallOffer, why: str) -> None:
        """Keep a call that there was no room for."""
        _remember(self._refused, (offer.provider, offer.provider_call_id))
        await self.missed(offer, CallState.BUSY, why)

    async def missed(self, offer: CallOffer, state: CallState, cause: str) -> None:
        """Keep a call that came in and was never carried; one that is known stays as it is."""
        key = (offer.provider, offer.provider_call_id)
        inbound = offer.direction is Direction.INBOUND and not offer.call_id
        if not inbound or not offer.provider_call_id or key in self._carried:
            return
        if self._live.find(*key) is not None:
            return
        if not self._has_room():
            self.left_out += 1
            if self.left_out & (self.left_out - 1) == 0:  # the first, the second, the fourth, ...
                _log.error("missed_calls_left_out", calls=self.left_out)
            return
        # The carrier may count it as answered; nobody spoke with them.
        state = CallState.NO_ANSWER if state is CallState.COMPLETED else state
        call = self._new_call(offer)
        _log.info("call_missed", call_id=call.id, provider=call.provider, state=state.value)
        await self._records.missed(call, CallEnding(state, EndReason.NEVER_CONNECTED, cause=cause))

    def _has_room(self) -> bool:
        now = self._clock()
        self._room = min(self._room + (now - self._room_at) * PER_SECOND, MOST_AT_ONCE)
        self._room_at = now
        if self._room < 1.0:
            return False
        self._room -= 1.0
        return True


def _remember(keys: OrderedDict[CallKey, None], key: CallKey) -> None:
    keys[key] = None
    keys.move_to_end(key)
    if len(keys) > MAX_REMEMBERED:
        keys.popitem(last=False)
