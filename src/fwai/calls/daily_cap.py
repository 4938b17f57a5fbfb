"""How many calls of ours may begin in a day, so that no mistake and no stolen key rings on."""

from collections.abc import Awaitable, Callable
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from fwai.interfaces.limits import UNHEARD, LimitAlarms

ASK_S: Final = 60.0

# Returns how many calls of ours began at a moment or later.
BegunSince = Callable[[datetime], Awaitable[int]]


class DailyCap:
    """Counts the calls of ours that begin in a day of the zone.

    The database knows how many began, also before this process and in others; it is asked once a
    minute, and what begins here meanwhile is added. Calls that are dialled in the same moment may
    pass the cap together: by as many as are dialled at once, and no more.

    Args:
        most: How many in a day.
        begun_since: Counts those that are kept; it raises ``StoreError``.
        zone: Whose days.
        clock: The time now, aware.
        alarms: Told when the cap was reached.
    """

    def __init__(
        self,
        most: int,
        begun_since: BegunSince,
        zone: ZoneInfo,
        clock: Callable[[], datetime],
        alarms: LimitAlarms = UNHEARD,
    ) -> None:
        self._most = most
        self._begun_since = begun_since
        self._zone = zone
        self._clock = clock
        self._alarms = alarms
        self._counted = 0
        self._counted_at: datetime | None = None

    async def until(self) -> datetime | None:
        """Return when the next call may begin; None is now.

        Raises:
            StoreError: The database failed.
        """
        now = self._clock()
        midnight = self._midnight(now)
        known = self._counted_at
        fresh = known is not None and max(midnight, now - timedelta(seconds=ASK_S)) <= known <= now
        if not fresh:
            self._counted = await self._begun_since(midnight)
            self._counted_at = now
        if self._counted < self._most:
            return None
        self._alarms.reached("OUTBOUND_CALLS_PER_DAY", self._most)
        return self._midnight(midnight + timedelta(hours=36))

    def begun(self) -> None:
        """Count a call that begins here."""
        self._counted += 1

    def _midnight(self, moment: datetime) -> datetime:
        day = moment.astimezone(self._zone).date()
        return datetime.combine(day, time(), self._zone)
