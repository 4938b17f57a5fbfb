"""Shared 20 ms send clock of all WebRTC legs of the process.

Theory of operation. The schedule is absolute: a late beat is followed by beats at their own times,
so nothing drifts. After a short delay the frames that were due are sent together and the peer's
buffer does not run dry; after a long one they would only pile up there, so they are skipped and the
legs get their number, to keep RTP timestamps with the wall clock.
"""

import asyncio
from typing import Final, Protocol

import structlog

PTIME_S: Final = 0.020
MAX_AT_ONCE: Final = 3

_log = structlog.get_logger()


class ClockListener(Protocol):
    """Something that sends a frame every 20 ms."""

    def beat(self, now: float, frames: int, skipped: int) -> None:
        """Send ``frames`` frames, after leaving out ``skipped``."""
        ...

    def broken(self) -> None:
        """Called when `beat` raised; it is not called again."""
        ...


class MediaClock:
    """Calls its listeners every 20 ms; make one per event loop."""

    def __init__(self) -> None:
        self._listeners: set[ClockListener] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due = 0.0

    def add(self, listener: ClockListener) -> None:
        """Start calling ``listener``."""
        self._listeners.add(listener)
        if self._timer is None:
            self._loop = asyncio.get_running_loop()
            self._due = self._loop.time() + PTIME_S
            self._timer = self._loop.call_at(self._due, self._beat)

    def remove(self, listener: ClockListener) -> None:
        """Stop calling ``listener``; without any the clock stops after its next beat."""
        self._listeners.discard(listener)

    def _beat(self) -> None:
        assert self._loop is not None  # noqa: S101 - set by add
        now = self._loop.time()
        due = 1 + max(int((now - self._due) / PTIME_S), 0)
        frames = min(due, MAX_AT_ONCE)
        for listener in list(self._listeners):
            try:
                listener.beat(now, frames, due - frames)
            except Exception:  # noqa: BLE001 - one broken call must not silence the others
                _log.exception("media_send_failed")
                self._listeners.discard(listener)
                _give_up(listener)
        self._due += due * PTIME_S
        self._timer = self._loop.call_at(self._due, self._beat) if self._listeners else None


def _give_up(listener: ClockListener) -> None:
    """Tell a leg that it broke; the clock goes on for the others."""
    try:
        listener.broken()
    except Exception:  # noqa: BLE001 - the same trouble may lie in what ends the leg
        _log.exception("media_not_ended")
