"""Keeps what is out of order, and tells the operator when it begins and when it is mended.

Theory of operation. What stands is a small table in memory, by area and part: `standing` is what
``/readyz`` shows. Each beginning and each end is a *notice*, which ``run`` writes as jobs that tell
n8n of it. While the database is away, maybe the failure itself, notices wait and are told later.
What fails and works by turns is told once a minute at most: a beginning waits until the last one is
that old, and an end that is not told yet and a new beginning cancel each other.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import structlog

from fwai.domain.call_event import (
    AGENT_DOWN,
    AGENT_UP,
    SERVICE_FAILED,
    SERVICE_MENDED,
    STORAGE_FAILED,
    STORAGE_MENDED,
    failure_data,
)
from fwai.domain.failure import Area, Failure, Trouble
from fwai.domain.job import NewJob
from fwai.errors import StoreError
from fwai.interfaces.jobs import JobQueue
from fwai.jobs.events import Events

MAX_FAILURES: Final = 64
QUIET_S: Final = 60.0  # between two beginnings of the same
PAUSES_S: Final = (1.0, 5.0, 30.0)  # while the database takes no notice
STOP_S: Final = 2.0

Key = tuple[Area, str]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Notice:
    """A beginning or an end to tell of."""

    failure: Failure
    mended: bool
    at: datetime


class FailureRegistry:
    """Implements ``Failures``.

    Args:
        clock: The time now, UTC.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._standing: dict[Key, Failure] = {}
        self._notices: dict[Key, list[Notice]] = {}
        self._told: set[Key] = set()  # whose beginning was told, and whose end was not
        self._quiet_until: dict[Key, float] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._process = secrets.token_hex(4)  # others may see the same at the same moment

    def standing(self) -> Sequence[Failure]:
        """Return what was seen and not seen mended, the oldest first."""
        return sorted(self._standing.values(), key=lambda one: one.first_at)

    # ---- Failures -------------------------------------------------------------------------------

    def seen(self, trouble: Trouble) -> None:
        """Something is wrong; saying it again only counts it."""
        key, now = (trouble.area, trouble.what), self._clock()
        known = self._standing.get(key)
        if known is None and len(self._standing) >= MAX_FAILURES:
            return
        if known is not None and known.trouble == trouble:
            self._standing[key] = replace(known, last_at=now, times=known.times + 1)
            return
        first_at = now if known is None else known.first_at
        failure = Failure(trouble, first_at, now, cause_at=now)
        self._standing[key] = failure
        _log.error(
            "failure_seen",
            area=trouble.area.value,
            what=trouble.what,
            cause=trouble.cause,
            fix=trouble.fix,
            stops_calls=trouble.stops_calls,
        )
        self._note(key, Notice(failure, mended=False, at=now))

    def mended(self, area: Area, what: str) -> None:
        """It works, as it may have done all the time."""
        failure = self._standing.pop((area, what), None)
        if failure is None:
            return
        now = self._clock()
        lasted_s = round((now - failure.first_at).total_seconds(), 1)
        _log.warning("failure_mended", area=area.value, what=what, lasted_s=lasted_s)
        self._note((area, what), Notice(failure, mended=True, at=now))

    # ---- telling --------------------------------------------------------------------------------

    async def run(self, queue: JobQueue, events: Events) -> None:
        """Tell of every notice until `stop`."""
        failed = 0
        while not self._stopping:
            self._wake.clear()
            pause = self._next_due()
            if pause == 0.0:
                if await self._tell_due(queue, events):
                    failed = 0
                    continue
                pause = PAUSES_S[min(failed, len(PAUSES_S) - 1)]
                failed += 1
                self._wake.clear()  # more to tell is no reason to hurry now
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
        self._quiet_until.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._tell_due(queue, events)

    def stop(self) -> None:
        """Let ``run`` return, once it has tried to tell the rest."""
        self._stopping = True
        self._wake.set()

    def _note(self, key: Key, notice: Notice) -> None:
        """Keep a notice; a new beginning of the same cancels an end that nobody heard of."""
        waiting = self._notices.setdefault(key, [])
        last = waiting[-1] if waiting else None
        if notice.mended:
            if key in self._told:
                waiting.clear()  # another cause in between is no news any more
            waiting.append(notice)
        elif last is None:
            waiting.append(notice)
        elif not last.mended:
            waiting[-1] = notice  # it is told as it is by now
        elif last.failure.trouble == notice.failure.trouble:
            waiting.pop()
        else:
            waiting[-1] = notice
        if not waiting:
            del self._notices[key]
        self._wake.set()

    def _next_due(self) -> float | None:
        """Return in how many seconds something is to be told; None: nothing is."""
        due = [self._due(key) for key in self._notices]
        return max(min(due) - self._loop.time(), 0.0) if due else None

    def _due(self, key: Key) -> float:
        """Return when the next notice of a failure is to be told, by the loop's clock."""
        first = self._notices[key][0]
        return 0.0 if first.mended else self._quiet_until.get(key, 0.0)

    async def _tell_due(self, queue: JobQueue, events: Events) -> bool:
        """Tell what is due; False when the database failed."""
        now = self._loop.time()
        for key in [key for key in self._notices if self._due(key) <= now]:
            while key in self._notices and self._due(key) <= now:
                if not await self._tell_first(key, queue, events):
                    return False
        self._quiet_until = {key: until for key, until in self._quiet_until.items() if until > now}
        return True

    async def _tell_first(self, key: Key, queue: JobQueue, events: Events) -> bool:
        """Tell the first notice of a failure, out of the others' way meanwhile."""
        waiting = self._notices[key]
        notice = waiting.pop(0)
        if not waiting:
            del self._notices[key]
        told_before = key in self._told
        if notice.mended:
            self._told.discard(key)
        else:
            self._told.add(key)
        try:
            for job in self._jobs(events, notice):
                await queue.enqueue(job)
        except StoreError as exc:
            _log.error("failure_not_told", area=key[0].value, error=str(exc))
            self._notices.setdefault(key, []).insert(0, notice)
            (self._told.add if told_before else self._told.discard)(key)
            return False
        except Exception as exc:  # noqa: BLE001 - one notice's fault must not stop the others
            _log.exception("failure_notice_broken", area=key[0].value, error=type(exc).__name__)
        if not notice.mended:
            self._quiet_until[key] = self._loop.time() + QUIET_S
        return True

    def _jobs(self, events: Events, notice: Notice) -> Sequence[NewJob]:
        failure = notice.failure
        one = failure.trouble
        kind = _kind(one.area, mended=notice.mended)
        at = f"{notice.at:%Y%m%dT%H%M%S.%f}"
        key = f"{self._process}:{at}:{one.area.value}:{one.what}"[:100]
        return events.new(kind, key, failure_data(failure), at=notice.at)


def _kind(area: Area, *, mended: bool) -> str:
    match area:
        case Area.MODEL:
            return AGENT_UP if mended else AGENT_DOWN
        case Area.STORAGE:
            return STORAGE_MENDED if mended else STORAGE_FAILED
    return SERVICE_MENDED if mended else SERVICE_FAILED
