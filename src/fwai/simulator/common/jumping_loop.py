"""An event loop with real sockets whose clock jumps to the next timer when all peers are quiet.

Both ends of every socket live in this loop, so a loopback socket with nothing to read has nothing
coming: the next thing that can happen is a timer. Loopback sockets have what was sent at once;
threads do not, and are given a moment of real time.
"""

import asyncio
import selectors
from collections.abc import Iterable
from typing import Final

GRACE_S: Final = 0.001
DEADLOCK_S: Final = 5.0


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, grace_s: float) -> None:
        super().__init__()
        self.now = 1_000.0
        self._grace_s = grace_s

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        ready = super().select(DEADLOCK_S if timeout is None else self._grace_s)
        if not ready:
            if timeout is None:
                raise RuntimeError("deadlock: nothing is ready and no timer is set")
            self.now += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """Runs hours of timers in no real time.

    Args:
        grace_s: Real time that is given to what works beside the loop before its clock jumps, in
            seconds; 0 where nothing does.
    """

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self._jumping = _JumpingSelector(grace_s)
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the loop's time, in seconds."""
        return self._jumping.now


async def settle(seconds: float = 0.01) -> None:
    """Let everything that is under way arrive."""
    await asyncio.sleep(seconds)


async def tasks_left(before: Iterable[asyncio.Task[object]] = ()) -> set[asyncio.Task[object]]:
    """Return the tasks that still run, apart from the one that asks and those of ``before``."""
    await settle()
    current = asyncio.current_task()
    return {task for task in asyncio.all_tasks() if task is not current} - set(before)
