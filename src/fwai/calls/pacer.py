"""One clock for all speech of this process.

A timer per call would wake the process fifty times a second for each; here one timer on an absolute
schedule serves every call that has speech waiting, and rests when none has.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import structlog

TICK_S: Final = 0.040
LAG_FADES: Final = 0.97
LAG_KNOWN_S: Final = 2.0

_log = structlog.get_logger()


class Paced(Protocol):
    """Something that has to send speech on time."""

    @property
    def fail(self) -> Callable[[], None]:
        """What to call when `tick` raised; it is not ticked again."""
        ...

    def tick(self, now: float) -> bool:
        """Send what is due; False when nothing is left to send."""
        ...


class Pacer:
    """Ticks whoever has speech to send, every `TICK_S`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._paced: set[Paced] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._lag_s = 0.0

    @property
    def lag_s(self) -> float:
        """How late ticks lately were, in seconds: the worst, fading by half in about a second.

        Zero when nobody has spoken for `LAG_KNOWN_S`: an old figure says nothing about now.
        """
        return self._lag_s if self._loop.time() - self._due < LAG_KNOWN_S else 0.0

    def add(self, paced: Paced) -> None:
        """Tick ``paced`` until it says that it has nothing left."""
        self._paced.add(paced)
        if self._timer is None:
            self._due = self._loop.time() + TICK_S
            self._timer = self._loop.call_at(self._due, self._tick)

    def remove(self, paced: Paced) -> None:
        """Stop ticking ``paced``."""
        self._paced.discard(paced)

    def _tick(self) -> None:
        now = self._loop.time()
        self._lag_s = max(now - self._due, self._lag_s * LAG_FADES)
        for paced in list(self._paced):
            try:
                more = paced.tick(now)
            except Exception:  # noqa: BLE001 - one broken call must not silence the others
                _log.exception("playout_failed")
                more = False
                self._give_up(paced)
            if not more:
                self._paced.discard(paced)
        if not self._paced:
            self._timer = None
            return
        # After a late wake-up the next tick keeps to the schedule instead of adding up delay.
        self._due = max(self._due + TICK_S, now)
        self._timer = self._loop.call_at(self._due, self._tick)

    def _give_up(self, paced: Paced) -> None:
        """End the call of who broke; the clock ticks on for the others."""
        try:
            paced.fail()
        except Exception:  # noqa: BLE001 - the same trouble may lie in what ends the call
            _log.exception("playout_not_ended")
