import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import virtual_time
from fwai.calls.bounded_reads import CLOSE_S, MAX_LATE, BoundedReads
from fwai.errors import StoreError


async def value(seconds: float, cleanup_s: float = 0.0) -> int:
    """Return a value; when it is cancelled, tidy up as a database's connection does."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await asyncio.sleep(cleanup_s)
        raise
    return 7


async def fail(seconds: float) -> int:
    await asyncio.sleep(seconds)
    raise StoreError("database: locked")


def test_what_is_in_time_is_returned_or_raised() -> None:
    async def read() -> None:
        async with BoundedReads() as reads:
            assert await reads.within(value(0.9), 1.0) == 7
            with pytest.raises(StoreError, match="locked"):
                await reads.within(fail(0.9), 1.0)

    virtual_time.run(read())


@pytest.mark.parametrize("make", [lambda: value(9.0, 3.0), lambda: fail(9.0)])
def test_nobody_waits_longer_nor_for_the_cleanup(
    make: Callable[[], Coroutine[Any, Any, int]],
) -> None:
    async def read() -> float:
        clock = asyncio.get_running_loop()
        async with BoundedReads() as reads:
            started = clock.time()
            with pytest.raises(TimeoutError):
                await reads.within(make(), 1.0)
            return clock.time() - started

    assert virtual_time.run(read()) == pytest.approx(1.0)


def test_a_reader_that_is_cancelled_leaves_nothing() -> None:
    async def read() -> None:
        async with BoundedReads() as reads, asyncio.TaskGroup() as group:
            reader = group.create_task(reads.within(value(9.0), 5.0))
            await asyncio.sleep(1)
            reader.cancel()

    virtual_time.run(read())


def test_late_ones_are_bounded_and_waited_for_at_the_end() -> None:
    async def read() -> float:
        clock = asyncio.get_running_loop()
        async with BoundedReads() as reads:
            for _ in range(MAX_LATE):
                with pytest.raises(TimeoutError):
                    await reads.within(value(9.0, CLOSE_S - 1), 0.01)
            started = clock.time()
            with pytest.raises(TimeoutError):
                await reads.within(value(0.0), 1.0)
            assert clock.time() == started, "not begun at all"
        return clock.time() - started

    assert virtual_time.run(read()) < CLOSE_S


def test_once_it_is_over_nothing_is_begun() -> None:
    async def read() -> None:
        async with BoundedReads() as reads:
            reads._tasks.closed = True
            with pytest.raises(TimeoutError):
                await reads.within(value(0.0), 1.0)

    virtual_time.run(read())
