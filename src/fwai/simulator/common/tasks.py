"""Runs the tasks of a simulated server, and ends them when the server is left."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Final, Self

SHUTDOWN_LIMIT_S: Final = 10.0


class ServerTasks:
    """A task group whose tasks are cancelled on leaving; use as an async context manager.

    Attributes:
        running: The tasks that `start` has started and that are not done.
    """

    def __init__(self) -> None:
        self.running: set[asyncio.Task[None]] = set()
        self._group = asyncio.TaskGroup()

    def start(self, work: Coroutine[None, None, None], name: str) -> None:
        """Run something until it is done or the server is left."""
        task = self._group.create_task(work, name=name)
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    def start_listening(self, work: Coroutine[None, None, None], name: str) -> None:
        """Run something that is waited for on leaving; its owner tells it to end."""
        self._group.create_task(work, name=name)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self.running:
            task.cancel()
        if kind is not None and not issubclass(kind, asyncio.CancelledError):
            kind = failure = trace = None  # it goes its way as it is, not inside a group
        async with asyncio.timeout(SHUTDOWN_LIMIT_S):
            await self._group.__aexit__(kind, failure, trace)
