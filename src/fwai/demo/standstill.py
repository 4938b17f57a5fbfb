"""Tells whether it was the machine that was late: other programs had its processors."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

INTERVAL_S: Final = 0.01
LATE_S: Final = 0.03
OWN_SHARE: Final = 0.5
"""If this process computed for more of a delay than this, the delay is the server's own."""


class StandstillWatch:
    """Measures how late the event loop wakes up while this process did not compute.

    Args:
        clock: Monotonic time in seconds.
        computed: CPU time of this process in seconds.

    Attributes:
        longest_ms: The longest standstill that was not our own, in milliseconds; 0 when none.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        computed: Callable[[], float] = time.process_time,
    ) -> None:
        self._clock = clock
        self._computed = computed
        self.longest_ms = 0.0

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            at, used = self._clock(), self._computed()
            await asyncio.sleep(INTERVAL_S)
            self.woke(self._clock() - at, self._computed() - used)

    def woke(self, slept_s: float, computed_s: float) -> None:
        """Take in one sleep of `INTERVAL_S`: how long it was, and what was computed in it."""
        late_s = slept_s - INTERVAL_S
        if late_s > LATE_S and computed_s < late_s * OWN_SHARE:
            self.longest_ms = max(self.longest_ms, late_s * 1000.0)
