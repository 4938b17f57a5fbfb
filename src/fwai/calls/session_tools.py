"""The tools that run in one call: started, cancelled, counted, and answered once each."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from fwai.domain.call import Call
from fwai.domain.events import ToolCall, ToolResult
from fwai.interfaces.calls import CallActions, ToolRunner

# Told of a tool that finished: the request, its result, its start in Unix time, and how long it
# took in milliseconds.
OnFinished = Callable[[ToolCall, ToolResult, float, float], None]

FORGOTTEN_S: Final = 30.0
"""After its end, a call that another connection repeats is taken for the same."""
REPEATED_S: Final = 10.0
"""After its end, a call is taken for the same while the caller has not said a word."""
MAX_KEPT: Final = 200

_log = structlog.get_logger()


@dataclass(slots=True)
class Asked:
    """One tool call: of which connection, when it was made, what came of it.

    Attributes:
        told: The model has spoken since it was done.
    """

    request: ToolCall
    connection: int
    at: float
    result: ToolResult | None = None
    done_at: float | None = None
    told: bool = False


class SessionTools:
    """Runs the tools the model asks for, each as a task of the call.

    A tool that acts is waited for at the end of the call; only the model's cancellation cancels it.

    Args:
        tasks: Owns the tools that run.
        actions: What a tool may do to the call.
        finished: Told of each tool that finished.
        repeated: Told of a result that is known already, for a call that was made again.
        now: The call's time, Unix time in seconds.
    """

    def __init__(
        self,
        call: Call,
        tools: ToolRunner,
        tasks: asyncio.TaskGroup,
        actions: CallActions,
        finished: OnFinished,
        repeated: Callable[[ToolResult], None],
        now: Callable[[], float],
    ) -> None:
        self._call = call
        self._tools = tools
        self._tasks = tasks
        self._actions = actions
        self._finished = finished
        self._repeated = repeated
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._started: dict[str, float] = {}
        self._results: dict[str, ToolResult] = {}
        self._asked: dict[str, Asked] = {}
        self._waiting: dict[str, tuple[ToolCall, Asked]] = {}
        self._connection = 0
        self._said_at = 0.0
        self._repeats = False
        self._untold: list[Asked] = []
        self._uses: dict[str, int] = {}

    @property
    def running(self) -> bool:
        """Whether a tool runs."""
        return bool(self._running)

    @property
    def since(self) -> float | None:
        """When the first of those that run was started, in the loop's time; None if none runs."""
        return min(self._started.values()) if self._started else None

    def start(self, request: ToolCall) -> bool:
        """Run a tool, unless the model has asked for the same already.

        One that runs or has been answered under the same id is not started again, nor one with
        the same arguments while the caller has not said a word since. After a reconnect the model
        may ask anew for what it asked for before, because its memory ends before the outcome: it
        gets that.

        Returns:
            Whether it was started.
        """
        if request.id in self._running or request.id in self._waiting:
            return False
        if (known := self._results.get(request.id)) is not None:
            self._answer(request, known)
            return False
        same = self._asked_before(request)
        if same is not None:
            _log.info("tool_asked_again", tool=request.name)
            if same.result is None:
                self._waiting[request.id] = (request, same)
            else:
                self._answer(request, same.result)
            return False
        asked = self._asked[request.id] = Asked(request, self._connection, self._loop.time())
        if len(self._asked) > MAX_KEPT:
            del self._asked[next(iter(self._asked))]
        self._started[request.id] = self._loop.time()
        self._running[request.id] = self._tasks.create_task(
            self._run(request, asked), name=f"tool:{request.name}"
        )
        return True

    def caller_said(self, at: float) -> None:
        """The caller said something at that time: the same may be wanted once more."""
        if not self._repeats:
            self._said_at = at

    def caller_repeats(self) -> None:
        """What the caller says next, until the model speaks, was said before."""
        self._repeats = True

    def agent_spoke(self) -> None:
        """The model speaks, with what was done before in mind."""
        self._repeats = False
        for asked in self._untold:
            asked.told = True
        self._untold.clear()

    def reconnected(self) -> None:
        """Another connection serves: it may ask again for what was done for an earlier one."""
        self._connection += 1

    def cancel(self, *call_ids: str) -> None:
        """Cancel tools that run."""
        for call_id in call_ids:
            self._waiting.pop(call_id, None)
            self._forget(call_id)
            if (task := self._running.get(call_id)) is not None:
                task.cancel()

    def allow(self, what: str, limit: int) -> bool:
        """Count one more use of ``what`` in this call; False when ``limit`` is reached."""
        used = self._uses.get(what, 0)
        self._uses[what] = used + 1
        return used < limit

    def _asked_before(self, request: ToolCall) -> Asked | None:
        """Return the same call if it is not long ago and nobody can have asked for it anew.

        One that failed, or was refused, may be tried again.
        """
        for asked in reversed(self._asked.values()):
            same = asked.request.name == request.name and asked.request.args == request.args
            if same and (asked.result is None or asked.result.ok):
                return asked if self._is_repeated(asked) else None
        return None

    def _is_repeated(self, asked: Asked) -> bool:
        since_s = self._loop.time() - (asked.done_at or self._loop.time())
        if asked.connection != self._connection and not asked.told:
            return since_s <= FORGOTTEN_S  # its memory may end before the outcome
        return self._said_at <= asked.at and since_s <= REPEATED_S

    def _forget(self, call_id: str) -> None:
        """A call is not wanted any more; one that waits for its outcome is run for itself."""
        gone = self._asked.pop(call_id, None)
        if gone is None or gone.result is not None:
            return
        for waiting, (request, same) in list(self._waiting.items()):
            if same is gone:
                del self._waiting[waiting]
                self.start(request)

    def _answer(self, request: ToolCall, result: ToolResult) -> None:
        self._repeated(replace(result, id=request.id))

    async def _run(self, request: ToolCall, asked: Asked) -> None:
        started, at = self._loop.time(), self._now()
        try:
            result = await self._tools.run(request, self._call, self._actions)
        finally:
            self._running.pop(request.id, None)
            self._started.pop(request.id, None)
        asked.result, asked.done_at = result, self._loop.time()
        self._untold.append(asked)
        self._results[request.id] = result
        if len(self._results) > MAX_KEPT:
            del self._results[next(iter(self._results))]
        elapsed_ms = (self._loop.time() - started) * 1000.0
        _log.info("tool_finished", tool=request.name, ok=result.ok, elapsed_ms=round(elapsed_ms))
        self._finished(request, result, at, elapsed_ms)
        for call_id, (again, same) in list(self._waiting.items()):
            if same is asked:
                del self._waiting[call_id]
                self._answer(again, result)
