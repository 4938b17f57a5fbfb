"""Bounded background tasks, so that a flood of webhooks is not a flood of tasks."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import structlog

MAX_TASKS: Final = 2_000

_log = structlog.get_logger()


class BoundedTasks:
    """Starts tasks in a group, at most `MAX_TASKS` at once.

    Args:
        group: Owns the tasks.

    Attributes:
        closed: No further task is started.
    """

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._running = 0
        self.closed = False

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        """Start a task; None when there are too many or `closed`."""
        if self.closed or self._running >= MAX_TASKS:
            work.close()
            _log.error("whatsapp_not_taken", tasks=self._running, closed=self.closed)
            return None
        self._running += 1
        task = self._group.create_task(work, name=name)
        task.add_done_callback(self._done)
        return task

    def _done(self, _: asyncio.Task[None]) -> None:
        self._running -= 1
