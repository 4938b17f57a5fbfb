"""How long a message keeps the loop busy: the processor time of its thread, step by step.

Not the time on the wall, which a busy machine makes longer, and not that of other threads, which
stall nobody. A task counts towards the message that started it.
"""

import asyncio
import time
import types
from collections.abc import Coroutine, Generator
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
_current: ContextVar["Meter | None"] = ContextVar("meter", default=None)


class Meter:
    """Of one message.

    Attributes:
        total_ms: All steps until it was answered.
        longest_ms: The longest step, those of the tasks that it started included.
    """

    __slots__ = ("longest_ms", "total_ms")

    def __init__(self) -> None:
        self.total_ms = 0.0
        self.longest_ms = 0.0

    async def measure(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, on this meter."""
        token = _current.set(self)
        try:
            return await _stepped(coroutine, self, own=True)
        finally:
            _current.reset(token)

    def count(self, took_ms: float, *, own: bool) -> None:
        self.longest_ms = max(self.longest_ms, took_ms)
        if own:
            self.total_ms += took_ms


def measured_tasks(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, T],
    **options: Any,  # noqa: ANN401 - as asyncio takes them
) -> asyncio.Task[T]:
    """Make a task that counts for the message in whose context it begins; a task factory."""
    meter = _current.get()
    if meter is not None:
        coroutine = _run(coroutine, meter)
    return asyncio.Task(coroutine, loop=loop, **options)


async def _run(coroutine: Coroutine[Any, Any, T], meter: Meter) -> T:
    return await _stepped(coroutine, meter, own=False)


@types.coroutine
def _stepped(
    coroutine: Coroutine[Any, Any, T], meter: Meter, *, own: bool
) -> Generator[Any, None, T]:
    error: BaseException | None = None
    while True:
        began = time.thread_time_ns()
        try:
            waits_for = coroutine.send(None) if error is None else coroutine.throw(error)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        finally:
            meter.count((time.thread_time_ns() - began) / 1e6, own=own)
        error = None
        try:
            yield waits_for
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as exc:  # noqa: BLE001 - it is for the coroutine inside
            error = exc
