"""The tools that run in one call: started, cancelled, counted, and answered once each."""

import asyncio
from collections.abc import Callable

import structlog

from fwai.domain.call import Call
from fwai.domain.events import ToolCall, ToolResult
from fwai.interfaces.calls import CallActions, ToolRunner

# Told of a tool that finished: the request, its result, its start in Unix time, and how long it
# took in milliseconds.
OnFinished = Callable[[ToolCall, ToolResult, float, float], None]

_log = structlog.get_logger()


class SessionTools:
    """Runs the tools the model asks for, each as a task of the call.

    A tool that acts is waited for at the end of the call; only the model's cancellation cancels it.

    Args:
        tasks: Owns the tools that run.
        actions: What a tool may do to the call.
        finished: Told of each tool that finished.
        now: The call's time, Unix time in seconds.
    """

    def __init__(
        self,
        call: Call,
        tools: ToolRunner,
        tasks: asyncio.TaskGroup,
        actions: CallActions,
        finished: OnFinished,
        now: Callable[[], float],
    ) -> None:
        self._call = call
        self._tools = tools
        self._tasks = tasks
        self._actions = actions
        self._finished = finished
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._uses: dict[str, int] = {}

    @property
    def running(self) -> bool:
        """Whether a tool runs."""
        return bool(self._running)

    def start(self, request: ToolCall) -> None:
        """Run a tool; one that runs already under the same id is not started again."""
        if request.id not in self._running:
            self._running[request.id] = self._tasks.create_task(
                self._run(request), name=f"tool:{request.name}"
            )

    def cancel(self, *call_ids: str) -> None:
        """Cancel tools that run."""
        for call_id in call_ids:
            if (task := self._running.get(call_id)) is not None:
                task.cancel()

    def allow(self, what: str, limit: int) -> bool:
        """Count one more use of ``what`` in this call; False when ``limit`` is reached."""
        used = self._uses.get(what, 0)
        self._uses[what] = used + 1
        return used < limit

    async def _run(self, request: ToolCall) -> None:
        started, at = self._loop.time(), self._now()
        try:
            result = await self._tools.run(request, self._call, self._actions)
        finally:
            self._running.pop(request.id, None)
        elapsed_ms = (self._loop.time() - started) * 1000.0
        _log.info("tool_finished", tool=request.name, ok=result.ok, elapsed_ms=round(elapsed_ms))
        self._finished(request, result, at, elapsed_ms)
