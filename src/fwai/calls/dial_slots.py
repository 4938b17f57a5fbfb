"""When a provider may be asked for one more call: so many a second, so many at once.

Nobody reserves anything. Calls wait in the database, the oldest first, and whoever dials takes the
slot in that moment, or gives it back at once: a call that was cancelled or erased holds none.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fwai.domain.wall_clock import Patience, WallClock

FULL_S: Final = 2.0
BUSY_MAX_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class DialLimits:
    """How much is dialled at a time, per provider.

    Attributes:
        at_once: Outbound calls that ring or run.
        per_second: Calls begun in a second.
        ring_s: How long it rings.
        max_s: How long a call may last.
        detect_machines: Ask providers to tell when a machine answers.
    """

    at_once: int = 10
    per_second: float = 1.0
    ring_s: int = 45
    max_s: int = 3600
    detect_machines: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class _Slot:
    """When a provider was asked last, and how long the next one waits from then on."""

    taken_at: datetime
    gap_s: float


class DialSlots:
    """Counts what begins at each provider.

    Args:
        in_use: Outbound calls that ring or run at a provider.
        clock: The time now, aware.
        wall: Tells how the clock was set; None is the system's.
    """

    def __init__(
        self,
        limits: DialLimits,
        in_use: Callable[[str], int],
        clock: Callable[[], datetime],
        wall: WallClock | None = None,
    ) -> None:
        self._limits = limits
        self._in_use = in_use
        self._clock = clock
        self._patience = Patience(clock, wall or WallClock(time.time, time.monotonic))
        self._last: dict[str, _Slot] = {}
        self._busy_s: dict[str, float] = {}
        self._starting: Counter[str] = Counter()

    def full(self, provider: str) -> bool:
        """Whether as many calls ring or run as may."""
        return self._in_use(provider) + self._starting[provider] >= self._limits.at_once

    def closed_until(self, provider: str) -> datetime | None:
        """Return when it is worth asking again; None is now."""
        slot, until = self._last.get(provider), None
        if slot is not None:
            until = self._patience.until(provider, slot.taken_at, slot.gap_s)
        if self.full(provider):
            looked_at = self._clock() + timedelta(seconds=FULL_S)
            return looked_at if until is None else max(until, looked_at)
        return until

    def closed_s(self, provider: str) -> float:
        """Return for how long no call can begin, in seconds; 0 when one can."""
        until = self.closed_until(provider)
        return 0.0 if until is None else max((until - self._clock()).total_seconds(), 0.0)

    def take(self, provider: str) -> Callable[[], None]:
        """Begin a call now; it counts as starting until `started`.

        Returns:
            What gives the slot back: nobody was asked in it, and the next call has it.
        """
        before = self._last.get(provider)
        taken = self._last[provider] = _Slot(self._clock(), 1.0 / self._limits.per_second)
        self._starting[provider] += 1

        def give_back() -> None:
            if self._last.get(provider) is not taken:
                return
            if before is None:
                del self._last[provider]
            else:
                self._last[provider] = before

        return give_back

    def started(self, provider: str) -> None:
        """Count a call no longer as starting: it runs, or did not begin."""
        self._starting[provider] -= 1

    def took_no_call(self, provider: str) -> datetime:
        """Return when to ask a provider again that had no room, ever more rarely.

        Each try costs a model session and a request, whichever call it is for.
        """
        busy_s = self._busy_s.get(provider, FULL_S)
        self._busy_s[provider] = min(busy_s * 2, BUSY_MAX_S)
        self._last[provider] = _Slot(self._clock(), busy_s)
        return self._clock() + timedelta(seconds=busy_s)

    def took_call(self, provider: str) -> None:
        """The provider had room."""
        self._busy_s.pop(provider, None)

    def resume(self, provider: str, taken_at: datetime) -> None:
        """Go on from the last call that was begun before this process."""
        self._last[provider] = _Slot(taken_at, 1.0 / self._limits.per_second)
