"""Promises to call a caller back as soon as may be, when nobody can agree on a time with them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fwai.domain.call import Call
from fwai.domain.callback import Callback, CallbackState
from fwai.domain.hours import CallingHours
from fwai.domain.phone import PhoneError, dialable
from fwai.errors import ToolError
from fwai.interfaces.store import DoNotCallList
from fwai.interfaces.tools import ToolContext
from fwai.tools.callbacks import CallbackScheduler

AFTER: Final = timedelta(minutes=2)
"""From the promise to the call: their line must be free again."""
SERVES: Final = timedelta(minutes=30)
"""A promise that fell due so shortly before serves a further call of theirs, too."""
_WHAT: Final = "callback_soon"


class SoonCallbacks:
    """Promises callbacks `AFTER` now, or else when the calling hours begin.

    Args:
        scheduler: Whose limits hold.
        people: Who must not be called.
        zone: Time zone of the callers.
        hours: When calls may be made.
        clock: The current time, timezone-aware.
    """

    def __init__(
        self,
        scheduler: CallbackScheduler,
        people: DoNotCallList,
        *,
        zone: ZoneInfo,
        hours: CallingHours,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._scheduler = scheduler
        self._people = people
        self._zone = zone
        self._hours = hours
        self._clock = clock

    def possible(self, call: Call) -> bool:
        """Whether the caller has a number that we may call, as far as that is known at once."""
        if not call.caller or not self._scheduler.dials:
            return False
        try:
            dialable(call.caller)
        except PhoneError:
            return False
        return not self._scheduler.refusal(call.caller, call)

    async def promise(self, call: Call, note: str) -> Callback:
        """Promise the caller a callback, or return the one that they will have anyway.

        Raises:
            ToolError: They may not be called, or no further promise may be made.
            StoreError: The database failed; nothing was promised.
        """
        if not self.possible(call):
            raise ToolError("They cannot be called back.")
        if await self._people.do_not_call(call.caller):
            raise ToolError("They are on the list of people we do not call.")
        at = self._hours.next_open(self._clock() + AFTER, self._zone).astimezone(self._zone)
        context = ToolContext(call.caller, call.id, call)
        for one in await self._scheduler.open_for(context):
            if one.state is CallbackState.SCHEDULED and at - SERVES <= one.due_at <= at:
                return one
        return await self._scheduler.add(context.key(_WHAT, {}), at, note, context)
