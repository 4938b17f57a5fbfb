"""Reads that are waited for only so long; one that comes late is ended behind the call.

Cancelling a read of a database and waiting for it takes as long as the database does: its
connection is given back with a word to the server.
"""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from fwai.tasks import IsolatedTasks

ValueT = TypeVar("ValueT")

MAX_LATE: Final = 64  # that still end; beyond it a read is not begun
CLOSE_S: Final = 5.0


class BoundedReads:
    """Owns the reads that were given up; a context manager that leaves none behind."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks = IsolatedTasks(self._group)
        self._late: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._late:
            await asyncio.wait(self._late, timeout=CLOSE_S)
        await self._group.__aexit__(kind, error, trace)

    async def within(self, work: Coroutine[Any, Any, ValueT], seconds: float) -> ValueT:
        """Return what ``work`` returns, or raise what it raises.

        Raises:
            TimeoutError: It was not done in time, or too many are late.
        """
        if len(self._late) >= MAX_LATE:
            work.close()
            raise TimeoutError
        result: asyncio.Future[ValueT] = asyncio.get_running_loop().create_future()
        task = self._tasks.start(self._settle(work, result), "bounded_read")
        if task is None:
            work.close()
            raise TimeoutError
        try:
            await asyncio.wait({result}, timeout=seconds)
        finally:
            if not result.done():
                self._late.add(task)
                task.add_done_callback(self._late.discard)
                result.cancel()
                task.cancel()
        if result.cancelled():
            raise TimeoutError
        return result.result()

    async def _settle(
        self, work: Coroutine[Any, Any, ValueT], result: asyncio.Future[ValueT]
    ) -> None:
        """Do the work; its error is its caller's, and never the group's."""
        try:
            value = await work
        except Exception as exc:  # noqa: BLE001 - passed on
            if not result.done():
                result.set_exception(exc)
        else:
            if not result.done():
                result.set_result(value)
