"""Tells whether this machine's clock can be believed, before old things are removed by it.

Theory of operation. A clock that is set a year ahead makes everything look old. What counts the
seconds since the machine started cannot be set, so a clock that jumped is noticed against it. One
that was wrong when this process started is noticed against what the database knows: nothing was
written for `GAP`, or the database's own clock differs. A clock in doubt is believed again once it
agrees with what it was before, or has gone on evenly for `STEADY_S`: then it was put right, or the
machine was off for long.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from fwai.interfaces.keeping import TimeWitness

TOLERANCE: Final = timedelta(hours=1)  # that much too early or too late does no harm here
GAP: Final = timedelta(days=7)
STEADY_S: Final = 1800.0

_Reading = tuple[datetime, float]


def seconds_since_boot() -> float:
    """Return seconds that nobody can set, those of a sleeping machine included where possible."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class ClockWatch:
    """Watches the clock from its making on.

    Args:
        witness: What the database knows of the time.
        clock: The clock that is watched, aware.
        elapsed_s: Seconds that cannot be set.
    """

    def __init__(
        self,
        witness: TimeWitness,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        elapsed_s: Callable[[], float] = seconds_since_boot,
    ) -> None:
        self._witness = witness
        self._clock = clock
        self._elapsed_s = elapsed_s
        first = (clock(), elapsed_s())
        plausible = witness.newest is None or first[0] - witness.newest <= GAP
        self._believed: _Reading | None = first if plausible else None
        self._doubted: _Reading | None = None if plausible else first

    async def doubt(self) -> str:
        """Return why the clock cannot be believed now; empty when it can.

        Raises:
            StoreError: The database failed.
        """
        told = await self._witness.now()
        reading = (self._clock(), self._elapsed_s())
        if told is not None and abs(reading[0] - told) > TOLERANCE:
            return "the clock differs from the database's by more than an hour"
        if self._believed is not None and _agree(self._believed, reading):
            self._believed, self._doubted = reading, None
            return ""
        if self._doubted is None or not _agree(self._doubted, reading):
            self._doubted = reading
        if reading[1] - self._doubted[1] < STEADY_S:
            return "the clock was set, or nothing was written for a week; it is watched first"
        self._believed, self._doubted = reading, None
        return ""


def _agree(before: _Reading, now: _Reading) -> bool:
    """Whether the clock went as many seconds as passed."""
    passed = timedelta(seconds=now[1] - before[1])
    return abs(now[0] - before[0] - passed) <= TOLERANCE
