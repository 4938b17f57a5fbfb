"""An event loop whose clock jumps to the next timer instead of waiting for it, and takes all along.

While `run` runs, the functions of `time` and `datetime.now` go by the loop's clock, for sources,
libraries and tests alike. What keeps the old function keeps real time: an object that was made
before with ``clock=time.time``, or a module that imported the function by name, as `threading` and
`queue` do, whose waits for threads are real.

`set_wall_clock` sets the wall clock alone, as an operator or NTP does: what is monotonic goes on.
"""

import asyncio
import ctypes
import gc
import selectors
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, tzinfo
from functools import cache
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, TypeVar

T = TypeVar("T")
Clock = Callable[[], float]
NS_PER_S = 1_000_000_000


class _JumpingSelector(selectors.SelectSelector):
    now = 1000.0
    wall_ahead_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("deadlock: nothing is ready and no timer is set")
        if not ready and timeout:
            self.now += timeout
        return ready


_running: list[_JumpingSelector] = []


def set_wall_clock(by_s: float) -> None:
    """Set the wall clock forward by so many seconds, or back, within `run`."""
    _running[-1].wall_ahead_s += by_s


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end in no real time; a deadlock fails at once, a leftover task too."""
    selector = _JumpingSelector()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    try:
        with _clocks_of(selector):
            result = loop.run_until_complete(main)
        left = asyncio.all_tasks(loop)
        assert not left, f"tasks left behind: {left}"
        return result
    finally:
        loop.close()


@contextmanager
def _clocks_of(selector: _JumpingSelector) -> Iterator[None]:
    """Make every clock of this process go by the selector's; put them back in any case."""
    began, began_ns = selector.now, time.time_ns()

    def wall_ns() -> int:
        return began_ns + round((selector.now - began + selector.wall_ahead_s) * NS_PER_S)

    clocks: dict[str, Clock] = {
        "time": lambda: wall_ns() / NS_PER_S,
        "time_ns": wall_ns,
        "monotonic": lambda: selector.now,  # as on a real loop, whose clock is this one
        "monotonic_ns": lambda: round(selector.now * NS_PER_S),
        "perf_counter": lambda: selector.now,
        "perf_counter_ns": lambda: round(selector.now * NS_PER_S),
    }
    real: dict[str, Clock] = {name: getattr(time, name) for name in clocks}
    replaced = {function: clocks[name] for name, function in real.items()}
    now = vars(datetime)["now"]
    defaults = [
        (function, function.__defaults__, function.__kwdefaults__)
        for function in _with_clock_as_default(len(sys.modules))
    ]
    try:
        for name, clock in clocks.items():
            setattr(time, name, clock)
        for function, places, keywords in defaults:
            function.__defaults__ = tuple(_each(places or (), replaced))
            names = keywords or {}
            function.__kwdefaults__ = dict(zip(names, _each(names.values(), replaced), strict=True))
        _set_now(classmethod(_now))
        _running.append(selector)
        yield
    finally:
        _running.remove(selector)
        _set_now(now)
        for function, places, keywords in defaults:
            function.__defaults__, function.__kwdefaults__ = places, keywords
        for name, function_of_time in real.items():
            setattr(time, name, function_of_time)


def _each(values: Iterable[object], replaced: Mapping[Clock, Clock]) -> Iterator[object]:
    for value in values:
        yield replaced.get(value, value) if isinstance(value, BuiltinFunctionType) else value


def _now(cls: type[datetime], tz: tzinfo | None = None) -> datetime:
    return cls.fromtimestamp(time.time(), tz)


def _set_now(method: object) -> None:
    # The class is written in C and refuses an attribute; what looks methods up is its dictionary.
    (names,) = (one for one in gc.get_referents(vars(datetime)) if isinstance(one, dict))
    names["now"] = method
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))


@cache
def _with_clock_as_default(modules: int) -> list[FunctionType]:
    """Return the functions of ours that take a clock, the real one if none is given.

    They are looked for anew when there are more ``modules`` than before.
    """
    return [
        function
        for name, module in list(sys.modules.items())
        if name.startswith("fwai.")
        for function in _functions(module)
        if any(
            isinstance(value, BuiltinFunctionType) and value.__module__ == "time"
            for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        )
    ]


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    for one in list(vars(module).values()):
        if getattr(one, "__module__", None) != module.__name__:
            continue
        if isinstance(one, FunctionType):
            yield one
        elif isinstance(one, type):
            yield from (method for method in vars(one).values() if isinstance(method, FunctionType))
