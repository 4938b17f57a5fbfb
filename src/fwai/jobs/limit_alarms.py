"""Tells the operator that a limit was reached: somebody is at work, or the limit is too low.

What is refused because of a limit comes in floods, so each limit is told of once an hour at most,
and whoever reaches one is not held up: what is to be told waits here until the database takes it.
A daily limit belongs to the whole installation and is told once a day: its event has the same key
in each process and after each start.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

import structlog

from fwai.domain.call_event import LIMIT_REACHED
from fwai.domain.quota import Quota, quota_data
from fwai.errors import StoreError
from fwai.interfaces.jobs import JobQueue
from fwai.jobs.events import Events

TELL_S: Final = 3600.0
LOG_S: Final = 60.0
PAUSE_S: Final = 30.0  # while the database takes nothing
MOST_LIMITS: Final = 64
STOP_S: Final = 2.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What is to be told."""

    key: str
    data: Mapping[str, Any]
    at: datetime


class LimitAlarm:
    """Implements ``LimitAlarms`` and ``DailyLimitAlarms``.

    Args:
        zone: Whose days are meant.
        clock: The time now, UTC.

    Attributes:
        times: How often each limit was reached.
    """

    def __init__(
        self, zone: tzinfo, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._zone = zone
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, _Waiting] = {}
        self._days: dict[str, str] = {}  # of each daily limit: the last one that was told
        self._told: dict[str, float] = {}
        self._logged: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._process = secrets.token_hex(4)  # others may reach the same at the same moment
        self.times: Counter[str] = Counter()

    def reached(self, limit: str, most: int) -> None:
        """Count a limit that was reached, and tell of it if that was not done lately."""
        if limit not in self.times and len(self.times) >= MOST_LIMITS:
            return
        self.times[limit] += 1
        now = self._loop.time()
        if now - self._logged.get(limit, -LOG_S) >= LOG_S:
            self._logged[limit] = now
            _log.warning("limit_reached", limit=limit, most=most, times=self.times[limit])
        if now - self._told.get(limit, -TELL_S) >= TELL_S:
            self._told[limit] = now
            self._wait(limit, *self._hourly(limit, most))

    def used_up(self, quota: Quota, day: str) -> None:
        """Tell of a daily limit that is reached, once a day."""
        if self._days.get(quota.name) == day:
            return
        self._days[quota.name] = day
        _log.warning("limit_reached", limit=quota.name, most=quota.most, setting=quota.setting)
        self._wait(quota.name, f"{day}:{quota.name}", quota_data(quota, day))

    async def run(self, queue: JobQueue, events: Events) -> None:
        """Tell of what was reached until `stop`."""
        while not self._stopping:
            self._wake.clear()
            done = await self._tell(queue, events)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if done else PAUSE_S):
                    await self._wake.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._tell(queue, events)

    def stop(self) -> None:
        """Let ``run`` return, once it has tried to tell the rest."""
        self._stopping = True
        self._wake.set()

    async def _tell(self, queue: JobQueue, events: Events) -> bool:
        """Tell what waits; False when the database failed."""
        for limit, one in list(self._waiting.items()):
            try:
                for job in events.new(LIMIT_REACHED, one.key, one.data, at=one.at):
                    await queue.enqueue(job)
            except StoreError as exc:
                _log.error("limit_not_told", limit=limit, error=str(exc))
                return False
            if self._waiting.get(limit) is one:
                del self._waiting[limit]
        return True

    def _hourly(self, limit: str, most: int) -> tuple[str, Mapping[str, Any]]:
        """Return the key and the data of an event of this process."""
        at = self._clock()
        return f"{limit}:{self._process}:{int(at.timestamp())}", {
            "limit": limit.lower(),
            "most": most,
            "day": at.astimezone(self._zone).date().isoformat(),
            "setting": limit,
            "fix": f"look on the list of calls whose they are; raise {limit} if that is right",
        }

    def _wait(self, limit: str, key: str, data: Mapping[str, Any]) -> None:
        self._waiting[limit] = _Waiting(key, data, self._clock())
        self._wake.set()
