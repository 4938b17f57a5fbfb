"""Tasks that can never end the group that owns them, however they fail.

An exception in a task of an `asyncio.TaskGroup` cancels every other task of the group. That is
right inside one call, whose parts belong together, and wrong for a group that owns all calls. What
belongs to one call, message, peer or job is started by `IsolatedTasks`: its fault ends it alone.
What all of them need as long as the process lives is started by `start_enduring`: its fault is told
on ``/readyz``, and it is begun again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import structlog

from fwai.domain.failure import UNWATCHED, Area, Trouble
from fwai.interfaces.failures import Failures

MAX_TASKS: Final = 10_000
CLEAN_UP_S: Final = 15.0
PAUSES_S: Final = (0.5, 2.0, 5.0)  # before a task of the process is begun again
STEADY_S: Final = 60.0  # after which one that was begun again counts as mended

_log = structlog.get_logger()


class IsolatedTasks:
    """Starts tasks in a group, none of which may end it.

    Args:
        group: Owns the tasks.
        limit: How many run at once; a flood of requests must not be a flood of tasks.

    Attributes:
        closed: No further task is started.
        failed: How many ended with an exception that nobody had expected.
    """

    def __init__(self, group: asyncio.TaskGroup, limit: int = MAX_TASKS) -> None:
        self._group = group
        self._limit = limit
        self._running = 0
        self.closed = False
        self.failed = 0

    def start(
        self,
        work: Coroutine[Any, Any, None],
        name: str,
        clean_up: Callable[[], Awaitable[object]] | None = None,
    ) -> asyncio.Task[None] | None:
        """Start a task; None when too many run or `closed`, and the work is not begun then.

        Args:
            work: Its coroutine. An exception of it is logged and goes no further.
            name: For logs, with the id of what it belongs to.
            clean_up: Awaited after such an exception, at most `CLEAN_UP_S`: ends the call it
                belongs to and closes what it owned.
        """
        if self.closed or self._running >= self._limit:
            work.close()
            _log.error("task_not_started", task=name, running=self._running, closed=self.closed)
            return None
        task = self._group.create_task(self._isolated(work, name, clean_up), name=name)
        self._running += 1
        task.add_done_callback(lambda _: self._done(work))
        return task

    async def _isolated(
        self,
        work: Coroutine[Any, Any, None],
        name: str,
        clean_up: Callable[[], Awaitable[object]] | None,
    ) -> None:
        try:
            await work
        except Exception:  # noqa: BLE001 - one call's trouble is one call's trouble
            self.failed += 1
            _log.exception("task_failed", task=name)
            if clean_up is not None:
                await self._clean_up(clean_up, name)

    async def _clean_up(self, clean_up: Callable[[], Awaitable[object]], name: str) -> None:
        try:
            async with asyncio.timeout(CLEAN_UP_S):
                await clean_up()
        except Exception:  # noqa: BLE001 - the same trouble may lie in what cleans up
            _log.exception("task_not_cleaned_up", task=name)

    def _done(self, work: Coroutine[Any, Any, None]) -> None:
        self._running -= 1
        work.close()  # a task that was cancelled before it began leaves it untouched


def start_enduring(
    group: asyncio.TaskGroup,
    run: Callable[[], Coroutine[Any, Any, None]],
    name: str,
    failures: Failures = UNWATCHED,
) -> asyncio.Task[None]:
    """Start a task that the whole process needs until it stops.

    Args:
        group: Owns it.
        run: Begins the work; called again after an exception, so what it holds must be whole at
            each of its awaits. What one row, file or message raises is better caught inside.
        name: For logs and failures.
        failures: Told when it failed, and when it has run for `STEADY_S` since.
    """
    return group.create_task(_endure(run, name, failures), name=name)


async def _endure(
    run: Callable[[], Coroutine[Any, Any, None]], name: str, failures: Failures
) -> None:
    loop = asyncio.get_running_loop()
    failed = 0
    steady: asyncio.TimerHandle | None = None
    while True:
        began = loop.time()
        try:
            await run()
        except Exception as exc:  # noqa: BLE001 - what ends here ends all calls with it
            if loop.time() - began >= STEADY_S:
                failed = 0
            pause = PAUSES_S[min(failed, len(PAUSES_S) - 1)]
            failed += 1
            _log.exception("task_begun_again", task=name, pause_s=pause)
            failures.seen(_trouble(name, exc))
        else:
            return
        finally:
            if steady is not None:
                steady.cancel()
        await asyncio.sleep(pause)
        steady = loop.call_later(STEADY_S, failures.mended, Area.SERVER, name)


def _trouble(name: str, exc: Exception) -> Trouble:
    return Trouble(
        Area.SERVER,
        name,
        f"a fault of this server ended it ({type(exc).__name__})",
        "it was begun again; look for task_begun_again in the log and report it",
    )
