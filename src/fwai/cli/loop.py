"""Event loop of the commands."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, Final, TypeVar

from fwai.cli.interrupt import leave

PATIENCE_S: Final = 1.0  # a key that bounces, or a second signal of the same press

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop, or on asyncio's own loop if uvloop is not installed.

    Ctrl-C cancels it, and what it opened is closed. A second one, more than `PATIENCE_S` later,
    ends the process on the spot.

    Raises:
        KeyboardInterrupt: It was cancelled by Ctrl-C, whatever else went wrong on the way out.
    """
    interrupt = _Interrupt()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(interrupt.watch(work))
    except BaseException:
        if interrupt.at is not None:
            raise KeyboardInterrupt from None
        raise


class _Interrupt:
    """Ctrl-C as a cancellation.

    Attributes:
        at: When it came first, by the monotonic clock in seconds; None: it did not.
    """

    def __init__(self) -> None:
        self.at: float | None = None
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def watch(self, work: Coroutine[Any, Any, T]) -> T:
        """Do ``work`` in this task, which Ctrl-C cancels."""
        if threading.current_thread() is not threading.main_thread():
            return await work
        self._task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
        before = signal.signal(signal.SIGINT, self._interrupted)
        try:
            return await work
        finally:
            signal.signal(signal.SIGINT, before)

    def _interrupted(self, signal_number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.at is not None:
            if now - self.at > PATIENCE_S:
                leave(signal_number, frame)
            return
        self.at = now
        if self._task is not None and self._loop is not None:
            self._task.cancel()
            self._loop.call_soon_threadsafe(lambda: None)  # wakes a loop that waits for sockets


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
