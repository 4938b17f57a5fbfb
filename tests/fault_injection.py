"""Throws an exception into a task at its n-th await, wherever that is in the code below it."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any


class InjectedError(Exception):
    """What nobody expected."""


class _Throwing(Coroutine[Any, Any, Any]):
    """A coroutine into which the fault is thrown the n-th time that it would go on."""

    def __init__(self, inner: Coroutine[Any, Any, Any], plan: "Plan") -> None:
        self._inner = inner
        self._plan = plan
        self._steps = itertools.count()

    def send(self, value: Any) -> Any:  # noqa: ANN401 - the protocol of coroutines
        task = asyncio.current_task()
        step = next(self._steps)
        if task is not None and step and self._plan.strikes(task.get_name(), step):
            return self._inner.throw(InjectedError(f"{task.get_name()} at {step}"))
        return self._inner.send(value)

    def throw(self, *args: Any) -> Any:  # noqa: ANN401
        return self._inner.throw(*args)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()


class Plan:
    """Which task is struck, and at which await.

    Attributes:
        struck: The names of tasks that were.
    """

    def __init__(self, aims_at: Callable[[str], bool], step: int) -> None:
        self._aims_at = aims_at
        self._step = step
        self.struck: list[str] = []

    def strikes(self, name: str, step: int) -> bool:
        """Whether this is the moment; there is one."""
        if self.struck or step != self._step or not self._aims_at(name):
            return False
        self.struck.append(name)
        return True


@contextmanager
def faults(aims_at: Callable[[str], bool], step: int) -> Iterator[Plan]:
    """Strike the first task whose name fits, among those that begin inside the block."""
    loop = asyncio.get_running_loop()
    plan = Plan(aims_at, step)

    def factory(
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, Any],
        **more: Any,  # noqa: ANN401
    ) -> asyncio.Task[Any]:
        return asyncio.Task(_Throwing(coro, plan), loop=loop, **more)

    before = loop.get_task_factory()
    loop.set_task_factory(factory)  # type: ignore[arg-type]
    try:
        yield plan
    finally:
        loop.set_task_factory(before)
