"""Ctrl-C cancels what a command does; what it opened is closed."""

import asyncio
import os
import signal
import threading

import pytest

from fwai.cli import loop


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_what_comes_of_the_work_is_returned() -> None:
    async def work() -> int:
        return 7

    before = signal.getsignal(signal.SIGINT)
    assert loop.run(work()) == 7
    assert signal.getsignal(signal.SIGINT) is before


def test_a_failure_comes_out_as_it_is() -> None:
    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        loop.run(work())


@pytest.mark.parametrize("presses", [1, 2, 5])
def test_an_interrupt_closes_what_is_open(presses: int) -> None:
    closed = []

    async def work() -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(asyncio.Event().wait())
                for _ in range(presses):
                    press()
                await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    with pytest.raises(KeyboardInterrupt):
        loop.run(work())
    assert closed == [True]


def test_what_goes_wrong_on_the_way_out_is_not_told() -> None:
    async def work() -> None:
        try:
            press()
            await asyncio.Event().wait()
        finally:
            raise ZeroDivisionError

    with pytest.raises(KeyboardInterrupt):
        loop.run(work())


@pytest.mark.parametrize(("later_s", "left"), [(0.5, False), (1.5, True)])
def test_a_second_press_that_is_meant_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, later_s: float, left: bool
) -> None:
    """It is on the spot: nothing waits for what hangs."""
    now = [100.0]
    gone: list[int] = []
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("os._exit", gone.append)

    async def work() -> None:
        try:
            press()
            await asyncio.Event().wait()
        finally:
            now[0] += later_s
            press()

    with pytest.raises(KeyboardInterrupt):
        loop.run(work())
    assert gone == ([130] if left else [])


def test_in_another_thread_signals_are_left_alone() -> None:
    found = []

    async def work() -> int:
        return 7

    thread = threading.Thread(target=lambda: found.append(loop.run(work())))
    thread.start()
    thread.join(10)

    assert found == [7]


def test_without_uvloop_the_loop_is_asyncio_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uvloop", None)

    async def work() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert loop.run(work()).startswith("asyncio")
